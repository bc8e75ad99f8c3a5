#include <zephyr/kernel.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/compat/waiters.h"
#include "tests/core/eventually.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::Ge;

constexpr int64_t kShortMs = 20;
#define SHORT_WAIT K_MSEC(kShortMs)
// Never reached unless a test fails.
#define LONG_WAIT K_SECONDS(30)

// Runs `function` on another thread and returns its result.
template <typename Function>
auto OnAnotherThread(Function function) {
  decltype(function()) result;
  std::thread([&] { result = function(); }).join();
  return result;
}

// Milliseconds that `function` takes.
template <typename Function>
int64_t Milliseconds(Function function) {
  const auto begin = std::chrono::steady_clock::now();
  function();
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() -
                                                               begin)
      .count();
}

// ---- Spin lock and interrupt lock

// Nobody else gets `lock`.
bool IsTaken(k_spinlock& lock) {
  return OnAnotherThread([&] {
           k_spinlock_key_t key;
           const int result = k_spin_trylock(&lock, &key);
           if (result == 0) k_spin_unlock(&lock, key);
           return result;
         }) == -EBUSY;
}

TEST(SpinLockTest, KeepsOthersOutUntilItIsUnlocked) {
  static k_spinlock lock;
  const k_spinlock_key_t key = k_spin_lock(&lock);
  EXPECT_TRUE(IsTaken(lock));
  k_spin_unlock(&lock, key);
  EXPECT_FALSE(IsTaken(lock));
}

TEST(SpinLockTest, BlockGivesItBackHoweverItIsLeft) {
  static k_spinlock lock;
  int runs = 0;
  K_SPINLOCK(&lock) {
    ++runs;
    EXPECT_TRUE(IsTaken(lock));
  }
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(IsTaken(lock));
  K_SPINLOCK(&lock) {
    if (runs == 1) K_SPINLOCK_BREAK;
    ++runs;
  }
  EXPECT_EQ(runs, 1);
  EXPECT_FALSE(IsTaken(lock));
  [] {
    K_SPINLOCK(&lock) { return; }
  }();
  EXPECT_FALSE(IsTaken(lock));
}

TEST(InterruptLockTest, IsRecursiveAndKeepsOtherThreadsOut) {
  static int value;
  value = 0;
  const unsigned int outer = irq_lock();
  const unsigned int inner = irq_lock();
  std::atomic<bool> waits{false};
  std::thread other([&] {
    waits = true;
    const unsigned int key = irq_lock();
    value *= 2;
    irq_unlock(key);
  });
  EXPECT_TRUE(Becomes([&] { return waits.load(); }, Eq(true)));
  value = 1;
  irq_unlock(inner);
  std::this_thread::yield();
  value = 2;
  irq_unlock(outer);
  other.join();
  EXPECT_EQ(value, 4);
}

// ---- Mutex

TEST(MutexTest, RecursiveLockNeedsAsManyUnlocks) {
  K_MUTEX_DEFINE(mutex);
  EXPECT_EQ(k_mutex_lock(&mutex, K_NO_WAIT), 0);
  EXPECT_EQ(k_mutex_lock(&mutex, K_FOREVER), 0);
  EXPECT_EQ(k_mutex_unlock(&mutex), 0);
  EXPECT_EQ(OnAnotherThread([&] { return k_mutex_lock(&mutex, K_NO_WAIT); }), -EBUSY);
  EXPECT_EQ(k_mutex_unlock(&mutex), 0);
  EXPECT_EQ(OnAnotherThread([&] { return k_mutex_lock(&mutex, K_NO_WAIT); }), 0);
}

TEST(MutexTest, UnlockOfFreeMutexIsEinval) {
  k_mutex mutex;
  EXPECT_EQ(k_mutex_init(&mutex), 0);
  EXPECT_EQ(k_mutex_unlock(&mutex), -EINVAL);
}

TEST(MutexTest, UnlockByAnotherThreadIsEperm) {
  K_MUTEX_DEFINE(mutex);
  ASSERT_EQ(k_mutex_lock(&mutex, K_FOREVER), 0);
  EXPECT_EQ(OnAnotherThread([&] { return k_mutex_unlock(&mutex); }), -EPERM);
  EXPECT_EQ(k_mutex_unlock(&mutex), 0);
}

TEST(MutexTest, LockedMutexTimesOut) {
  K_MUTEX_DEFINE(mutex);
  ASSERT_EQ(k_mutex_lock(&mutex, K_FOREVER), 0);
  EXPECT_THAT(OnAnotherThread([&] {
                return Milliseconds([&] { EXPECT_EQ(k_mutex_lock(&mutex, SHORT_WAIT), -EAGAIN); });
              }),
              Ge(kShortMs));
}

