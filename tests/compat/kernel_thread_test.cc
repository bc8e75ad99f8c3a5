#include <zephyr/kernel.h>

#include <cerrno>
#include <string>

#include "gtest/gtest.h"
#include "service_core/kernel/thread.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

#define LONG_WAIT K_SECONDS(30)

struct Seen {
  k_tid_t thread = nullptr;
  std::string name;
  std::string linux_name;
};

void Look(void* seen, void* name_it, void*) {
  if (name_it) k_thread_name_set(k_current_get(), "renamed");
  auto& out = *static_cast<Seen*>(seen);
  out.thread = k_current_get();
  out.name = k_thread_name_get(out.thread);
  char linux_name[16];
  pthread_getname_np(pthread_self(), linux_name, sizeof(linux_name));
  out.linux_name = linux_name;
}

void AwaitSem(void* sem, void*, void*) { k_sem_take(static_cast<k_sem*>(sem), K_FOREVER); }

TEST(ThreadTest, RunsWithItsArgumentsAndCanBeJoined) {
  k_thread thread;
  Seen seen;
  const k_tid_t id =
      k_thread_create(&thread, nullptr, 0, Look, &seen, &seen, nullptr, 0, 0, K_NO_WAIT);
  EXPECT_EQ(id, &thread);
  EXPECT_EQ(k_thread_join(id, K_FOREVER), 0);
  EXPECT_EQ(seen.thread, id);
  EXPECT_EQ(seen.name, "renamed");
  EXPECT_EQ(seen.linux_name, "renamed");
  EXPECT_EQ(k_thread_join(id, K_NO_WAIT), 0) << "joined twice";
}

TEST(ThreadTest, JoinOfRunningThread) {
  K_SEM_DEFINE(sem, 0, 1);
  k_thread thread;
  k_thread_create(&thread, nullptr, 0, AwaitSem, &sem, nullptr, nullptr, 0, 0, K_NO_WAIT);
  EXPECT_EQ(k_thread_join(&thread, K_NO_WAIT), -EBUSY);
  EXPECT_EQ(k_thread_join(&thread, K_MSEC(10)), -EAGAIN);
  EXPECT_EQ(k_thread_join(k_current_get(), K_FOREVER), -EDEADLK);
  k_sem_give(&sem);
  EXPECT_EQ(k_thread_join(&thread, K_FOREVER), 0);
}

TEST(ThreadTest, WaitsForItsStart) {
  k_thread thread;
  Seen seen;
  k_thread_create(&thread, nullptr, 0, Look, &seen, nullptr, nullptr, 0, 0, K_FOREVER);
  k_thread_name_set(&thread, "a name longer than Linux shows");
  EXPECT_EQ(k_thread_join(&thread, K_MSEC(10)), -EAGAIN);
  EXPECT_EQ(seen.thread, nullptr);
  k_thread_start(&thread);
  EXPECT_EQ(k_thread_join(&thread, K_FOREVER), 0);
  EXPECT_EQ(seen.name, "a name longer than Linux shows");
  EXPECT_EQ(seen.linux_name, "a name longer t");
}

TEST(ThreadTest, StartsAfterItsDelay) {
  k_thread thread;
  Seen seen;
  const int64_t begin = k_uptime_get();
  k_thread_create(&thread, nullptr, 0, Look, &seen, nullptr, nullptr, 0, 0, K_MSEC(20));
  EXPECT_EQ(k_thread_join(&thread, K_FOREVER), 0);
  EXPECT_GE(k_uptime_get() - begin, 20);
}

void MeetTester(void* began, void* may_end, void*) {
  k_sem_give(static_cast<k_sem*>(began));
  k_sem_take(static_cast<k_sem*>(may_end), K_FOREVER);
}

