// The socket service API as its specification states it, case by case, for the
// host of the process. Services defined by macros: service_definition_test.cc;
// hosts that do not run: the *_host_test.cc files.
#include "sockhost/socket_service.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <sys/eventfd.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/core/eventually.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::Eq;
using testing::Ge;
using testing::HasSubstr;

using Event = net_socket_service_event;

class SocketServiceTest : public ProcessHostFixture {
 protected:
  // Handles everything that is ready now.
  static void FinishTurns() { sockhost::FinishTurns(loop()); }
};

// ---- Register: the whole set --------------------------------------------------------

TEST_F(SocketServiceTest, RegisterReturnsZeroAndHandlerIsCalled) {
  const SocketPair pair = UnixPair();
  TestService service;
  ASSERT_EQ(service.Register({pair.ours.get()}), 0);
  SendText(pair.peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  const Event event = service.calls.last();
  EXPECT_EQ(event.callback, HandlerCalls::Handle);
  EXPECT_EQ(event.event.fd, pair.ours.get());
  EXPECT_EQ(event.event.events, POLLIN);
  EXPECT_EQ(event.event.revents, POLLIN);
  EXPECT_EQ(event.user_data, &service.calls);
  EXPECT_EQ(event.svc, service);
}

TEST_F(SocketServiceTest, RegisterReplacesTheWholeSet) {
  const UniqueFd a = EventFd(false);
  const UniqueFd b = EventFd(false);
  const UniqueFd c = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({a.get(), b.get()}), 0);
  ASSERT_EQ(service.Register({b.get(), c.get()}), 0);
  for (const UniqueFd* fd : {&a, &b, &c}) eventfd_write(fd->get(), 1);
  FinishTurns();
  EXPECT_THAT(service.calls.fds(), testing::UnorderedElementsAre(b.get(), c.get()));
  EXPECT_THAT(service.DescriptorFds(), ElementsAre(b.get(), c.get(), -1, -1));
}

TEST_F(SocketServiceTest, EntriesWithoutAnFdAreFreeSlots) {
  const UniqueFd a = EventFd(true);
  TestService service;
  ASSERT_EQ(service.Register({-1, a.get(), -1}), 0);
  EXPECT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  EXPECT_THAT(service.DescriptorFds(), ElementsAre(-1, a.get(), -1, -1));
}

TEST_F(SocketServiceTest, RegisterWithoutFdsUnregisters) {
  const UniqueFd a = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({a.get()}), 0);
  ASSERT_EQ(net_socket_service_register(service, nullptr, 0, nullptr), 0);
  eventfd_write(a.get(), 1);
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 0u);
  EXPECT_EQ(service.Snapshot().registered, 0);
}

TEST_F(SocketServiceTest, CallersArrayIsNotKept) {
  const UniqueFd a = EventFd(false);
  TestService service;
  {
    pollfd set[1] = {{a.get(), POLLIN, 0}};
    ASSERT_EQ(net_socket_service_register(service, set, 1, &service.calls), 0);
    EXPECT_EQ(set[0].fd, a.get());
    EXPECT_EQ(set[0].events, POLLIN);
    EXPECT_EQ(set[0].revents, 0);
    set[0] = {-7, 0x7fff, 0x7fff};
  }
  eventfd_write(a.get(), 1);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  EXPECT_EQ(service.calls.last().event.fd, a.get());
}

// ---- Register: errors keep the old set -----------------------------------------------

struct Fault {
  const char* why;
  int error;
  std::function<std::vector<pollfd>(int ready, int file)> set;

  friend void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.why; }
};

class FaultySetTest : public SocketServiceTest, public testing::WithParamInterface<Fault> {};

TEST_P(FaultySetTest, IsRefusedAndTheOldSetStaysInForce) {
  const LogLines log;
  const SocketPair old = UnixPair();
  const UniqueFd ready = EventFd(true);
  const UniqueFd file = RegularFile();
  TestService service;
  ASSERT_EQ(service.Register({old.ours.get()}), 0);
  std::vector<pollfd> set = GetParam().set(ready.get(), file.get());
  int other_user_data = 0;
  EXPECT_EQ(net_socket_service_register(service, set.data(), static_cast<int>(set.size()),
                                        &other_user_data),
            GetParam().error);
  SendText(old.peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  EXPECT_EQ(service.calls.last().event.fd, old.ours.get());
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 1u);
  EXPECT_EQ(service.Snapshot().registered, 1);
  EXPECT_THAT(service.DescriptorFds(), ElementsAre(old.ours.get(), -1, -1, -1));
}

