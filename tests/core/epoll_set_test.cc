#include "service_core/epoll_set.h"

#include <gmock/gmock.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <thread>
#include <utility>
#include <vector>

#include "sockhost/error.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr RegistrationKey kFirst{1, 100};
constexpr RegistrationKey kSecond{2, 200};
constexpr RegistrationKey kThird{3, 300};

std::pair<uint32_t, uint32_t> Parts(RegistrationKey key) { return {key.slot, key.generation}; }

class EpollSetTest : public testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(set_.Open().ok()); }

  // What is ready now: the slots of the keys.
  std::vector<uint32_t> ReadySlots() {
    std::vector<uint32_t> slots;
    for (const epoll_event& event : Wait(0)) {
      slots.push_back(RegistrationKey::Unpack(event.data.u64).slot);
    }
    return slots;
  }

  std::span<epoll_event> Wait(int timeout_ms) { return set_.Wait(buffer_, timeout_ms); }

  EpollSet set_;
  epoll_event buffer_[8];
};

TEST(RegistrationKeyTest, PackingKeepsBothParts) {
  for (const RegistrationKey key :
       {RegistrationKey{0, 0}, RegistrationKey{1, 2}, RegistrationKey{0xffffffff, 0x80000000},
        RegistrationKey{0x80000001, 0xfffffffe}}) {
    EXPECT_EQ(Parts(RegistrationKey::Unpack(key.Pack())), Parts(key));
  }
}

TEST_F(EpollSetTest, ReadyFdIsReportedWithItsKeyAndEvents) {
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(set_.Add(fd.get(), EPOLLIN, {7, 0x12345678}), 0);
  const std::span<epoll_event> ready = Wait(0);
  ASSERT_EQ(ready.size(), 1u);
  EXPECT_EQ(ready[0].events, static_cast<uint32_t>(EPOLLIN));
  EXPECT_EQ(Parts(RegistrationKey::Unpack(ready[0].data.u64)),
            (std::pair<uint32_t, uint32_t>(7, 0x12345678)));
}

TEST_F(EpollSetTest, ModifyChangesEventsAndKey) {
  const SocketPair pair = UnixPair();
  ASSERT_EQ(set_.Add(pair.ours.get(), EPOLLIN, kFirst), 0);
  EXPECT_THAT(ReadySlots(), IsEmpty());
  ASSERT_EQ(set_.Modify(pair.ours.get(), EPOLLOUT, kSecond), 0);
  EXPECT_THAT(ReadySlots(), UnorderedElementsAre(kSecond.slot));
}

TEST_F(EpollSetTest, RemovedFdIsNotReported) {
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(set_.Add(fd.get(), EPOLLIN, kFirst), 0);
  ASSERT_EQ(set_.Remove(fd.get()), 0);
  EXPECT_THAT(ReadySlots(), IsEmpty());
}

TEST_F(EpollSetTest, FaultsAreErrnos) {
  const UniqueFd fd = EventFd(false);
  const UniqueFd file = RegularFile();
  EXPECT_EQ(set_.Add(ClosedFd(), EPOLLIN, kFirst), EBADF);
  EXPECT_EQ(set_.Add(file.get(), EPOLLIN, kFirst), EPERM);
  EXPECT_EQ(set_.Modify(fd.get(), EPOLLIN, kFirst), ENOENT);
  EXPECT_EQ(set_.Remove(fd.get()), ENOENT);
  EXPECT_EQ(set_.Add(fd.get(), EPOLLIN, kFirst), 0);
  EXPECT_EQ(set_.Add(fd.get(), EPOLLIN, kSecond), EEXIST);
}

TEST_F(EpollSetTest, WakeEndsAWaitWithoutLimit) {
  std::thread waker([this] { set_.Wake(); });
  EXPECT_THAT(Wait(-1), IsEmpty());
  waker.join();
}

TEST_F(EpollSetTest, WakeBeforeTheWaitIsNotLost) {
  set_.Wake();
  EXPECT_THAT(Wait(-1), IsEmpty());
}

TEST_F(EpollSetTest, EachWakeAfterAWaitEndsTheNext) {
  for (int i = 0; i < 1000; ++i) {
    set_.Wake();
    EXPECT_THAT(Wait(-1), IsEmpty());
  }
}

TEST_F(EpollSetTest, ManyWakesEndOneWait) {
  const UniqueFd fd = EventFd(false);
  ASSERT_EQ(set_.Add(fd.get(), EPOLLIN, kFirst), 0);
  for (int i = 0; i < 1000; ++i) set_.Wake();
  EXPECT_THAT(Wait(-1), IsEmpty());
  eventfd_write(fd.get(), 1);
  // Would be empty if a wake-up were left over.
  EXPECT_EQ(Wait(-1).size(), 1u);
}