TEST(ThreadTest, StartedThreadIsNotStartedAgain) {
  static K_SEM_DEFINE(began, 0, 1);
  static K_SEM_DEFINE(may_end, 0, 1);
  static k_thread thread;
  k_thread_create(&thread, nullptr, 0, MeetTester, &began, &may_end, nullptr, 0, 0, K_FOREVER);
  k_thread_start(&thread);
  ASSERT_EQ(k_sem_take(&began, LONG_WAIT), 0);
  k_thread_start(&thread);
  k_sem_give(&may_end);
  EXPECT_EQ(k_thread_join(&thread, LONG_WAIT), 0);
  k_thread_start(&thread);
  EXPECT_FALSE(kernel::ThreadsRun()) << "a second thread waits";
}

TEST(ThreadTest, StartEndsTheDelay) {
  static K_SEM_DEFINE(began, 0, 1);
  static K_SEM_DEFINE(may_end, 1, 1);
  static k_thread thread;
  k_thread_create(&thread, nullptr, 0, MeetTester, &began, &may_end, nullptr, 0, 0, K_HOURS(1));
  k_thread_start(&thread);
  EXPECT_EQ(k_thread_join(&thread, LONG_WAIT), 0);
  EXPECT_FALSE(kernel::ThreadsRun()) << "the delay goes on";
}

TEST(ThreadTest, ThreadThatTheSystemRefusesHasEnded) {
  const LogLines log;
  Seen seen;
  k_thread thread;
  k_thread waiting;
  EXPECT_EQ(k_thread_create(&waiting, nullptr, 0, Look, &seen, nullptr, nullptr, 0, 0, K_FOREVER),
            &waiting);
  {
    const NoMoreThreads limit;
    EXPECT_EQ(k_thread_create(&thread, nullptr, 0, Look, &seen, nullptr, nullptr, 0, 0, K_NO_WAIT),
              nullptr);
    k_thread_start(&waiting);
  }
  EXPECT_EQ(k_thread_join(&thread, K_FOREVER), 0);
  EXPECT_EQ(k_thread_join(&waiting, K_FOREVER), 0);
  EXPECT_EQ(seen.thread, nullptr);
}

TEST(ThreadTest, OtherThreadsHaveAnIdentityToo) {
  const k_tid_t self = k_current_get();
  ASSERT_NE(self, nullptr);
  EXPECT_EQ(k_current_get(), self);
  EXPECT_EQ(k_thread_name_set(nullptr, "tester"), 0);
  EXPECT_STREQ(k_thread_name_get(self), "tester");
}

K_SEM_DEFINE(defined_runs, 0, 1);
void RunDefined(void* sem, void*, void*) { k_sem_give(static_cast<k_sem*>(sem)); }
K_THREAD_DEFINE(defined_thread, 1024, RunDefined, &defined_runs, nullptr, nullptr, 5, 0, 0);

TEST(DefinedThreadTest, StartsWhenTheHostSaysSo) {
  EXPECT_EQ(k_sem_take(&defined_runs, K_MSEC(10)), -EAGAIN);
  kernel::StartDefinedThreads();
  EXPECT_EQ(k_sem_take(&defined_runs, K_SECONDS(30)), 0);
  EXPECT_EQ(k_thread_join(defined_thread, K_FOREVER), 0);
  EXPECT_STREQ(k_thread_name_get(defined_thread), "defined_thread");
}

// So many that the first one runs while the last ones are still being started.
constexpr size_t kDefined = 300;
k_thread many_threads[kDefined];

void StartTheLast(void*, void*, void*) { k_thread_start(&many_threads[kDefined - 1]); }
void DoNothing(void*, void*, void*) {}

TEST(DefinedThreadTest, FirstOneMayStartTheLastOne) {
  static sockhost_static_thread definitions[kDefined];
  for (size_t i = 0; i < kDefined; ++i) {
    definitions[i] = {&many_threads[i],
                      i == 0 ? StartTheLast : DoNothing,
                      {},
                      i == kDefined - 1 ? SYS_FOREVER_MS : 0,
                      "one of many",
                      nullptr};
    sockhost_thread_announce(&definitions[i]);
  }
  kernel::StartDefinedThreads();
  for (k_thread& thread : many_threads) EXPECT_EQ(k_thread_join(&thread, LONG_WAIT), 0);
}

}  // namespace
}  // namespace sockhost