INSTANTIATE_TEST_SUITE_P(
    Faults, FaultySetTest,
    testing::Values(Fault{"ENOMEM: more entries than the capacity", -ENOMEM,
                          [](int ready, int) {
                            return std::vector<pollfd>{
                                {ready, POLLIN, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
                          }},
                    Fault{"EINVAL: fd below -1", -EINVAL,
                          [](int ready, int) {
                            return std::vector<pollfd>{{ready, POLLIN, 0}, {-2, POLLIN, 0}};
                          }},
                    Fault{"EINVAL: unknown event", -EINVAL,
                          [](int ready, int) {
                            return std::vector<pollfd>{{ready, POLLIN | 0x1000, 0}};
                          }},
                    Fault{"EBADF: closed fd", -EBADF,
                          [](int ready, int) {
                            const int closed = EventFd(false).get();
                            return std::vector<pollfd>{{ready, POLLIN, 0}, {closed, POLLIN, 0}};
                          }},
                    Fault{"EBADF: no fd has this number", -EBADF,
                          [](int ready, int) {
                            return std::vector<pollfd>{{ready, POLLIN, 0}, {ClosedFd(), POLLIN, 0}};
                          }},
                    Fault{"EPERM: regular file", -EPERM,
                          [](int ready, int file) {
                            return std::vector<pollfd>{{ready, POLLIN, 0}, {file, POLLIN, 0}};
                          }},
                    Fault{"EEXIST: the same fd twice", -EEXIST, [](int ready, int) {
                            return std::vector<pollfd>{{ready, POLLIN, 0}, {ready, POLLOUT, 0}};
                          }}));

TEST_F(SocketServiceTest, UnusableArgumentsAreInvalidAndTheOldSetStaysInForce) {
  const UniqueFd old = EventFd(false);
  const UniqueFd other = EventFd(true);
  TestService service;
  ASSERT_EQ(service.Register({old.get()}), 0);
  pollfd set[1] = {{other.get(), POLLIN, 0}};
  EXPECT_EQ(net_socket_service_register(nullptr, set, 1, nullptr), -EINVAL);
  EXPECT_EQ(net_socket_service_register(service, set, -1, nullptr), -EINVAL);
  EXPECT_EQ(net_socket_service_register(service, nullptr, 1, nullptr), -EINVAL);
  EXPECT_EQ(net_socket_service_unregister(nullptr), -EINVAL);
  EXPECT_EQ(net_socket_service_close(nullptr), -EINVAL);
  eventfd_write(old.get(), 1);
  FinishTurns();
  EXPECT_THAT(service.calls.fds(), ElementsAre(old.get()));
}

TEST_F(SocketServiceTest, UnknownServiceIsRefused) {
  const UniqueFd a = EventFd(false);
  net_socket_service_event events[1] = {};
  int index = -1;
  const net_socket_service_desc unknown{"elsewhere.c:1", events, 1, &index};
  pollfd set[1] = {{a.get(), POLLIN, 0}};
  EXPECT_EQ(net_socket_service_register(&unknown, set, 1, nullptr), -ENOENT);
  EXPECT_EQ(net_socket_service_unregister(&unknown), -ENOENT);
  EXPECT_EQ(net_socket_service_close(&unknown), -ENOENT);
}

TEST_F(SocketServiceTest, DirectoryCannotBePolled) {
  const UniqueFd directory(open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  TestService service;
  EXPECT_EQ(service.Register({directory.get()}), -EPERM);
}

TEST_F(SocketServiceTest, FdOfAnotherServiceIsRefusedAndItsOwnerLogged) {
  const LogLines log;
  const SocketPair pair = UnixPair();
  TestService owner;
  TestService thief;
  ASSERT_EQ(owner.Register({pair.ours.get()}), 0);
  EXPECT_EQ(thief.Register({pair.ours.get()}), -EEXIST);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr(owner.name()), HasSubstr(owner.owner()))));
  // No event is stolen.
  SendText(pair.peer.get(), "x");
  EXPECT_TRUE(Becomes([&] { return owner.calls.count(); }, Eq(1u)));
  EXPECT_EQ(thief.calls.count(), 0u);
}

TEST_F(SocketServiceTest, SocketLimitIsRefusedAndTheOldSetStays) {
  const UniqueFd a = EventFd(false);
  const UniqueFd b = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({a.get()}), 0);
  const size_t limit = table().max_sockets();
  table().SetLimit(table().size());
  EXPECT_EQ(service.Register({a.get(), b.get()}), -ENOSPC);
  table().SetLimit(limit);
  EXPECT_THAT(service.DescriptorFds(), ElementsAre(a.get(), -1, -1, -1));
  EXPECT_EQ(service.Register({a.get(), b.get()}), 0);
}

// ---- Other threads ------------------------------------------------------------------

TEST_F(SocketServiceTest, CallsThatBeginAfterTheReturnSeeTheNewSet) {
  const UniqueFd old_fd = EventFd(false);
  const UniqueFd new_fd = EventFd(false);
  HandlerCalls new_calls;
  TestService service;
  ASSERT_EQ(service.Register({old_fd.get()}), 0);
  {
    const ServiceThreadHold hold(loop());
    eventfd_write(old_fd.get(), 1);
    eventfd_write(new_fd.get(), 1);
    pollfd set[1] = {{new_fd.get(), POLLIN, 0}};
    ASSERT_EQ(net_socket_service_register(service, set, 1, &new_calls), 0);
  }
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 0u);
  EXPECT_THAT(new_calls.fds(), ElementsAre(new_fd.get()));
}