TEST_F(EpollSetTest, WakeIsLeftOutOfABatchWhichKeepsItsOrder) {
  const UniqueFd first = EventFd(true);
  const UniqueFd second = EventFd(true);
  const UniqueFd third = EventFd(true);
  ASSERT_EQ(set_.Add(first.get(), EPOLLIN, kFirst), 0);
  set_.Wake();
  ASSERT_EQ(set_.Add(second.get(), EPOLLIN, kSecond), 0);
  ASSERT_EQ(set_.Add(third.get(), EPOLLIN, kThird), 0);
  EXPECT_THAT(ReadySlots(), ElementsAre(kFirst.slot, kSecond.slot, kThird.slot));
}

TEST_F(EpollSetTest, WakesOfAnotherThreadAreNeverLost) {
  constexpr int kRounds = 2000;
  // Each round: this thread announces it, then the waker answers and wakes. A lost
  // wake-up would leave the wait below without an end.
  std::atomic<int> asked{0};
  std::atomic<int> answered{0};
  std::thread waker([&] {
    for (int round = 1; round <= kRounds; ++round) {
      while (asked.load() < round) std::this_thread::yield();
      answered.store(round);
      set_.Wake();
    }
  });
  for (int round = 1; round <= kRounds; ++round) {
    asked.store(round);
    while (answered.load() < round) Wait(-1);
  }
  waker.join();
  EXPECT_EQ(answered.load(), kRounds);
}

TEST_F(EpollSetTest, SignalIsASpuriousWakeUp) {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  struct sigaction before {};
  sigaction(SIGUSR1, &action, &before);
  const pthread_t waiter = pthread_self();
  std::atomic<bool> woken{false};
  // Again and again: the first ones may come before the wait.
  std::thread sender([&] {
    while (!woken) {
      pthread_kill(waiter, SIGUSR1);
      std::this_thread::yield();
    }
  });
  EXPECT_THAT(Wait(-1), IsEmpty());
  woken = true;
  sender.join();
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(EpollSetTest, NotMoreThanTheBufferHolds) {
  std::vector<UniqueFd> fds;
  for (uint32_t i = 0; i < 20; ++i) {
    fds.push_back(EventFd(true));
    ASSERT_EQ(set_.Add(fds.back().get(), EPOLLIN, {i, i}), 0);
  }
  EXPECT_EQ(Wait(0).size(), std::size(buffer_));
}

TEST_F(EpollSetTest, ReplaceForgetsEntriesAndKeepsTheWakeUp) {
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(set_.Add(fd.get(), EPOLLIN, kFirst), 0);
  ASSERT_TRUE(set_.Replace().ok());
  EXPECT_THAT(ReadySlots(), IsEmpty());
  EXPECT_EQ(set_.Add(fd.get(), EPOLLIN, kSecond), 0);
  EXPECT_THAT(ReadySlots(), UnorderedElementsAre(kSecond.slot));
  ASSERT_EQ(set_.Remove(fd.get()), 0);
  set_.Wake();
  EXPECT_THAT(Wait(-1), IsEmpty());
}

TEST_F(EpollSetTest, WakeBeforeAReplaceIsNotLost) {
  set_.Wake();
  ASSERT_TRUE(set_.Replace().ok());
  EXPECT_THAT(Wait(-1), IsEmpty());
}

TEST_F(EpollSetTest, ReplaceLosesAnEntryWhoseDescriptionLivesOn) {
  UniqueFd fd = EventFd(true);
  const UniqueFd other(dup(fd.get()));
  ASSERT_EQ(set_.Add(fd.get(), EPOLLIN, kFirst), 0);
  const int number = fd.get();
  fd.reset();
  // The fact that Replace is for: epoll(7), Q6.
  EXPECT_THAT(ReadySlots(), UnorderedElementsAre(kFirst.slot));
  EXPECT_EQ(set_.Remove(number), EBADF);
  ASSERT_TRUE(set_.Replace().ok());
  EXPECT_THAT(ReadySlots(), IsEmpty());
}

TEST_F(EpollSetTest, FailedReplaceKeepsTheOldSet) {
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(set_.Add(fd.get(), EPOLLIN, kFirst), 0);
  const absl::Status status = [this] {
    const NoMoreFds limit;
    return set_.Replace();
  }();
  ASSERT_TRUE(DetailOf(status).has_value()) << status;
  EXPECT_EQ(DetailOf(status)->reason, Reason::kFD_LIMIT) << status;
  EXPECT_THAT(ReadySlots(), UnorderedElementsAre(kFirst.slot));
}

TEST(EpollSetOpenTest, FdLimitIsAnError) {
  for (const int spare : {0, 1}) {
    EpollSet set;
    const absl::Status status = [&] {
      const NoMoreFds limit(spare);
      return set.Open();
    }();
    ASSERT_TRUE(DetailOf(status).has_value()) << "spare fds: " << spare << ", " << status;
    EXPECT_EQ(DetailOf(status)->reason, Reason::kFD_LIMIT) << status;
  }
}

}  // namespace
}  // namespace sockhost
