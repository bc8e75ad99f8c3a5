// fds that are closed, and numbers that are used anew, while events of the same
// batch wait: no event may ever reach another socket than its own.
//
//   SOCKHOST_CHURN_SEED, SOCKHOST_CHURN_EVENTS: another run, a longer run.
#include <gmock/gmock.h>
#include <unistd.h>

#include <random>
#include <vector>

#include "service_core/socket_traffic.h"
#include "tests/core/log_lines.h"
#include "tests/core/loop_fixture.h"
#include "tests/core/sockets.h"
#include "tests/core/test_numbers.h"

namespace sockhost {
namespace {

class ChurnTest : public LoopFixture {
 protected:
  static constexpr size_t kServices = 4;
  static constexpr int kSockets = 200;

  // What stands behind a number now: its user_data is the generation.
  struct Life {
    uint64_t generation = 0;
    size_t service = 0;
  };

  static void Handle(net_socket_service_event* event) {
    if (current_) current_->OnCall(*event);
  }

  void OnCall(const net_socket_service_event& event) {
    const int fd = event.event.fd;
    const Life& life = lives_[static_cast<size_t>(fd)];
    if (reinterpret_cast<uint64_t>(event.user_data) != life.generation ||
        event.svc != services_[life.service]->descriptor || event.event.revents != POLLIN) {
      ++wrong_;
    }
    // Progress: a socket that is always ready must not be masked.
    CountReceive(fd, 1, 1, 0);
    if (++events_ == last_event_) {
      current_ = nullptr;
      return over_.set_value();
    }
    // Another one of the batch, or one of an earlier or a later one.
    if (random_() % 8 == 0) Replace(numbers_[random_() % numbers_.size()]);
  }

  // Ends the socket of this number, in one of the ways in which a program can, and
  // begins another life of the number.
  void Replace(int fd) {
    Life& life = lives_[static_cast<size_t>(fd)];
    if (random_() % 4 == 0) {
      ++silent_;
    } else if (table_.RemoveOne(*services_[life.service], fd) != 0) {
      ++wrong_;
    }
    close(fd);
    if (EventFdNumbered(fd, true).release() != fd) ++wrong_;
    Begin(fd);
  }

  void Begin(int fd) {
    const size_t service = random_() % kServices;
    lives_[static_cast<size_t>(fd)] = {++generations_, service};
    void* user_data = reinterpret_cast<void*>(generations_);
    if (table_.AddOne(*services_[service], fd, POLLIN, user_data) != 0) ++wrong_;
  }

  static inline ChurnTest* current_ = nullptr;

  std::mt19937_64 random_{SeedFromEnvironment("SOCKHOST_CHURN_SEED")};
  const int64_t last_event_ =
      NumberFromEnvironment("SOCKHOST_CHURN_EVENTS", kThreadSanitizer ? 1'000'000 : 10'000'000);
  std::vector<std::shared_ptr<Service>> services_;
  std::vector<int> numbers_;
  std::vector<Life> lives_ = std::vector<Life>(10'000);
  uint64_t generations_ = 0;
  int64_t events_ = 0;
  int64_t silent_ = 0;
  int64_t wrong_ = 0;
  std::promise<void> over_;
};

TEST_F(ChurnTest, NoEventReachesAnotherSocketThanItsOwn) {
  const LogLines log;  // full of silent closes
  const StopOnExit stop(loop_);
  for (size_t i = 0; i < kServices; ++i) services_.push_back(NewServiceWith(Handle, kSockets));
  loop_.Post([this] {
    for (int i = 0; i < kSockets; ++i) {
      numbers_.push_back(EventFd(true).release());
      Begin(numbers_.back());
    }
    current_ = this;
  });
  over_.get_future().wait();
  loop_.Stop();
  const LoopStatistics statistics = loop_.Statistics();
  EXPECT_EQ(wrong_, 0) << "of " << events_ << " events";
  EXPECT_EQ(statistics.closed_behind, silent_);
  // The run has met what it is for.
  EXPECT_GT(statistics.stale_events, events_ / 50);
  EXPECT_GT(silent_, events_ / 100);
  EXPECT_EQ(statistics.max_events_per_wakeup, kSockets);
  std::printf("%lld events, %lld stale, %lld closed silently, %llu sockets\n",
              static_cast<long long>(events_), static_cast<long long>(statistics.stale_events),
              static_cast<long long>(silent_), static_cast<unsigned long long>(generations_));
  for (const int fd : numbers_) close(fd);
}

}  // namespace
}  // namespace sockhost