TEST_F(SocketServiceTest, NoFunctionWaitsForAHandlerThatWantsTheCallersMutex) {
  std::mutex mutex;
  std::promise<void> entered;
  const UniqueFd a = EventFd(false);
  UniqueFd b = EventFd(false);
  std::atomic<bool> in_handler{true};
  TestService service;
  TestService other;
  service.calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    entered.set_value();
    const std::lock_guard<std::mutex> lock(mutex);
    in_handler = false;
  };
  ASSERT_EQ(service.Register({a.get()}), 0);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    eventfd_write(a.get(), 1);
    entered.get_future().wait();
    EXPECT_EQ(service.Register({b.get()}), 0);
    EXPECT_EQ(other.Register({a.get()}), 0);
    EXPECT_EQ(net_socket_service_unregister(service), 0);
    EXPECT_EQ(service.Register({b.release()}), 0);
    EXPECT_EQ(net_socket_service_close(service), 0);
    net_socket_service_foreach([](const net_socket_service_desc*, void*) {}, nullptr);
    // All of it while the handler is in progress.
    EXPECT_TRUE(in_handler);
  }
  EXPECT_TRUE(Becomes([&] { return in_handler.load(); }, Eq(false)));
}

TEST_F(SocketServiceTest, CallInProgressFinishesAfterItsSocketIsUnregistered) {
  std::promise<void> entered;
  std::promise<void> release;
  const UniqueFd a = EventFd(true);
  TestService service;
  service.calls.action = [&](const Event&) {
    entered.set_value();
    release.get_future().wait();
  };
  ASSERT_EQ(service.Register({a.get()}), 0);
  entered.get_future().wait();
  EXPECT_EQ(net_socket_service_unregister(service), 0);
  EXPECT_EQ(service.Snapshot().registered, 0);
  release.set_value();
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  FinishTurns();
  // It was still readable.
  EXPECT_EQ(service.calls.count(), 1u);
  EXPECT_EQ(service.Snapshot().counters[Counter::handler_calls], 1);
}

TEST_F(SocketServiceTest, FdClosedAfterUnregisterIsNeverTouchedAgain) {
  TestService service;
  TestService heir;
  // A call in progress must not read: the number may be the heir's.
  service.calls.action = [](const Event&) {};
  for (int round = 0; round < 200; ++round) {
    // Ready all the time: the thread is always about to serve it.
    UniqueFd fd = EventFd(true);
    ASSERT_EQ(service.Register({fd.get()}), 0);
    ASSERT_EQ(net_socket_service_unregister(service), 0);
    const int number = fd.get();
    fd.reset();
    const UniqueFd next = EventFdNumbered(number, true);
    ASSERT_EQ(next.get(), number);
    const size_t calls = heir.calls.count();
    ASSERT_EQ(heir.Register({next.get()}), 0);
    ASSERT_TRUE(Becomes([&] { return heir.calls.count(); }, Ge(calls + 1))) << "round " << round;
    ASSERT_EQ(net_socket_service_unregister(heir), 0);
  }
}

// ---- Inside a handler -----------------------------------------------------------------

