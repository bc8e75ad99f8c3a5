#include "service_core/spin_guard.h"

#include <gmock/gmock.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "tests/core/sockets.h"
#include "tests/core/table_fixture.h"

namespace sockhost {
namespace {

using testing::ElementsAre;

constexpr int64_t kMillisecond = 1'000'000;

class SpinGuardTest : public TableFixture {
 protected:
  SocketSlot& Watch(int fd, short events = POLLIN) {
    EXPECT_EQ(table_.AddOne(*service_, fd, events, nullptr), 0);
    return *table_.SlotOfFd(fd);
  }

  // One handler call in the next turn, when `counted` messages were received in all;
  // returns the pause that it earns.
  int64_t Call(SocketSlot& slot, uint32_t counted = 0) {
    slot.counters.Set(Counter::receive_messages, counted);
    table_.BeginTurn();
    return guard_.AfterCall(table_, slot);
  }

  void PassTurns(int count) {
    for (int i = 0; i < count; ++i) table_.BeginTurn();
  }

  // Calls that change nothing until a pause is earned: how many, and the pause.
  std::pair<uint32_t, int64_t> IdleUntilPause(SocketSlot& slot, uint32_t counted = 0) {
    for (uint32_t calls = 1; calls <= 10'000; ++calls) {
      if (const int64_t pause = Call(slot, counted)) return {calls, pause};
    }
    return {0, 0};
  }

  // The most calls before the first pause: the budget, and again from when the
  // guard first looked at the queues.
  static constexpr uint32_t kMostCalls = 2 * SpinGuard::kFreeIdleCalls + SpinGuard::kProbeInterval;

  const std::shared_ptr<Service> service_ = NewService();
  SpinGuard guard_;
};

TEST_F(SpinGuardTest, IdleCallsAreFreeUpToTheBudget) {
  const UniqueFd fd = EventFd(true);
  const auto [calls, pause] = IdleUntilPause(Watch(fd.get()));
  EXPECT_GT(calls, SpinGuard::kFreeIdleCalls);
  EXPECT_LE(calls, kMostCalls);
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos);
}

TEST_F(SpinGuardTest, TcpSocketHasTheSameBudget) {
  const SocketPair pair = TcpPair();
  SendText(pair.peer.get(), "unread");
  ASSERT_TRUE(WaitReadable(pair.ours.get()));
  const auto [calls, pause] = IdleUntilPause(Watch(pair.ours.get()));
  EXPECT_GT(calls, SpinGuard::kFreeIdleCalls);
  EXPECT_LE(calls, kMostCalls);
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos);
}

TEST_F(SpinGuardTest, PausesDoubleUpToTheLongest) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  std::vector<int64_t> pauses_ms;
  for (int i = 0; i < 10; ++i) {
    pauses_ms.push_back(IdleUntilPause(slot).second / kMillisecond);
    PassTurns(1000);  // the pause
  }
  EXPECT_THAT(pauses_ms, ElementsAre(1, 2, 4, 8, 16, 32, 64, 100, 100, 100));
}

TEST_F(SpinGuardTest, BudgetAfterAPauseIsOneProbe) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  IdleUntilPause(slot);
  PassTurns(1000);
  EXPECT_EQ(IdleUntilPause(slot).first, SpinGuard::kProbeInterval);
}

TEST_F(SpinGuardTest, SpuriousCallsAreCounted) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  const uint32_t calls = IdleUntilPause(slot).first;
  EXPECT_GE(slot.counters.Get(Counter::spurious_events), SpinGuard::kFreeIdleCalls);
  EXPECT_LE(slot.counters.Get(Counter::spurious_events), calls);
  EXPECT_EQ(service_->counters.Get(Counter::spurious_events),
            slot.counters.Get(Counter::spurious_events));
}

TEST_F(SpinGuardTest, CountedTrafficIsProgress) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  uint32_t counted = 0;
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Call(slot, ++counted), 0) << "call " << i;
  EXPECT_EQ(slot.counters.Get(Counter::spurious_events), 0);
}

