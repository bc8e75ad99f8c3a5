#include <zephyr/kernel.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/compat/waiters.h"
#include "tests/core/eventually.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

#define LONG_WAIT K_SECONDS(30)
// A point in time that is over: what starts with it is due at once, in the order of the starts.
#define PAST K_TIMEOUT_ABS_TICKS(1)

// An item that can be held inside its handler.
struct Item {
  k_work_delayable dwork;
  std::atomic<int> runs{0};
  k_sem began;
  k_sem may_end;
  bool holds = false;
  k_tid_t thread = nullptr;
  int resubmit_result = -1;

  Item() {
    k_work_init_delayable(&dwork, Run);
    k_sem_init(&began, 0, K_SEM_MAX_LIMIT);
    k_sem_init(&may_end, 0, K_SEM_MAX_LIMIT);
  }
  ~Item() {
    k_sem_give(&may_end);
    k_work_sync sync;
    k_work_cancel_delayable_sync(&dwork, &sync);
  }

  k_work* work() { return &dwork.work; }
  bool AwaitRun() { return k_sem_take(&began, LONG_WAIT) == 0; }

  static void Run(k_work* work) {
    Item& item = *CONTAINER_OF(k_work_delayable_from_work(work), Item, dwork);
    ++item.runs;
    item.thread = k_current_get();
    k_sem_give(&item.began);
    if (item.holds) k_sem_take(&item.may_end, LONG_WAIT);
  }
};

TEST(WorkTest, SubmittedItemRunsOnTheSystemQueue) {
  Item item;
  k_work_sync sync;
  EXPECT_FALSE(k_work_flush(item.work(), &sync)) << "nothing to wait for";
  EXPECT_EQ(k_work_submit(item.work()), 1);
  EXPECT_TRUE(item.AwaitRun());
  k_work_flush(item.work(), &sync);
  EXPECT_EQ(item.runs, 1);
  EXPECT_EQ(item.thread, k_work_queue_thread_get(&k_sys_work_q));
  EXPECT_FALSE(k_work_is_pending(item.work()));
}

TEST(WorkTest, QueuedItemIsQueuedOnce) {
  Item blocker;
  blocker.holds = true;
  Item item;
  ASSERT_EQ(k_work_submit(blocker.work()), 1);
  ASSERT_TRUE(blocker.AwaitRun());
  EXPECT_EQ(k_work_submit(item.work()), 1);
  EXPECT_EQ(k_work_submit(item.work()), 0);
  EXPECT_EQ(k_work_busy_get(item.work()), K_WORK_QUEUED);
  EXPECT_EQ(k_work_submit(blocker.work()), 2) << "while it runs";
  k_sem_give(&blocker.may_end);
  EXPECT_TRUE(item.AwaitRun());
  EXPECT_TRUE(blocker.AwaitRun());
  EXPECT_EQ(item.runs, 1);
  EXPECT_EQ(blocker.runs, 2);
}

TEST(WorkTest, FlushWaitsForTheRun) {
  Item item;
  item.holds = true;
  k_work_submit(item.work());
  ASSERT_TRUE(item.AwaitRun());
  std::atomic<bool> flushed{false};
  std::thread flusher([&] {
    k_work_sync sync;
    EXPECT_TRUE(k_work_flush(item.work(), &sync));
    flushed = true;
  });
  k_msleep(10);
  EXPECT_FALSE(flushed);
  k_sem_give(&item.may_end);
  flusher.join();
}

TEST(WorkTest, CancelTakesQueuedItemBack) {
  Item blocker;
  blocker.holds = true;
  Item item;
  k_work_submit(blocker.work());
  ASSERT_TRUE(blocker.AwaitRun());
  k_work_submit(item.work());
  EXPECT_EQ(k_work_cancel(item.work()), 0);
  k_sem_give(&blocker.may_end);
  k_work_sync sync;
  k_work_flush(blocker.work(), &sync);
  EXPECT_EQ(item.runs, 0);
}

TEST(WorkTest, ItemIsRefusedWhileItsRunIsCancelled) {
  Item item;
  item.holds = true;
  k_work_submit(item.work());
  ASSERT_TRUE(item.AwaitRun());
  EXPECT_EQ(k_work_cancel(item.work()), K_WORK_RUNNING | K_WORK_CANCELING);
  EXPECT_EQ(k_work_submit(item.work()), -EBUSY);
  k_sem_give(&item.may_end);
  k_work_sync sync;
  EXPECT_TRUE(k_work_cancel_sync(item.work(), &sync) || item.runs == 1);
  EXPECT_EQ(k_work_busy_get(item.work()), 0);
  item.holds = false;
  EXPECT_EQ(k_work_submit(item.work()), 1);
  EXPECT_TRUE(item.AwaitRun());
}