TEST_F(SocketServiceTest, HandlerUnregistersTheSocketBeingServed) {
  const UniqueFd a = EventFd(true);
  TestService service;
  service.calls.action = [&](const Event& event) {
    EXPECT_EQ(net_socket_service_unregister(event.svc), 0);
    EXPECT_THAT(service.DescriptorFds(), Each(-1));
  };
  ASSERT_EQ(service.Register({a.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  FinishTurns();
  // Still readable, and not polled.
  EXPECT_EQ(service.calls.count(), 1u);
  EXPECT_TRUE(IsOpen(a.get()));
}

TEST_F(SocketServiceTest, HandlerClosesTheSocketBeingServed) {
  SocketPair pair = UnixPair();
  std::atomic<bool> open_inside{false};
  TestService service;
  service.calls.action = [&](const Event& event) {
    EXPECT_EQ(net_socket_service_close(event.svc), 0);
    open_inside = IsOpen(event.event.fd);
  };
  ASSERT_EQ(service.Register({pair.ours.get()}), 0);
  pair.ours.release();  // the service thread's now
  SendText(pair.peer.get(), "x");
  EXPECT_TRUE(WaitClosed(pair.peer.get()));
  // When the handler has returned.
  EXPECT_TRUE(open_inside);
  EXPECT_EQ(service.calls.count(), 1u);
}

TEST_F(SocketServiceTest, HandlerReplacesTheFdBeingServed) {
  UniqueFd first = EventFd(false);
  const SocketPair second = UnixPair();
  TestService service;
  service.calls.action = [&](const Event& event) {
    if (event.event.fd == second.ours.get()) {
      TakeAll(event.event.fd);
      return;
    }
    // Not consumed: it stays readable, and is closed.
    EXPECT_EQ(service.Register({second.ours.get()}), 0);
    first.reset();
  };
  ASSERT_EQ(service.Register({first.get()}), 0);
  const int first_number = first.get();
  eventfd_write(first.get(), 1);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  SendText(second.peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(2u)));
  EXPECT_THAT(service.calls.fds(), ElementsAre(first_number, second.ours.get()));
}

TEST_F(SocketServiceTest, HandlerReplacesTheFdBeingServedByOneOfTheSameNumber) {
  UniqueFd fd = EventFd(true);
  TestService service;
  service.calls.action = [&](const Event& event) {
    if (service.calls.count() > 0) {
      TakeAll(event.event.fd);
      return;
    }
    const int number = fd.get();
    EXPECT_EQ(net_socket_service_unregister(event.svc), 0);
    fd.reset();
    fd = EventFdNumbered(number, false);
    EXPECT_EQ(fd.get(), number);
    EXPECT_EQ(service.Register({fd.get()}), 0);
  };
  ASSERT_EQ(service.Register({fd.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 1u);
  eventfd_write(fd.get(), 1);
  EXPECT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(2u)));
  EXPECT_EQ(service.Snapshot().registered, 1);
}

TEST_F(SocketServiceTest, HandlerChangesTheMaskOfTheSocketBeingServed) {
  const SocketPair pair = UnixPair();
  TestService service;
  service.calls.action = [&](const Event& event) {
    pollfd set[1] = {event.event};
    set[0].events = event.event.revents & POLLIN ? POLLOUT : POLLPRI;
    EXPECT_EQ(net_socket_service_register(service, set, 1, &service.calls), 0);
  };
  ASSERT_EQ(service.Register({pair.ours.get()}), 0);
  SendText(pair.peer.get(), "x");
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(2u)));
  EXPECT_EQ(service.calls.all()[0].event.revents, POLLIN);
  EXPECT_EQ(service.calls.all()[1].event.revents, POLLOUT);
  FinishTurns();
  // Readable and writable, and asked for neither.
  EXPECT_EQ(service.calls.count(), 2u);
}

// Two services that are ready in one batch: whoever is called first does `change` to the
// other one, whose event is dropped then.
class OneBatchTest : public SocketServiceTest {
 protected:
  void ServeBoth(const std::function<void(TestService& other)>& change) {
    const auto change_other = [this, change](TestService& other) {
      return [this, change, &other](const Event& event) {
        TakeAll(event.event.fd);
        if (first_.calls.count() + second_.calls.count() == 0) change(other);
      };
    };
    first_.calls.action = change_other(second_);
    second_.calls.action = change_other(first_);
    ASSERT_EQ(first_.Register({a_.get()}), 0);
    ASSERT_EQ(second_.Register({b_.get()}), 0);
    const int64_t stale = host().Statistics().stale_events;
    {
      const ServiceThreadHold hold(loop());
      eventfd_write(a_.get(), 1);
      eventfd_write(b_.get(), 1);
    }
    FinishTurns();
    EXPECT_EQ(host().Statistics().stale_events, stale + 1);
  }

  // Which of the two was called second, if at all.
  TestService& other() { return first_.calls.fds() == std::vector{a_.get()} ? second_ : first_; }

  UniqueFd a_ = EventFd(false);
  UniqueFd b_ = EventFd(false);
  const UniqueFd c_ = EventFd(true);
  TestService first_;
  TestService second_;
};

TEST_F(OneBatchTest, HandlerUnregistersTheOther) {
  ServeBoth([](TestService& other) { EXPECT_EQ(net_socket_service_unregister(other), 0); });
  EXPECT_EQ(first_.calls.count() + second_.calls.count(), 1u);
}

TEST_F(OneBatchTest, HandlerClosesTheOther) {
  ServeBoth([this](TestService& other) {
    EXPECT_EQ(net_socket_service_close(other), 0);
    (&other == &first_ ? a_ : b_).release();
  });
  EXPECT_EQ(first_.calls.count() + second_.calls.count(), 1u);
  EXPECT_TRUE(a_.valid() != b_.valid());
  EXPECT_THAT(other().DescriptorFds(), Each(-1));
}

TEST_F(OneBatchTest, HandlerReplacesTheSetOfTheOther) {
  ServeBoth([this](TestService& other) { EXPECT_EQ(other.Register({c_.get()}), 0); });
  EXPECT_THAT(other().calls.fds(), ElementsAre(c_.get()));
}

