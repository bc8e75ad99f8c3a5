#include "service_core/listener_thread.h"

#include <gmock/gmock.h>

#include <future>
#include <memory>
#include <new>
#include <thread>
#include <vector>

namespace sockhost {
namespace {

using testing::ElementsAre;

// Keeps the thread busy until it is told to end.
class Busy {
 public:
  explicit Busy(ListenerThread& thread) {
    std::promise<void> begun;
    thread.Post([&begun, end = end_.get_future()]() mutable {
      begun.set_value();
      end.wait();
    });
    begun.get_future().wait();
  }
  void End() { end_.set_value(); }

 private:
  std::promise<void> end_;
};

TEST(ListenerThreadTest, TasksRunInTheOrderInWhichTheyAreDue) {
  ListenerThread thread;
  ASSERT_TRUE(thread.Start().ok());
  std::vector<int> ran;
  std::promise<void> done;
  Busy busy(thread);
  thread.RunAfter(absl::Milliseconds(20), [&] {
    ran.push_back(4);
    done.set_value();
  });
  thread.RunAfter(absl::Milliseconds(10), [&ran] { ran.push_back(3); });
  thread.Post([&ran] { ran.push_back(1); });
  thread.Post([&ran] { ran.push_back(2); });
  busy.End();
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(1, 2, 3, 4));
}

TEST(ListenerThreadTest, TaskWithoutMemoryIsRunAgain) {
  ListenerThread thread;
  ASSERT_TRUE(thread.Start().ok());
  std::vector<int> ran;
  std::promise<void> done;
  thread.RunAfter(absl::ZeroDuration(), [&] {
    ran.push_back(1);
    if (ran.size() == 1) throw std::bad_alloc();
    done.set_value();
  });
  done.get_future().wait();
  EXPECT_THAT(ran, ElementsAre(1, 1));
}

TEST(ListenerThreadTest, StopRunsWhatWasPostedAndDropsWhatIsNotDue) {
  ListenerThread thread;
  ASSERT_TRUE(thread.Start().ok());
  const auto held = std::make_shared<int>();
  bool posted_ran = false;
  bool later_ran = false;
  Busy busy(thread);
  thread.RunAfter(absl::Hours(1), [&later_ran, held] { later_ran = true; });
  thread.Post([&posted_ran] { posted_ran = true; });
  std::thread stopper([&thread] { thread.Stop(); });
  busy.End();
  stopper.join();
  EXPECT_TRUE(posted_ran);
  EXPECT_FALSE(later_ran);
  EXPECT_EQ(held.use_count(), 1);
}

TEST(ListenerThreadTest, WithoutAThreadTasksRunAtOnce) {
  ListenerThread thread;
  int ran = 0;
  thread.Post([&ran] { ++ran; });
  EXPECT_EQ(ran, 1);
  ASSERT_TRUE(thread.Start().ok());
  thread.Stop();
  thread.Post([&ran] { ++ran; });
  EXPECT_EQ(ran, 2);
}

}  // namespace
}  // namespace sockhost