TEST(WorkTest, ItemWithoutAQueueIsEinval) {
  Item item;
  EXPECT_EQ(k_work_submit_to_queue(nullptr, item.work()), -EINVAL);
  EXPECT_EQ(k_work_busy_get(item.work()), 0);
}

TEST(WorkTest, QueueThatFoundNoThreadIsNotStarted) {
  static k_work_q queue;
  k_work_queue_init(&queue);
  Item item;
  {
    const LogLines log;
    const NoMoreThreads limit;
    k_work_queue_start(&queue, nullptr, 0, 0, nullptr);
  }
  EXPECT_EQ(k_work_submit_to_queue(&queue, item.work()), -ENODEV);
  k_work_queue_start(&queue, nullptr, 0, 0, nullptr);
  EXPECT_EQ(k_work_submit_to_queue(&queue, item.work()), 1);
  EXPECT_TRUE(item.AwaitRun());
}

TEST(WorkTest, OwnQueueHasItsOwnThread) {
  static k_work_q queue;
  k_work_queue_init(&queue);
  Item item;
  EXPECT_EQ(k_work_submit_to_queue(&queue, item.work()), -ENODEV) << "not started";
  const k_work_queue_config config = {"own", false, false};
  k_work_queue_start(&queue, nullptr, 0, 0, &config);
  EXPECT_EQ(k_work_submit_to_queue(&queue, item.work()), 1);
  EXPECT_TRUE(item.AwaitRun());
  EXPECT_EQ(item.thread, k_work_queue_thread_get(&queue));
  EXPECT_STREQ(k_thread_name_get(item.thread), "own");
}