TEST_F(SocketServiceTest, HandlerRegistersTheFirstSetOfAnotherService) {
  const UniqueFd a = EventFd(true);
  const UniqueFd b = EventFd(true);
  TestService second;
  TestService first;
  first.calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    EXPECT_EQ(second.Register({b.get()}), 0);
  };
  ASSERT_EQ(first.Register({a.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return second.calls.count(); }, Eq(1u)));
  EXPECT_THAT(second.calls.fds(), ElementsAre(b.get()));
}

TEST_F(SocketServiceTest, HandlerRegistersAnAcceptedConnection) {
  // As the reference's TCP example does.
  const UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(listening.get());
  ASSERT_EQ(listen(listening.get(), 5), 0);
  UniqueFd connection;
  TestService service;
  service.calls.action = [&](const Event& event) {
    if (event.event.fd == listening.get()) {
      connection.reset(accept(listening.get(), nullptr, nullptr));
      EXPECT_EQ(service.Register({listening.get(), connection.get()}), 0);
      return;
    }
    char buffer[64];
    const ssize_t got = recv(event.event.fd, buffer, sizeof(buffer), 0);
    if (got > 0) {
      send(event.event.fd, buffer, static_cast<size_t>(got), 0);
      return;
    }
    EXPECT_EQ(service.Register({listening.get()}), 0);
    connection.reset();
  };
  ASSERT_EQ(service.Register({listening.get()}), 0);
  for (int round = 0; round < 3; ++round) {
    const UniqueFd client = ConnectTo(LocalAddress(listening.get(), Protocol::kTcp));
    SendText(client.get(), "hello");
    EXPECT_EQ(ReceiveText(client.get(), 5), "hello");
    shutdown(client.get(), SHUT_WR);
    EXPECT_TRUE(WaitClosed(client.get()));
  }
}

// ---- Unregister and close ----------------------------------------------------------------

TEST_F(SocketServiceTest, UnregisteredSocketIsNotPolled) {
  const UniqueFd a = EventFd(false);
  const UniqueFd b = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({a.get(), b.get()}), 0);
  ASSERT_EQ(net_socket_service_unregister(service), 0);
  eventfd_write(a.get(), 1);
  eventfd_write(b.get(), 1);
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 0u);
  EXPECT_TRUE(IsOpen(a.get()));
  EXPECT_THAT(service.DescriptorFds(), Each(-1));
  EXPECT_EQ(net_socket_service_unregister(service), 0);
}

TEST_F(SocketServiceTest, CloseIsDoneByTheServiceThread) {
  SocketPair first = UnixPair();
  SocketPair second = UnixPair();
  TestService service;
  ASSERT_EQ(service.Register({first.ours.get(), second.ours.get()}), 0);
  const int first_fd = first.ours.release();
  const int second_fd = second.ours.release();
  {
    const ServiceThreadHold hold(loop());
    ASSERT_EQ(net_socket_service_close(service), 0);
    EXPECT_TRUE(IsOpen(first_fd));
    EXPECT_TRUE(IsOpen(second_fd));
    EXPECT_THAT(service.DescriptorFds(), Each(-1));
  }
  EXPECT_TRUE(WaitClosed(first.peer.get()));
  EXPECT_TRUE(WaitClosed(second.peer.get()));
  EXPECT_EQ(net_socket_service_close(service), 0);
}

// ---- fds closed by the program without unregistering ------------------------------------

TEST_F(SocketServiceTest, SilentlyClosedFdIsReportedAndCounted) {
  const LogLines log;
  TestService service;
  service.calls.action = [](const Event&) {};
  const int64_t closed_behind = host().Statistics().closed_behind;
  int64_t closed = 0;
  // One line a second is logged: again until ours is.
  EXPECT_TRUE(Becomes(
      [&] {
        UniqueFd fd = EventFd(false);
        EXPECT_EQ(service.Register({fd.get()}), 0);
        fd.reset();
        ++closed;
        EXPECT_TRUE(
            Becomes([&] { return service.calls.count(); }, Eq(static_cast<size_t>(closed))));
        EXPECT_EQ(service.calls.last().event.revents, POLLNVAL);
        EXPECT_TRUE(Becomes([&] { return service.Snapshot().registered; }, Eq(0)));
        return log.lines();
      },
      Contains(AllOf(HasSubstr(service.name()), HasSubstr(service.owner())))));
  EXPECT_EQ(host().Statistics().closed_behind, closed_behind + closed);
  EXPECT_EQ(service.Snapshot().counters[Counter::poll_nval_events], closed);
  EXPECT_THAT(service.DescriptorFds(), Each(-1));
}