// A call that fails has looked at the socket all the same.
TEST_F(SpinGuardTest, CountedFailuresAreProgress) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  for (const Counter failure :
       {Counter::receive_errors, Counter::transmit_errors, Counter::dropped_messages}) {
    for (int i = 0; i < 1000; ++i) {
      slot.counters.Add(failure);
      ASSERT_EQ(Call(slot), 0) << CounterName(failure) << ", call " << i;
    }
  }
}

// Once a stream has failed, every call does.
TEST_F(SpinGuardTest, FailuresOfAStreamAreNoProgress) {
  const SocketPair pair = TcpPair();
  SendText(pair.peer.get(), "unread");
  ASSERT_TRUE(WaitReadable(pair.ours.get()));
  SocketSlot& slot = Watch(pair.ours.get());
  int64_t pause = 0;
  for (uint32_t calls = 0; calls < 2 * kMostCalls && pause == 0; ++calls) {
    slot.counters.Add(Counter::transmit_errors);
    pause = Call(slot);
  }
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos);
}

TEST_F(SpinGuardTest, CountedTrafficRestoresTheBudget) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  for (int i = 0; i < 5; ++i) IdleUntilPause(slot, 1);
  EXPECT_EQ(Call(slot, 2), 0);
  const auto [calls, pause] = IdleUntilPause(slot, 2);
  EXPECT_GT(calls, SpinGuard::kFreeIdleCalls);
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos);
}

TEST_F(SpinGuardTest, CallsThatAreNotInARowAreFree) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  for (int i = 0; i < 1000; ++i) {
    PassTurns(1);  // one in which it was not ready
    ASSERT_EQ(Call(slot), 0) << "call " << i;
  }
}

TEST_F(SpinGuardTest, SocketThatIsNotReadyAnyMoreIsProgress) {
  const UniqueFd fd = EventFd(false);
  SocketSlot& slot = Watch(fd.get());
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Call(slot), 0) << "call " << i;
  EXPECT_EQ(slot.counters.Get(Counter::spurious_events), 0);
}

TEST_F(SpinGuardTest, SocketOfAnotherFileIsToldApart) {
  const UniqueFd fd = BoundUdp();
  SocketSlot& slot = Watch(fd.get());
  const int number = fd.get();
  const UniqueFd other = EventFd(false);
  ASSERT_EQ(dup2(other.get(), number), number);
  int64_t pause = 0;
  for (int i = 0; i < 1000 && pause == 0; ++i) pause = Call(slot);
  EXPECT_EQ(pause, SpinGuard::kClosedBehind);
}

// Another thread removes it while its handler is called.
TEST_F(SpinGuardTest, SocketThatWasRemovedIsNotTakenForAnotherFile) {
  const UniqueFd fd = EventFd(false);
  SocketSlot& slot = Watch(fd.get());
  ASSERT_EQ(table_.RemoveOne(*service_, fd.get()), 0);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(Call(slot), 0) << "call " << i;
}

TEST_F(SpinGuardTest, SocketThatIsConsumedAfterPausesIsTrustedAgain) {
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = Watch(fd.get());
  for (int i = 0; i < 5; ++i) IdleUntilPause(slot);
  TakeAll(fd.get());
  for (uint32_t i = 0; i < SpinGuard::kProbeInterval; ++i) EXPECT_EQ(Call(slot), 0);
  eventfd_write(fd.get(), 1);
  EXPECT_EQ(IdleUntilPause(slot).second, SpinGuard::kFirstPauseNanos);
}

// ---- Progress that nobody counts: plain recv(2), send(2) and accept(2) ----------

struct Consumer {
  const char* what;
  std::function<SocketPair()> open;

  friend void PrintTo(const Consumer& c, std::ostream* out) { *out << c.what; }
};

class UncountedProgressTest : public SpinGuardTest, public testing::WithParamInterface<Consumer> {};

TEST_P(UncountedProgressTest, OneByteOrDatagramPerCallIsEnough) {
  constexpr int kCalls = 400;
  const SocketPair pair = GetParam().open();
  SocketSlot& slot = Watch(pair.ours.get());
  for (int i = 0; i < kCalls; ++i) {
    // Always more than one is waiting.
    if (i % 40 == 0) {
      for (int n = 0; n < 41; ++n) SendText(pair.peer.get(), "x");
    }
    ASSERT_TRUE(WaitReadable(pair.ours.get()));
    char byte;
    ASSERT_EQ(recv(pair.ours.get(), &byte, 1, 0), 1);
    ASSERT_EQ(Call(slot), 0) << "call " << i;
  }
  EXPECT_EQ(slot.counters.Get(Counter::spurious_events), 0);
}