TEST(DelayableTest, RunsAfterItsDelay) {
  Item item;
  const int64_t begin = k_uptime_get();
  EXPECT_EQ(k_work_schedule(&item.dwork, K_MSEC(20)), 1);
  EXPECT_EQ(k_work_delayable_busy_get(&item.dwork), K_WORK_DELAYED);
  EXPECT_GT(k_work_delayable_remaining_get(&item.dwork), 0);
  EXPECT_LE(k_work_delayable_remaining_get(&item.dwork), 20'000);
  EXPECT_TRUE(item.AwaitRun());
  EXPECT_GE(k_uptime_get() - begin, 20);
  EXPECT_EQ(k_work_delayable_remaining_get(&item.dwork), 0);
}

TEST(DelayableTest, ScheduleKeepsTheFirstDelayAndRescheduleSetsANewOne) {
  Item item;
  EXPECT_EQ(k_work_schedule(&item.dwork, K_HOURS(1)), 1);
  EXPECT_EQ(k_work_schedule(&item.dwork, K_NO_WAIT), 0);
  EXPECT_GT(k_work_delayable_remaining_get(&item.dwork), 60'000'000);
  EXPECT_EQ(k_work_reschedule(&item.dwork, K_NO_WAIT), 1);
  EXPECT_TRUE(item.AwaitRun());
}

TEST(DelayableTest, ErrorsAreThoseOfSubmit) {
  k_work_q queue;
  k_work_queue_init(&queue);
  Item item;
  for (const k_timeout_t delay : {K_NO_WAIT, K_HOURS(1)}) {
    EXPECT_EQ(k_work_schedule_for_queue(nullptr, &item.dwork, delay), -EINVAL);
    EXPECT_EQ(k_work_reschedule_for_queue(nullptr, &item.dwork, delay), -EINVAL);
    EXPECT_EQ(k_work_schedule_for_queue(&queue, &item.dwork, delay), -ENODEV);
    EXPECT_EQ(k_work_reschedule_for_queue(&queue, &item.dwork, delay), -ENODEV);
  }
  EXPECT_EQ(k_work_delayable_busy_get(&item.dwork), 0);
  item.holds = true;
  ASSERT_EQ(k_work_schedule(&item.dwork, K_NO_WAIT), 1);
  ASSERT_TRUE(item.AwaitRun());
  EXPECT_EQ(k_work_cancel_delayable(&item.dwork), K_WORK_RUNNING | K_WORK_CANCELING);
  EXPECT_EQ(k_work_reschedule(&item.dwork, K_NO_WAIT), -EBUSY);
}

TEST(DelayableTest, EarlierItemRunsFirstWhateverTheOrderOfScheduling) {
  static std::vector<std::string> order;
  static K_SEM_DEFINE(done, 0, 3);
  const auto note = [](const char* name) {
    order.push_back(name);
    k_sem_give(&done);
  };
  static void (*const note_static)(const char*) = note;
  k_work_delayable a, b, c;
  k_work_init_delayable(&a, [](k_work*) { note_static("a"); });
  k_work_init_delayable(&b, [](k_work*) { note_static("b"); });
  k_work_init_delayable(&c, [](k_work*) { note_static("c"); });
  k_work_schedule(&c, K_MSEC(60));
  k_work_schedule(&a, K_MSEC(20));
  k_work_schedule(&b, K_MSEC(40));
  for (int i = 0; i < 3; ++i) EXPECT_EQ(k_sem_take(&done, LONG_WAIT), 0);
  EXPECT_THAT(order, ElementsAre("a", "b", "c"));
  k_work_sync sync;
  k_work_cancel_delayable_sync(&c, &sync);
}

TEST(DelayableTest, CancelledItemDoesNotRun) {
  Item item;
  k_work_schedule(&item.dwork, K_MSEC(10));
  EXPECT_EQ(k_work_cancel_delayable(&item.dwork), 0);
  k_msleep(30);
  EXPECT_EQ(item.runs, 0);
  k_work_sync sync;
  EXPECT_FALSE(k_work_cancel_delayable_sync(&item.dwork, &sync));
}

TEST(DelayableTest, CancelSyncWaitsForTheRun) {
  Item item;
  item.holds = true;
  k_work_schedule(&item.dwork, K_NO_WAIT);
  ASSERT_TRUE(item.AwaitRun());
  std::thread releaser([&] {
    k_msleep(10);
    k_sem_give(&item.may_end);
  });
  k_work_sync sync;
  EXPECT_TRUE(k_work_cancel_delayable_sync(&item.dwork, &sync));
  EXPECT_EQ(k_work_delayable_busy_get(&item.dwork), 0);
  releaser.join();
}

TEST(DelayableTest, CancelSyncWaitsForNoLaterRun) {
  struct Repeating : Item {
    static void RunAndRepeat(k_work* work) {
      Item& item = *CONTAINER_OF(k_work_delayable_from_work(work), Item, dwork);
      Run(work);
      // The next run begins before anybody has seen the end of this one.
      if (item.runs == 1) k_work_reschedule(&item.dwork, PAST);
    }
  };
  Item item;
  k_work_init_delayable(&item.dwork, Repeating::RunAndRepeat);
  item.holds = true;
  k_work_schedule(&item.dwork, K_NO_WAIT);
  ASSERT_TRUE(item.AwaitRun());
  K_SEM_DEFINE(cancelled, 0, 1);
  std::thread canceller([&] {
    k_work_sync sync;
    EXPECT_TRUE(k_work_cancel_delayable_sync(&item.dwork, &sync));
    k_sem_give(&cancelled);
  });
  EXPECT_TRUE(Becomes([&] { return k_work_delayable_busy_get(&item.dwork); },
                      K_WORK_RUNNING | K_WORK_CANCELING));
  k_sem_give(&item.may_end);
  ASSERT_TRUE(item.AwaitRun());
  EXPECT_EQ(k_sem_take(&cancelled, LONG_WAIT), 0) << "while the second run is held";
  k_sem_give(&item.may_end);
  canceller.join();
}

TEST(DelayableTest, FlushRunsItAtOnce) {
  Item item;
  k_work_schedule(&item.dwork, K_HOURS(1));
  k_work_sync sync;
  EXPECT_TRUE(k_work_flush_delayable(&item.dwork, &sync));
  EXPECT_EQ(item.runs, 1);
}

// ---- Timers

std::atomic<int> expirations{0};
std::atomic<int> stops{0};
void CountExpiry(k_timer*) { ++expirations; }
void CountStop(k_timer*) { ++stops; }

TEST(TimerTest, OneShotExpiresOnce) {
  K_TIMER_DEFINE(timer, CountExpiry, CountStop);
  EXPECT_EQ(k_timer_remaining_get(&timer), 0u);
  k_timer_start(&timer, K_MSEC(10), K_NO_WAIT);
  EXPECT_EQ(k_timer_status_sync(&timer), 1u);
  EXPECT_EQ(k_timer_status_get(&timer), 0u) << "read already";
  k_timer_stop(&timer);
  EXPECT_EQ(expirations, 1);
  EXPECT_EQ(stops, 0) << "it had ended by itself";
}

TEST(TimerTest, PeriodicTimerExpiresUntilStopped) {
  k_timer timer;
  k_timer_init(&timer, CountExpiry, CountStop);
  k_timer_start(&timer, K_NO_WAIT, K_MSEC(5));
  uint32_t seen = 0;
  while (seen < 3) seen += k_timer_status_sync(&timer);
  k_timer_stop(&timer);
  const int at_stop = expirations;
  EXPECT_GE(at_stop, 3);
  EXPECT_EQ(stops, 1);
  k_msleep(20);
  EXPECT_EQ(expirations, at_stop);
}

TEST(TimerTest, StopWakesWhoeverWaitsForIt) {
  k_timer timer;
  k_timer_init(&timer, nullptr, nullptr);
  k_timer_start(&timer, K_HOURS(1), K_NO_WAIT);
  std::thread stopper([&] { k_timer_stop(&timer); });
  EXPECT_EQ(k_timer_status_sync(&timer), 0u);
  stopper.join();
}

TEST(TimerTest, WhoeverWaitsIsWokenAfterTheExpiryFunction) {
  static std::atomic<size_t> waiting_at_expiry{0};
  k_timer timer;
  k_timer_init(
      &timer, [](k_timer* self) { waiting_at_expiry = Waiters(self->wait_q); }, nullptr);
  k_timer_start(&timer, K_HOURS(1), K_NO_WAIT);
  std::thread waiter([&] { EXPECT_EQ(k_timer_status_sync(&timer), 1u); });
  EXPECT_TRUE(Becomes([&] { return Waiters(timer.wait_q); }, 1u));
  k_timer_start(&timer, PAST, K_NO_WAIT);
  waiter.join();
  EXPECT_EQ(waiting_at_expiry, 1u);
  k_timer_stop(&timer);
}

TEST(TimerTest, ExpiryFunctionMayStopAndStartItsTimer) {
  static K_SEM_DEFINE(expired, 0, 2);
  static std::atomic<int> left{2};
  k_timer timer;
  k_timer_init(
      &timer,
      [](k_timer* self) {
        k_timer_stop(self);
        if (--left > 0) k_timer_start(self, K_NO_WAIT, K_NO_WAIT);
        k_sem_give(&expired);
      },
      nullptr);
  k_timer_user_data_set(&timer, &expired);
  EXPECT_EQ(k_timer_user_data_get(&timer), &expired);
  k_timer_start(&timer, K_MSEC(1), K_MSEC(1));
  EXPECT_EQ(k_sem_take(&expired, LONG_WAIT), 0);
  EXPECT_EQ(k_sem_take(&expired, LONG_WAIT), 0);
  k_timer_stop(&timer);
}

// Holds the thread of all timers in an expiry function, while it lives.
class HeldTimers {
 public:
  HeldTimers() {
    k_sem_init(&began_, 0, 1);
    k_sem_init(&may_end_, 0, 1);
    k_timer_init(&timer_, Hold, nullptr);
    k_timer_user_data_set(&timer_, this);
    k_timer_start(&timer_, PAST, K_NO_WAIT);
    k_sem_take(&began_, K_FOREVER);
  }
  ~HeldTimers() {
    k_sem_give(&may_end_);
    k_timer_stop(&timer_);
  }

 private:
  static void Hold(k_timer* timer) {
    HeldTimers& self = *static_cast<HeldTimers*>(k_timer_user_data_get(timer));
    k_sem_give(&self.began_);
    k_sem_take(&self.may_end_, K_FOREVER);
  }

  k_timer timer_;
  k_sem began_;
  k_sem may_end_;
};

TEST(TimerTest, StartTakesBackAnExpirationWhoseTurnHasNotCome) {
  static K_TIMER_DEFINE(restarted, CountExpiry, nullptr);
  k_timer first;
  k_timer last;
  k_timer_init(
      &first, [](k_timer*) { k_timer_start(&restarted, K_HOURS(1), K_NO_WAIT); }, nullptr);
  k_timer_init(&last, nullptr, nullptr);
  expirations = 0;
  {
    const HeldTimers held;
    for (k_timer* timer : {&first, &restarted, &last}) k_timer_start(timer, PAST, K_NO_WAIT);
  }
  EXPECT_EQ(k_timer_status_sync(&last), 1u);
  EXPECT_EQ(expirations, 0);
  EXPECT_EQ(k_timer_status_get(&restarted), 0u);
  EXPECT_GT(k_timer_remaining_get(&restarted), 0u);
  // The start itself is not used up.
  k_timer_start(&restarted, PAST, K_NO_WAIT);
  EXPECT_EQ(k_timer_status_sync(&restarted), 1u);
  for (k_timer* timer : {&first, &restarted, &last}) k_timer_stop(timer);
  EXPECT_EQ(expirations, 1);
}

}  // namespace
}  // namespace sockhost