TEST_F(SocketServiceTest, NumberOfASilentlyClosedFdServesItsNextOwnerOnly) {
  const LogLines log;
  TestService careless;
  TestService heir;
  // Told that its fd is not valid, it must not read from it.
  careless.calls.action = [](const Event&) {};
  for (int round = 0; round < 50; ++round) {
    UniqueFd fd = EventFd(false);
    ASSERT_EQ(careless.Register({fd.get()}), 0);
    const int number = fd.get();
    fd.reset();
    const UniqueFd next = EventFdNumbered(number, true);
    ASSERT_EQ(next.get(), number);
    const size_t calls = heir.calls.count();
    ASSERT_EQ(heir.Register({next.get()}), 0);
    ASSERT_TRUE(Becomes([&] { return heir.calls.count(); }, Eq(calls + 1))) << "round " << round;
    ASSERT_EQ(net_socket_service_unregister(heir), 0);
  }
  // At most the one last call of the check, and never for something readable.
  for (const Event& event : careless.calls.all()) EXPECT_EQ(event.event.revents, POLLNVAL);
}

// ---- Events ---------------------------------------------------------------------------

TEST_F(SocketServiceTest, EventIsACopy) {
  const SocketPair pair = UnixPair();
  const auto scribble = [](Event* event) {
    HandlerCalls::Handle(event);
    *event = {};
    event->event.fd = 0;
  };
  TestService service(4, nullptr, scribble);
  ASSERT_EQ(service.Register({pair.ours.get()}), 0);
  for (size_t i = 1; i <= 2; ++i) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(i)));
    EXPECT_EQ(service.calls.last().event.fd, pair.ours.get());
    EXPECT_EQ(service.calls.last().svc, service);
  }
  EXPECT_THAT(service.DescriptorFds(), ElementsAre(pair.ours.get(), -1, -1, -1));
}

struct Readiness {
  const char* name;
  short asked;
  short reported;
  std::function<void(int ours, UniqueFd& peer)> make_ready;

  friend void PrintTo(const Readiness& r, std::ostream* out) { *out << r.name; }
};

class ReadinessTest : public SocketServiceTest, public testing::WithParamInterface<Readiness> {};

TEST_P(ReadinessTest, IsReported) {
  SocketPair pair = TcpPair();
  TestService service;
  service.calls.action = [](const Event& event) {
    EXPECT_EQ(net_socket_service_unregister(event.svc), 0);
  };
  GetParam().make_ready(pair.ours.get(), pair.peer);
  pollfd set[1] = {{pair.ours.get(), GetParam().asked, 0}};
  ASSERT_EQ(net_socket_service_register(service, set, 1, &service.calls), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  EXPECT_EQ(service.calls.last().event.revents, GetParam().reported);
}

INSTANTIATE_TEST_SUITE_P(
    Bits, ReadinessTest,
    testing::Values(
        Readiness{"POLLIN", POLLIN, POLLIN,
                  [](int ours, UniqueFd& peer) {
                    SendText(peer.get(), "x");
                    ASSERT_TRUE(WaitReadable(ours));
                  }},
        Readiness{"POLLOUT", POLLOUT, POLLOUT, [](int, UniqueFd&) {}},
        Readiness{"POLLRDNORM and POLLWRNORM", POLLRDNORM | POLLWRNORM, POLLRDNORM | POLLWRNORM,
                  [](int ours, UniqueFd& peer) {
                    SendText(peer.get(), "x");
                    ASSERT_TRUE(WaitReadable(ours));
                  }},
        Readiness{"POLLIN and POLLOUT", POLLIN | POLLOUT, POLLIN | POLLOUT,
                  [](int ours, UniqueFd& peer) {
                    SendText(peer.get(), "x");
                    ASSERT_TRUE(WaitReadable(ours));
                  }},
        Readiness{"POLLPRI", POLLPRI, POLLPRI,
                  [](int ours, UniqueFd& peer) {
                    ASSERT_EQ(send(peer.get(), "!", 1, MSG_OOB), 1);
                    pollfd urgent{ours, POLLPRI, 0};
                    ASSERT_EQ(poll(&urgent, 1, -1), 1);
                  }},
        Readiness{"POLLRDHUP", POLLRDHUP, POLLRDHUP,
                  [](int ours, UniqueFd& peer) {
                    shutdown(peer.get(), SHUT_WR);
                    ASSERT_TRUE(WaitReadable(ours));
                  }},
        Readiness{"POLLHUP unasked", 0, POLLHUP,
                  [](int ours, UniqueFd& peer) {
                    shutdown(peer.get(), SHUT_WR);
                    ASSERT_TRUE(WaitReadable(ours));
                    shutdown(ours, SHUT_WR);
                    ASSERT_TRUE(WaitClosed(peer.get()));
                  }},
        Readiness{"POLLERR unasked", 0, POLLERR | POLLHUP, [](int ours, UniqueFd& peer) {
                    ResetOnClose(peer.get());
                    peer.reset();
                    ASSERT_TRUE(WaitReadable(ours));
                  }}));

TEST_F(SocketServiceTest, HandlerThatDoesNotConsumeIsMaskedAndOthersAreServed) {
  const LogLines log;
  const UniqueFd idle = EventFd(true);
  const SocketPair pair = UnixPair();
  TestService spinning;
  TestService busy;
  spinning.calls.action = [](const Event&) {};
  ASSERT_EQ(spinning.Register({idle.get()}), 0);
  ASSERT_EQ(busy.Register({pair.ours.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return spinning.Snapshot().counters[Counter::masked]; }, Ge(3)));
  for (size_t i = 1; i <= 20; ++i) {
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return busy.calls.count(); }, Eq(i)));
  }
  const CounterValues values = spinning.Snapshot().counters;
  EXPECT_GE(values[Counter::masked_nanos], 3'000'000);
  EXPECT_LE(values[Counter::handler_calls], 200 + 16 * values[Counter::masked]);
  EXPECT_EQ(busy.Snapshot().counters[Counter::masked], 0);
  const auto masked_now = [&] {
    bool masked = false;
    host().ForEachSocket([&](SocketSnapshot&& socket) {
      if (socket.fd == idle.get()) masked = socket.masked;
    });
    return masked;
  };
  EXPECT_TRUE(Becomes(masked_now, Eq(true)));
}