UniqueFd ConnectedUdp(int to) {
  UniqueFd fd = BoundUdp();
  sockaddr_storage storage;
  const socklen_t length = LocalAddress(to, Protocol::kUdp).ToSockaddr(storage);
  EXPECT_EQ(connect(fd.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  return fd;
}

INSTANTIATE_TEST_SUITE_P(Kinds, UncountedProgressTest,
                         testing::Values(Consumer{"tcp", TcpPair},
                                         Consumer{"unix stream", [] { return UnixPair(); }},
                                         Consumer{"udp", [] {
                                                    SocketPair pair;
                                                    pair.ours = BoundUdp();
                                                    pair.peer = ConnectedUdp(pair.ours.get());
                                                    return pair;
                                                  }}));

// A peer that goes on sending hides nothing.
TEST_F(SpinGuardTest, ArrivingBytesAreNoProgress) {
  const SocketPair pair = TcpPair();
  SocketSlot& slot = Watch(pair.ours.get());
  uint32_t calls = 0;
  int64_t pause = 0;
  while (pause == 0 && calls < kMostCalls) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(WaitReadable(pair.ours.get()));
    pause = Call(slot);
    ++calls;
  }
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos) << "calls: " << calls;
}

TEST_F(SpinGuardTest, ArrivingDatagramsAreNoProgress) {
  const UniqueFd fd = BoundUdp();
  const UniqueFd peer = ConnectedUdp(fd.get());
  SocketSlot& slot = Watch(fd.get());
  uint32_t calls = 0;
  int64_t pause = 0;
  while (pause == 0 && calls < kMostCalls) {
    SendText(peer.get(), "x");
    ASSERT_TRUE(WaitReadable(fd.get()));
    pause = Call(slot);
    ++calls;
  }
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos) << "calls: " << calls;
}

// Dropped, because the queue is full.
TEST_F(SpinGuardTest, DroppedDatagramsAreNoProgress) {
  const UniqueFd fd = BoundUdp();
  const int smallest = 1;
  ASSERT_EQ(setsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &smallest, sizeof(smallest)), 0);
  const UniqueFd peer = ConnectedUdp(fd.get());
  for (int i = 0; i < 10; ++i) SendText(peer.get(), "x");
  SocketSlot& slot = Watch(fd.get());
  uint32_t calls = 0;
  int64_t pause = 0;
  while (pause == 0 && calls < kMostCalls) {
    SendText(peer.get(), "x");
    pause = Call(slot);
    ++calls;
  }
  EXPECT_EQ(pause, SpinGuard::kFirstPauseNanos) << "calls: " << calls;
}

TEST_F(SpinGuardTest, SenderIsProgressAsLongAsTheQueueMoves) {
  const SocketPair pair = TcpPair();
  SocketSlot& slot = Watch(pair.ours.get(), POLLOUT);
  for (int i = 0; i < 400; ++i) {
    SendText(pair.ours.get(), "x");
    ASSERT_EQ(Call(slot), 0) << "call " << i;
  }
  // Writable, and nothing to say.
  EXPECT_EQ(IdleUntilPause(slot).second, SpinGuard::kFirstPauseNanos);
}

TEST_F(SpinGuardTest, AcceptingIsProgress) {
  const UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(listening.get());
  ASSERT_EQ(listen(listening.get(), 200), 0);
  const SocketAddress address = LocalAddress(listening.get(), Protocol::kTcp);
  SocketSlot& slot = Watch(listening.get());
  std::vector<UniqueFd> fds;
  for (int i = 0; i < 150; ++i) fds.push_back(ConnectTo(address));
  for (int i = 0; i < 149; ++i) {
    ASSERT_TRUE(WaitReadable(listening.get()));
    fds.emplace_back(accept(listening.get(), nullptr, nullptr));
    ASSERT_EQ(Call(slot), 0) << "call " << i;
  }
  // One is left in the queue.
  EXPECT_EQ(IdleUntilPause(slot).second, SpinGuard::kFirstPauseNanos);
}

