#include "server/task_thread.h"

#include <gmock/gmock.h>

#include <atomic>
#include <functional>
#include <future>
#include <memory>
#include <vector>

#include "absl/synchronization/notification.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

// Keeps the thread busy, so that what is handed over meanwhile waits.
class Busy {
 public:
  explicit Busy(TaskThread& tasks) {
    absl::Notification begun;
    tasks.Run([&begun, release = release_.get_future()]() mutable {
      begun.Notify();
      release.wait();
    });
    begun.WaitForNotification();
  }
  void End() { release_.set_value(); }

 private:
  std::promise<void> release_;
};

TEST(TaskThreadTest, TasksRunInTheOrderInWhichTheyCame) {
  TaskThread tasks;
  std::vector<int> ran;
  std::promise<void> done;
  Busy busy(tasks);
  for (int i = 0; i < 5; ++i) tasks.Run([&ran, i] { ran.push_back(i); });
  tasks.Run([&done] { done.set_value(); });
  busy.End();
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(0, 1, 2, 3, 4));
}

TEST(TaskThreadTest, EarlierTimeRunsFirst) {
  TaskThread tasks;
  std::vector<int> ran;
  std::promise<void> done;
  Busy busy(tasks);
  tasks.RunAfter(absl::Milliseconds(30), [&] {
    ran.push_back(3);
    done.set_value();
  });
  tasks.RunAfter(absl::Milliseconds(10), [&ran] { ran.push_back(2); });
  tasks.Run([&ran] { ran.push_back(1); });
  busy.End();
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3));
}

TEST(TaskThreadTest, NothingRunsBeforeItsTime) {
  TaskThread tasks;
  const auto began = std::chrono::steady_clock::now();
  std::promise<std::chrono::steady_clock::time_point> ran;
  tasks.RunAfter(absl::Milliseconds(50),
                 [&ran] { ran.set_value(std::chrono::steady_clock::now()); });
  EXPECT_GE(ran.get_future().get() - began, std::chrono::milliseconds(50));
}

TEST(TaskThreadTest, SomeTimeAfterIsNotBeforeItsTime) {
  TaskThread tasks;
  const auto began = std::chrono::steady_clock::now();
  std::promise<std::chrono::steady_clock::time_point> ran;
  tasks.RunSomeTimeAfter(absl::Milliseconds(50),
                         [&ran] { ran.set_value(std::chrono::steady_clock::now()); });
  EXPECT_GE(ran.get_future().get() - began, std::chrono::milliseconds(50));
}

TEST(TaskThreadTest, TasksThatComeAtOnceDoNotKeepTimedOnesWaiting) {
  TaskThread tasks;
  std::atomic<bool> ended{false};
  std::function<void()> again = [&] {
    if (!ended) tasks.Run(again);
  };
  tasks.Run(again);
  std::promise<void> done;
  tasks.RunAfter(absl::Milliseconds(1), [&] {
    ended = true;
    done.set_value();
  });
  done.get_future().wait();
  tasks.Stop();
}

TEST(TaskThreadTest, EarlierTaskOvertakesTheOneThatIsWaitedFor) {
  TaskThread tasks;
  tasks.RunAfter(absl::Hours(1), [] { ADD_FAILURE() << "an hour early"; });
  std::promise<void> done;
  tasks.Run([&done] { done.set_value(); });
  done.get_future().wait();
}

TEST(TaskThreadTest, TaskMayHandOverAnother) {
  TaskThread tasks;
  std::promise<void> done;
  tasks.Run([&] { tasks.RunAfter(absl::Milliseconds(1), [&done] { done.set_value(); }); });
  done.get_future().wait();
}

TEST(TaskThreadTest, StopWaitsForTheTaskInProgressAndDropsTheOthers) {
  TaskThread tasks;
  std::atomic<bool> ended{false};
  absl::Notification begun;
  tasks.Run([&] {
    begun.Notify();
    ended = true;
  });
  const auto dropped = std::make_shared<int>(0);
  tasks.RunAfter(absl::Hours(1), [dropped] { ADD_FAILURE() << "was dropped"; });
  begun.WaitForNotification();
  tasks.Stop();
  EXPECT_TRUE(ended);
  EXPECT_EQ(dropped.use_count(), 1) << "what a dropped task holds is let go";
}

TEST(TaskThreadTest, CancelledTaskDoesNotRunAndHoldsNothing) {
  TaskThread tasks;
  const auto held = std::make_shared<int>(0);
  const auto timed = tasks.RunAfter(absl::Hours(1), [held] { ADD_FAILURE() << "was cancelled"; });
  std::promise<void> done;
  tasks.RunAfter(absl::Milliseconds(1), [&done] { done.set_value(); });
  tasks.Cancel(timed);
  EXPECT_EQ(held.use_count(), 1);
  done.get_future().wait();
  EXPECT_EQ(tasks.waiting(), 0u) << "others run";
  // There is nothing to cancel.
  tasks.Cancel(timed);
}

TEST(TaskThreadTest, AfterStopTasksAreDropped) {
  TaskThread tasks;
  tasks.Stop();
  const auto dropped = std::make_shared<int>(0);
  tasks.Run([dropped] { ADD_FAILURE() << "was dropped"; });
  EXPECT_EQ(dropped.use_count(), 1);
  tasks.Stop();
}

// The end of a task may hand over another: nothing is destroyed under the mutex.
TEST(TaskThreadTest, DestroyingATaskMayHandOverAnother) {
  struct HandsOver {
    explicit HandsOver(TaskThread& t) : tasks(t) {}
    ~HandsOver() {
      tasks.Run([] {});
    }
    TaskThread& tasks;
  };
  TaskThread tasks;
  tasks.RunAfter(absl::Hours(1), [held = std::make_shared<HandsOver>(tasks)] {});
  std::promise<void> done;
  tasks.Run([&done, held = std::make_unique<HandsOver>(tasks)] { done.set_value(); });
  done.get_future().wait();
  tasks.Stop();
}

}  // namespace
}  // namespace sockhost