TEST(MutexTest, GoesToTheThreadThatWaited) {
  K_MUTEX_DEFINE(mutex);
  ASSERT_EQ(k_mutex_lock(&mutex, K_FOREVER), 0);
  std::thread waiting([&] {
    EXPECT_EQ(k_mutex_lock(&mutex, LONG_WAIT), 0);
    EXPECT_EQ(k_mutex_unlock(&mutex), 0);
  });
  EXPECT_TRUE(Becomes([&] { return Waiters(mutex.wait_q); }, Eq(1u)));
  EXPECT_EQ(k_mutex_unlock(&mutex), 0);
  waiting.join();
  EXPECT_EQ(k_mutex_lock(&mutex, K_NO_WAIT), 0);
}

TEST(MutexTest, ExcludesOtherThreads) {
  K_MUTEX_DEFINE(mutex);
  int count = 0;
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < 1000; ++j) {
        k_mutex_lock(&mutex, K_FOREVER);
        ++count;
        k_mutex_unlock(&mutex);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(count, 4000);
}

// ---- Semaphore

TEST(SemTest, LimitsAreChecked) {
  k_sem sem;
  EXPECT_EQ(k_sem_init(&sem, 0, 0), -EINVAL);
  EXPECT_EQ(k_sem_init(&sem, 2, 1), -EINVAL);
  EXPECT_EQ(k_sem_init(&sem, 2, 2), 0);
  EXPECT_EQ(k_sem_count_get(&sem), 2u);
}

TEST(SemTest, CountsUpToItsLimit) {
  K_SEM_DEFINE(sem, 0, 2);
  for (int i = 0; i < 3; ++i) k_sem_give(&sem);
  EXPECT_EQ(k_sem_count_get(&sem), 2u);
  EXPECT_EQ(k_sem_take(&sem, K_NO_WAIT), 0);
  EXPECT_EQ(k_sem_take(&sem, K_FOREVER), 0);
  EXPECT_EQ(k_sem_take(&sem, K_NO_WAIT), -EBUSY);
}

TEST(SemTest, EmptySemaphoreTimesOut) {
  K_SEM_DEFINE(sem, 0, 1);
  EXPECT_THAT(Milliseconds([&] { EXPECT_EQ(k_sem_take(&sem, SHORT_WAIT), -EAGAIN); }),
              Ge(kShortMs));
}

TEST(SemTest, EveryGiveReleasesOneWaiter) {
  // With a limit of 1 a second give must not be lost while the first waiter has not
  // run yet.
  K_SEM_DEFINE(sem, 0, 1);
  std::vector<std::thread> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back([&] { EXPECT_EQ(k_sem_take(&sem, LONG_WAIT), 0); });
  }
  EXPECT_TRUE(Becomes([&] { return Waiters(sem.wait_q); }, Eq(2u)));
  k_sem_give(&sem);
  k_sem_give(&sem);
  for (std::thread& thread : waiting) thread.join();
  EXPECT_EQ(k_sem_count_get(&sem), 0u);
}

TEST(SemTest, WaitersAreServedInOrder) {
  K_SEM_DEFINE(sem, 0, 1);
  K_SEM_DEFINE(served, 0, 2);
  std::vector<int> order;
  std::vector<std::thread> waiting;
  for (int i = 0; i < 2; ++i) {
    waiting.emplace_back([&, i] {
      EXPECT_EQ(k_sem_take(&sem, LONG_WAIT), 0);
      order.push_back(i);
      k_sem_give(&served);
    });
    EXPECT_TRUE(Becomes([&] { return Waiters(sem.wait_q); }, Eq(static_cast<size_t>(i) + 1)));
  }
  for (int i = 0; i < 2; ++i) {
    k_sem_give(&sem);
    EXPECT_EQ(k_sem_take(&served, LONG_WAIT), 0);
  }
  for (std::thread& thread : waiting) thread.join();
  EXPECT_THAT(order, ElementsAre(0, 1));
}

TEST(SemTest, ResetFailsWaiters) {
  K_SEM_DEFINE(sem, 0, 1);
  std::thread waiting([&] { EXPECT_EQ(k_sem_take(&sem, LONG_WAIT), -EAGAIN); });
  EXPECT_TRUE(Becomes([&] { return Waiters(sem.wait_q); }, Eq(1u)));
  k_sem_reset(&sem);
  waiting.join();
}

TEST(SemTest, GiveAndTimeoutNeverLoseACount) {
  K_SEM_DEFINE(sem, 0, K_SEM_MAX_LIMIT);
  constexpr unsigned kGiven = 2000;
  std::atomic<unsigned> taken{0};
  std::atomic<bool> done{false};
  std::thread taker([&] {
    while (!done) taken += k_sem_take(&sem, K_USEC(20)) == 0;
  });
  for (unsigned i = 0; i < kGiven; ++i) {
    k_sem_give(&sem);
    if (i % 64 == 0) k_usleep(20);
  }
  EXPECT_TRUE(Becomes([&] { return taken.load(); }, Eq(kGiven)));
  done = true;
  taker.join();
  EXPECT_EQ(k_sem_count_get(&sem), 0u);
}

// ---- Condition variable