// ---- Sockets that cannot be used yet -----------------------------------------------

class UnusableYetTest : public TableFixture {
 protected:
  // What poll(2) reports for `fd` at its most curious, and what becomes of it.
  bool IsUnusable(int fd, uint32_t ready) {
    const std::shared_ptr<Service> service = NewService();
    EXPECT_EQ(table_.AddOne(*service, fd, POLLOUT, nullptr), 0);
    const bool unusable = IsUnusableYet(*table_.SlotOfFd(fd), ready);
    EXPECT_EQ(table_.RemoveOne(*service, fd), 0);
    return unusable;
  }

  static constexpr uint32_t kHangUp = EPOLLHUP | EPOLLOUT;
};

TEST_F(UnusableYetTest, NewTcpSocketIs) {
  const UniqueFd ipv4 = NewSocket(AF_INET, SOCK_STREAM);
  const UniqueFd ipv6 = NewSocket(AF_INET6, SOCK_STREAM);
  EXPECT_TRUE(IsUnusable(ipv4.get(), kHangUp));
  EXPECT_TRUE(IsUnusable(ipv4.get(), EPOLLHUP));
  EXPECT_TRUE(IsUnusable(ipv6.get(), kHangUp));
}

TEST_F(UnusableYetTest, BoundTcpSocketIs) {
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(fd.get());
  EXPECT_TRUE(IsUnusable(fd.get(), kHangUp));
}

TEST_F(UnusableYetTest, ListeningSocketIsNot) {
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(fd.get());
  ASSERT_EQ(listen(fd.get(), 1), 0);
  EXPECT_FALSE(IsUnusable(fd.get(), kHangUp));
}

TEST_F(UnusableYetTest, ConnectedSocketIsNot) {
  const SocketPair pair = TcpPair();
  EXPECT_FALSE(IsUnusable(pair.ours.get(), kHangUp));
}

TEST_F(UnusableYetTest, FinishedConnectionIsNot) {
  const SocketPair pair = TcpPair();
  shutdown(pair.peer.get(), SHUT_WR);
  ASSERT_TRUE(WaitReadable(pair.ours.get()));
  shutdown(pair.ours.get(), SHUT_WR);
  ASSERT_TRUE(WaitClosed(pair.peer.get()));
  EXPECT_FALSE(IsUnusable(pair.ours.get(), kHangUp));
}

TEST_F(UnusableYetTest, ResetConnectionIsNot) {
  SocketPair pair = TcpPair();
  ResetOnClose(pair.peer.get());
  pair.peer.reset();
  ASSERT_TRUE(WaitReadable(pair.ours.get()));
  EXPECT_FALSE(IsUnusable(pair.ours.get(), kHangUp));
}

TEST_F(UnusableYetTest, OtherFilesAreNot) {
  const UniqueFd udp = NewSocket(AF_INET, SOCK_DGRAM);
  const SocketPair pair = UnixPair();
  const UniqueFd event = EventFd(false);
  EXPECT_FALSE(IsUnusable(udp.get(), kHangUp));
  EXPECT_FALSE(IsUnusable(pair.ours.get(), kHangUp));
  EXPECT_FALSE(IsUnusable(event.get(), kHangUp));
}

TEST_F(UnusableYetTest, ReadinessThatMeansSomethingIsNot) {
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  EXPECT_FALSE(IsUnusable(fd.get(), EPOLLOUT));
  EXPECT_FALSE(IsUnusable(fd.get(), EPOLLHUP | EPOLLIN));
  EXPECT_FALSE(IsUnusable(fd.get(), EPOLLHUP | EPOLLERR));
  EXPECT_FALSE(IsUnusable(fd.get(), EPOLLHUP | EPOLLRDHUP));
  EXPECT_FALSE(IsUnusable(fd.get(), EPOLLHUP | EPOLLPRI));
}

TEST_F(UnusableYetTest, SocketOfAListenerIsNot) {
  const auto service = NewService();
  const auto listener = NewListener(service);
  UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  const SocketId id = Add(*service, fd.release(), Role::kConnection, listener.get());
  EXPECT_FALSE(IsUnusableYet(*table_.SlotOfId(id), kHangUp));
  table_.RemoveListener(*listener, true, {});
}

}  // namespace
}  // namespace sockhost