TEST_F(SocketServiceTest, TcpSocketRegisteredBeforeBindAndListenCausesNoBusyLoop) {
  // As Zephyr's own test does: made, registered, and bound only then.
  const UniqueFd tcp = NewSocket(AF_INET6, SOCK_STREAM);
  const UniqueFd udp = NewSocket(AF_INET6, SOCK_DGRAM);
  std::vector<UniqueFd> accepted;
  TestService service;
  service.calls.action = [&](const Event& event) {
    if (event.event.fd == tcp.get()) {
      accepted.emplace_back(accept(tcp.get(), nullptr, nullptr));
    } else {
      TakeAll(event.event.fd);
    }
  };
  ASSERT_EQ(service.Register({tcp.get(), udp.get()}), 0);
  FinishTurns();
  const int64_t wakeups = host().Statistics().wakeups;
  // Two turns that this test wakes, and at most one check of fds.
  FinishTurns();
  EXPECT_LE(host().Statistics().wakeups, wakeups + 3);
  EXPECT_EQ(service.calls.count(), 0u);

  sockaddr_in6 loopback{};
  loopback.sin6_family = AF_INET6;
  loopback.sin6_addr = in6addr_loopback;
  const auto* address = reinterpret_cast<const sockaddr*>(&loopback);
  ASSERT_EQ(bind(tcp.get(), address, sizeof(loopback)), 0);
  ASSERT_EQ(bind(udp.get(), address, sizeof(loopback)), 0);
  ASSERT_EQ(listen(tcp.get(), 5), 0);
  const UniqueFd client = ConnectTo(LocalAddress(tcp.get(), Protocol::kTcp));
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  const UniqueFd sender = ConnectTo(LocalAddress(udp.get(), Protocol::kUdp));
  SendText(sender.get(), "x");
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(2u)));
  EXPECT_THAT(service.calls.fds(), ElementsAre(tcp.get(), udp.get()));
}

// ---- The thread goes on ------------------------------------------------------------------

TEST_F(SocketServiceTest, BlockedHandlerIsCountedAndNamed) {
  const LogLines log;
  std::promise<void> release;
  const UniqueFd a = EventFd(true);
  TestService service;
  service.calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    release.get_future().wait();
  };
  const int64_t stalls = host().Statistics().stalls;
  ASSERT_EQ(service.Register({a.get()}), 0);
  EXPECT_TRUE(Becomes([&] { return host().Statistics().stalls; }, Eq(stalls + 1)));
  EXPECT_TRUE(Becomes([&] { return host().IsStalled(); }, Eq(true)));
  EXPECT_EQ(host().Stalled().service, service.name());
  EXPECT_EQ(host().Stalled().owner, service.owner());
  release.set_value();
  EXPECT_TRUE(Becomes([&] { return host().IsStalled(); }, Eq(false)));
  EXPECT_TRUE(
      Becomes([&] { return service.Snapshot().counters[Counter::slow_handler_calls]; }, Eq(1)));
}

TEST_F(SocketServiceTest, SignalsDoNotEndTheThread) {
  const SocketPair pair = UnixPair();
  TestService service;
  ASSERT_EQ(service.Register({pair.ours.get()}), 0);
  struct sigaction action {};
  action.sa_handler = [](int) {};  // no SA_RESTART: epoll_wait(2) fails with EINTR
  struct sigaction before {};
  sigaction(SIGUSR1, &action, &before);
  for (size_t i = 1; i <= 100; ++i) {
    ASSERT_EQ(pthread_kill(loop().native_handle(), SIGUSR1), 0);
    SendText(pair.peer.get(), "x");
    ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(i)));
  }
  sigaction(SIGUSR1, &before, nullptr);
}