class CondvarTest : public testing::Test {
 protected:
  CondvarTest() {
    k_mutex_init(&mutex_);
    k_condvar_init(&condvar_);
  }
  ~CondvarTest() override {
    for (std::thread& thread : waiting_) thread.join();
  }

  // Starts a thread that waits, and waits until it does.
  void StartWaiting() {
    waiting_.emplace_back([this] {
      k_mutex_lock(&mutex_, K_FOREVER);
      EXPECT_EQ(k_condvar_wait(&condvar_, &mutex_, LONG_WAIT), 0);
      EXPECT_EQ(k_mutex_unlock(&mutex_), 0) << "not the owner";
      ++woken_;
    });
    EXPECT_TRUE(Becomes([&] { return Waiters(condvar_.wait_q); }, Eq(waiting_.size())));
  }

  k_mutex mutex_;
  k_condvar condvar_;
  std::atomic<int> woken_{0};
  std::vector<std::thread> waiting_;
};

TEST_F(CondvarTest, SignalWakesOne) {
  StartWaiting();
  StartWaiting();
  EXPECT_EQ(k_condvar_signal(&condvar_), 0);
  EXPECT_TRUE(Becomes([&] { return woken_.load(); }, Eq(1)));
  EXPECT_EQ(Waiters(condvar_.wait_q), 1u);
  k_condvar_signal(&condvar_);
}

TEST_F(CondvarTest, BroadcastWakesAllAndCountsThem) {
  StartWaiting();
  StartWaiting();
  EXPECT_EQ(k_condvar_broadcast(&condvar_), 2);
  EXPECT_TRUE(Becomes([&] { return woken_.load(); }, Eq(2)));
  EXPECT_EQ(k_condvar_broadcast(&condvar_), 0);
}

TEST_F(CondvarTest, TimeoutLocksTheMutexAgain) {
  k_mutex_lock(&mutex_, K_FOREVER);
  EXPECT_THAT(
      Milliseconds([&] { EXPECT_EQ(k_condvar_wait(&condvar_, &mutex_, SHORT_WAIT), -EAGAIN); }),
      Ge(kShortMs));
  EXPECT_EQ(k_condvar_wait(&condvar_, &mutex_, K_NO_WAIT), -EAGAIN);
  EXPECT_EQ(k_mutex_unlock(&mutex_), 0);
}

// ---- Time

TEST(SleepTest, LastsAsLongAsAsked) {
  EXPECT_THAT(Milliseconds([] { EXPECT_EQ(k_msleep(kShortMs), 0); }), Ge(kShortMs));
  EXPECT_THAT(Milliseconds([] { EXPECT_EQ(k_sleep(SHORT_WAIT), 0); }), Ge(kShortMs));
  EXPECT_THAT(Milliseconds([] { EXPECT_EQ(k_usleep(kShortMs * 1000), 0); }), Ge(kShortMs));
  EXPECT_THAT(Milliseconds([] { k_busy_wait(kShortMs * 1000); }), Ge(kShortMs));
  EXPECT_EQ(k_msleep(-1), 0);
}

// Not a part of the microsecond less.
TEST(SleepTest, BusyWaitIsNeverShort) {
  for (int i = 0; i < 1000; ++i) {
    const auto begin = std::chrono::steady_clock::now();
    k_busy_wait(1);
    ASSERT_GE(std::chrono::steady_clock::now() - begin, std::chrono::microseconds(1)) << i;
  }
}

TEST(UptimeTest, CountsFromTheStartOfTheProcess) {
  const int64_t begin = k_uptime_get();
  EXPECT_GE(begin, 0);
  EXPECT_LT(begin, 60'000);
  k_msleep(kShortMs);
  int64_t reference = begin;
  EXPECT_GE(k_uptime_delta(&reference), kShortMs);
  EXPECT_GE(reference, begin + kShortMs);
}

TEST(TimepointTest, ExpiresAfterItsTimeout) {
  const k_timepoint_t soon = sys_timepoint_calc(SHORT_WAIT);
  EXPECT_FALSE(sys_timepoint_expired(soon));
  k_sleep(sys_timepoint_timeout(soon));
  EXPECT_TRUE(sys_timepoint_expired(soon));
  EXPECT_TRUE(sys_timepoint_expired(sys_timepoint_calc(K_NO_WAIT)));
  EXPECT_TRUE(K_TIMEOUT_EQ(sys_timepoint_timeout(sys_timepoint_calc(K_FOREVER)), K_FOREVER));
}

TEST(TimeoutTest, AbsoluteTimeoutEndsAtThatUptime) {
  K_SEM_DEFINE(sem, 0, 1);
  const int64_t end = k_uptime_get() + kShortMs;
  EXPECT_EQ(k_sem_take(&sem, K_TIMEOUT_ABS_MS(end)), -EAGAIN);
  EXPECT_GE(k_uptime_get(), end);
  EXPECT_EQ(k_sem_take(&sem, K_TIMEOUT_ABS_MS(end)), -EAGAIN) << "in the past";
}

}  // namespace
}  // namespace sockhost