TEST_F(SocketServiceTest, WakeUpsWithoutAnEventCallNobody) {
  const UniqueFd a = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({a.get()}), 0);
  const int64_t wakeups = host().Statistics().wakeups;
  EXPECT_TRUE(Becomes(
      [&] {
        table().epoll().Wake();
        return host().Statistics().wakeups;
      },
      Ge(wakeups + 50)));
  EXPECT_EQ(service.calls.count(), 0u);
  eventfd_write(a.get(), 1);
  EXPECT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
}

// ---- foreach ----------------------------------------------------------------------------

std::vector<const net_socket_service_desc*> Known() {
  std::vector<const net_socket_service_desc*> known;
  net_socket_service_foreach(
      [](const net_socket_service_desc* service, void* user_data) {
        static_cast<std::vector<const net_socket_service_desc*>*>(user_data)->push_back(service);
      },
      &known);
  return known;
}

TEST_F(SocketServiceTest, ForeachVisitsEveryServiceInItsOrder) {
  const std::vector<const net_socket_service_desc*> before = Known();
  {
    TestService first;
    TestService second;
    std::vector<const net_socket_service_desc*> expected = before;
    expected.push_back(first);
    expected.push_back(second);
    EXPECT_EQ(Known(), expected);
  }
  EXPECT_EQ(Known(), before);
  net_socket_service_foreach(nullptr, nullptr);
}

TEST_F(SocketServiceTest, ForeachDoesNotVisitAServiceThatIsGoneByThen) {
  struct Context {
    TestService first;
    TestService second;
    int visits_of_second = 0;
  } context;
  net_socket_service_foreach(
      [](const net_socket_service_desc* service, void* user_data) {
        auto* context = static_cast<Context*>(user_data);
        if (service == context->second) ++context->visits_of_second;
        if (service != context->first) return;
        EXPECT_EQ(sockhost_service_undefine(context->second), 0);
      },
      &context);
  EXPECT_EQ(context.visits_of_second, 0);
  context.second.Forget();
}

TEST_F(SocketServiceTest, ForeachEndsThoughItsCallbackDefinesServices) {
  const TestService one;
  const size_t known = Known().size();
  std::vector<std::unique_ptr<TestService>> defined;
  net_socket_service_foreach(
      [](const net_socket_service_desc*, void* user_data) {
        auto* defined = static_cast<std::vector<std::unique_ptr<TestService>>*>(user_data);
        defined->push_back(std::make_unique<TestService>());
      },
      &defined);
  EXPECT_EQ(defined.size(), known);
}

TEST_F(SocketServiceTest, ForeachCallbackMayUseTheApi) {
  const UniqueFd a = EventFd(false);
  struct Context {
    const net_socket_service_desc* service;
    pollfd set;
    int visits;
  };
  TestService service;
  Context context{service, {a.get(), POLLIN, 0}, 0};
  net_socket_service_foreach(
      [](const net_socket_service_desc* visited, void* user_data) {
        auto* context = static_cast<Context*>(user_data);
        ++context->visits;
        if (visited != context->service) return;
        EXPECT_EQ(net_socket_service_register(visited, &context->set, 1, nullptr), 0);
        EXPECT_EQ(net_socket_service_unregister(visited), 0);
        const TestService another;  // defined and undefined meanwhile
        EXPECT_THAT(Known(), Contains(static_cast<const net_socket_service_desc*>(another)));
      },
      &context);
  EXPECT_GE(context.visits, 1);
}

TEST_F(SocketServiceTest, ForeachIsSafeBesideDefinitionsAndRegistrations) {
  const UniqueFd a = EventFd(false);
  TestService stays;
  std::atomic<bool> stop{false};
  std::thread definer([&] {
    for (int i = 0; !stop; ++i) {
      const std::string name = absl::StrCat("temporary", i % 10);
      sockhost_service_definition definition{};
      definition.name = name.c_str();
      definition.handler = [](Event*) {};
      definition.capacity = 2;
      const net_socket_service_desc* service = nullptr;
      ASSERT_EQ(sockhost_service_define(&definition, &service), 0);
      ASSERT_EQ(sockhost_service_undefine(service), 0);
    }
  });
  std::thread registrar([&] {
    while (!stop) {
      ASSERT_EQ(stays.Register({a.get()}), 0);
      ASSERT_EQ(net_socket_service_unregister(stays), 0);
    }
  });
  for (int i = 0; i < 2000; ++i) {
    int found = 0;
    struct Context {
      const net_socket_service_desc* stays;
      int* found;
    } context{stays, &found};
    net_socket_service_foreach(
        [](const net_socket_service_desc* service, void* user_data) {
          auto* context = static_cast<Context*>(user_data);
          EXPECT_GE(service->pev_len, 0);
          EXPECT_NE(service->owner, nullptr);
          if (service == context->stays) ++*context->found;
        },
        &context);
    ASSERT_EQ(found, 1);
  }
  stop = true;
  definer.join();
  registrar.join();
}

}  // namespace
}  // namespace sockhost
