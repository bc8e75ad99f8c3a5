// The extensions to the socket service API, for the host of the process.
#include "sockhost/socket_service_ext.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/udp.h>
#include <sys/eventfd.h>
#include <unistd.h>
#include <zephyr/net/socket.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

#include "service_core/socket_traffic.h"
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

class SocketServiceExtTest : public ProcessHostFixture {
 protected:
  static void FinishTurns() { sockhost::FinishTurns(loop()); }
};

// ---- One socket of a set ------------------------------------------------------------

TEST_F(SocketServiceExtTest, AddedSocketHasItsOwnUserData) {
  HandlerCalls first_calls;
  HandlerCalls second_calls;
  const UniqueFd first = EventFd(false);
  const UniqueFd second = EventFd(false);
  TestService service;
  ASSERT_EQ(sockhost_service_add(service, first.get(), POLLIN, &first_calls), 0);
  ASSERT_EQ(sockhost_service_add(service, second.get(), POLLIN, &second_calls), 0);
  eventfd_write(first.get(), 1);
  eventfd_write(second.get(), 1);
  FinishTurns();
  EXPECT_THAT(first_calls.fds(), ElementsAre(first.get()));
  EXPECT_THAT(second_calls.fds(), ElementsAre(second.get()));
}

TEST_F(SocketServiceExtTest, ModifiedSocketIsPolledForItsNewEvents) {
  const SocketPair pair = UnixPair();
  TestService service;
  service.calls.action = [](const Event& event) {
    EXPECT_EQ(sockhost_service_modify(event.svc, event.event.fd, POLLPRI), 0);
  };
  ASSERT_EQ(sockhost_service_add(service, pair.ours.get(), POLLIN, &service.calls), 0);
  ASSERT_EQ(sockhost_service_modify(service, pair.ours.get(), POLLOUT), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  EXPECT_EQ(service.calls.last().event.revents, POLLOUT);
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 1u);
}

TEST_F(SocketServiceExtTest, NewUserDataIsForTheNextCall) {
  HandlerCalls next_calls;
  const UniqueFd fd = EventFd(false);
  TestService service;
  service.calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    EXPECT_EQ(sockhost_service_set_user_data(event.svc, event.event.fd, &next_calls), 0);
  };
  ASSERT_EQ(service.Register({fd.get()}), 0);
  eventfd_write(fd.get(), 1);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  FinishTurns();
  eventfd_write(fd.get(), 1);
  EXPECT_TRUE(Becomes([&] { return next_calls.count(); }, Eq(1u)));
  EXPECT_EQ(service.calls.count(), 1u);
}

TEST_F(SocketServiceExtTest, RemovedSocketLeavesTheOthers) {
  const UniqueFd first = EventFd(false);
  const UniqueFd second = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({first.get(), second.get()}), 0);
  ASSERT_EQ(sockhost_service_remove(service, first.get()), 0);
  eventfd_write(first.get(), 1);
  eventfd_write(second.get(), 1);
  FinishTurns();
  EXPECT_THAT(service.calls.fds(), ElementsAre(second.get()));
  EXPECT_TRUE(IsOpen(first.get()));
}

TEST_F(SocketServiceExtTest, HandlerRemovesItsOwnSocket) {
  const UniqueFd fd = EventFd(true);
  TestService service;
  service.calls.action = [](const Event& event) {
    EXPECT_EQ(sockhost_service_remove(event.svc, event.event.fd), 0);
    EXPECT_EQ(sockhost_service_remove(event.svc, event.event.fd), -ENOENT);
  };
  ASSERT_EQ(service.Register({fd.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 1u);
}

TEST_F(SocketServiceExtTest, FaultsOfOneSocketFunctions) {
  const LogLines log;
  const UniqueFd mine = EventFd(false);
  const UniqueFd theirs = EventFd(false);
  const UniqueFd fresh = EventFd(false);
  const UniqueFd file = RegularFile();
  TestService service(2);
  TestService other;
  ASSERT_EQ(service.Register({mine.get()}), 0);
  ASSERT_EQ(other.Register({theirs.get()}), 0);

  EXPECT_EQ(sockhost_service_add(nullptr, fresh.get(), POLLIN, nullptr), -EINVAL);
  EXPECT_EQ(sockhost_service_add(service, -1, POLLIN, nullptr), -EINVAL);
  EXPECT_EQ(sockhost_service_add(service, fresh.get(), 0x1000, nullptr), -EINVAL);
  EXPECT_EQ(sockhost_service_add(service, ClosedFd(), POLLIN, nullptr), -EBADF);
  EXPECT_EQ(sockhost_service_add(service, file.get(), POLLIN, nullptr), -EPERM);
  EXPECT_EQ(sockhost_service_add(service, mine.get(), POLLIN, nullptr), -EEXIST);
  EXPECT_EQ(sockhost_service_add(service, theirs.get(), POLLIN, nullptr), -EEXIST);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr(other.name()), HasSubstr(other.owner()))));
  EXPECT_EQ(sockhost_service_add(service, fresh.get(), POLLIN, nullptr), 0);
  const UniqueFd more = EventFd(false);
  EXPECT_EQ(sockhost_service_add(service, more.get(), POLLIN, nullptr), -ENOMEM);

  EXPECT_EQ(sockhost_service_modify(nullptr, mine.get(), POLLIN), -EINVAL);
  EXPECT_EQ(sockhost_service_modify(service, mine.get(), 0x1000), -EINVAL);
  EXPECT_EQ(sockhost_service_modify(service, theirs.get(), POLLIN), -ENOENT);
  EXPECT_EQ(sockhost_service_modify(service, -1, POLLIN), -ENOENT);
  EXPECT_EQ(sockhost_service_set_user_data(nullptr, mine.get(), nullptr), -EINVAL);
  EXPECT_EQ(sockhost_service_set_user_data(service, theirs.get(), nullptr), -ENOENT);
  EXPECT_EQ(sockhost_service_remove(nullptr, mine.get()), -EINVAL);
  EXPECT_EQ(sockhost_service_remove(service, theirs.get()), -ENOENT);
  EXPECT_EQ(sockhost_service_remove(service, ClosedFd()), -ENOENT);

  EXPECT_EQ(service.Snapshot().registered, 2);
  EXPECT_EQ(other.Snapshot().registered, 1);
}

TEST_F(SocketServiceExtTest, AddBeyondTheHostsLimitIsRefused) {
  const UniqueFd first = EventFd(false);
  const UniqueFd second = EventFd(false);
  TestService service;
  ASSERT_EQ(sockhost_service_add(service, first.get(), POLLIN, nullptr), 0);
  const size_t limit = table().max_sockets();
  table().SetLimit(table().size());
  EXPECT_EQ(sockhost_service_add(service, second.get(), POLLIN, nullptr), -ENOSPC);
  table().SetLimit(limit);
  EXPECT_EQ(service.Snapshot().registered, 1);
  EXPECT_EQ(sockhost_service_add(service, second.get(), POLLIN, nullptr), 0);
}

TEST_F(SocketServiceExtTest, EventsOfASilentlyClosedFdCannotBeModified) {
  const LogLines log;
  TestService service;
  service.calls.action = [](const Event&) {};
  UniqueFd fd = EventFd(false);
  ASSERT_EQ(service.Register({fd.get()}), 0);
  const ServiceThreadHold hold(loop());
  const int number = fd.get();
  fd.reset();
  EXPECT_EQ(sockhost_service_modify(service, number, POLLOUT), -EBADF);
  const UniqueFd next = EventFdNumbered(number, false);
  ASSERT_EQ(next.get(), number);
  EXPECT_EQ(sockhost_service_modify(service, number, POLLOUT), -ENOENT);
}

TEST_F(SocketServiceExtTest, RemovedSocketCanBeAddedAnewInItsOwnHandler) {
  HandlerCalls next_calls;
  const UniqueFd fd = EventFd(true);
  TestService service(1);
  service.calls.action = [&](const Event& event) {
    EXPECT_EQ(sockhost_service_remove(event.svc, event.event.fd), 0);
    EXPECT_EQ(sockhost_service_add(event.svc, event.event.fd, POLLIN, &next_calls), 0);
  };
  ASSERT_EQ(service.Register({fd.get()}), 0);
  EXPECT_TRUE(Becomes([&] { return next_calls.count(); }, Eq(1u)));
  EXPECT_EQ(service.calls.count(), 1u);
}

TEST_F(SocketServiceExtTest, NoFunctionWaitsForAHandlerThatWantsTheCallersMutex) {
  std::mutex mutex;
  std::promise<void> entered;
  const UniqueFd served = EventFd(false);
  const UniqueFd other = EventFd(false);
  UniqueFd closed = EventFd(false);
  std::atomic<bool> in_handler{true};
  TestService service;
  service.calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    entered.set_value();
    const std::lock_guard<std::mutex> lock(mutex);
    in_handler = false;
  };
  ASSERT_EQ(service.Register({served.get()}), 0);
  {
    const std::lock_guard<std::mutex> lock(mutex);
    eventfd_write(served.get(), 1);
    entered.get_future().wait();
    EXPECT_EQ(sockhost_service_modify(service, served.get(), POLLPRI), 0);
    EXPECT_EQ(sockhost_service_set_user_data(service, served.get(), nullptr), 0);
    EXPECT_EQ(sockhost_service_add(service, other.get(), POLLIN, nullptr), 0);
    EXPECT_EQ(sockhost_service_remove(service, other.get()), 0);
    EXPECT_EQ(sockhost_service_remove(service, served.get()), 0);
    EXPECT_EQ(sockhost_service_add(service, closed.release(), POLLIN, nullptr), 0);
    EXPECT_EQ(sockhost_service_close(service, nullptr, nullptr), 0);
    EXPECT_EQ(sockhost_service_close_wait(service, 1), -ETIMEDOUT);
    EXPECT_EQ(sockhost_service_undefine(service), 0);
    service.Forget();
    // All of it while the handler is in progress.
    EXPECT_TRUE(in_handler);
  }
  EXPECT_TRUE(Becomes([&] { return in_handler.load(); }, Eq(false)));
}

TEST_F(SocketServiceExtTest, UnknownServiceIsRefused) {
  const UniqueFd fd = EventFd(false);
  net_socket_service_event events[1] = {};
  int index = -1;
  const net_socket_service_desc unknown{"elsewhere.c:1", events, 1, &index};
  EXPECT_EQ(sockhost_service_add(&unknown, fd.get(), POLLIN, nullptr), -ENOENT);
  EXPECT_EQ(sockhost_service_modify(&unknown, fd.get(), POLLIN), -ENOENT);
  EXPECT_EQ(sockhost_service_set_user_data(&unknown, fd.get(), nullptr), -ENOENT);
  EXPECT_EQ(sockhost_service_remove(&unknown, fd.get()), -ENOENT);
  EXPECT_EQ(sockhost_service_close(&unknown, nullptr, nullptr), -ENOENT);
  EXPECT_EQ(sockhost_service_close_wait(&unknown, 0), -ENOENT);
  EXPECT_EQ(sockhost_service_undefine(&unknown), -ENOENT);
}

// ---- Close, with completion ------------------------------------------------------------

TEST_F(SocketServiceExtTest, CompletionComesFromTheServiceThreadWhenEveryFdIsClosed) {
  struct Completion {
    int fds[2];
    std::promise<bool> closed_on_service_thread;
  };
  Completion completion{{EventFd(true).release(), EventFd(false).release()}, {}};
  TestService service;
  ASSERT_EQ(service.Register({completion.fds[0], completion.fds[1]}), 0);
  const auto done = [](void* arg) {
    auto* completion = static_cast<Completion*>(arg);
    completion->closed_on_service_thread.set_value(ServiceLoop::Current() == &loop() &&
                                                   !IsOpen(completion->fds[0]) &&
                                                   !IsOpen(completion->fds[1]));
  };
  ASSERT_EQ(sockhost_service_close(service, done, &completion), 0);
  EXPECT_TRUE(completion.closed_on_service_thread.get_future().get());
  FinishTurns();
}

TEST_F(SocketServiceExtTest, CompletionWaitsForTheCallInProgress) {
  std::promise<void> entered;
  std::promise<void> release;
  static std::atomic<bool> done{false};
  done = false;
  std::atomic<bool> done_in_handler{true};
  const int fd = EventFd(true).release();
  TestService service;
  service.calls.action = [&](const Event&) {
    entered.set_value();
    release.get_future().wait();
    done_in_handler = done.load();
  };
  ASSERT_EQ(service.Register({fd}), 0);
  entered.get_future().wait();
  ASSERT_EQ(sockhost_service_close(
                service, [](void*) { done = true; }, nullptr),
            0);
  EXPECT_FALSE(done);
  EXPECT_TRUE(IsOpen(fd));
  release.set_value();
  EXPECT_TRUE(Becomes([] { return done.load(); }, Eq(true)));
  EXPECT_FALSE(done_in_handler);
  EXPECT_FALSE(IsOpen(fd));
}

TEST_F(SocketServiceExtTest, HandlerThatClosesItsServiceHasReturnedWhenItIsDone) {
  static std::atomic<bool> done{false};
  done = false;
  std::atomic<bool> done_in_handler{false};
  const int fd = EventFd(true).release();
  TestService service;
  service.calls.action = [&](const Event& event) {
    EXPECT_EQ(sockhost_service_close(
                  event.svc, [](void*) { done = true; }, nullptr),
              0);
    done_in_handler = done || !IsOpen(event.event.fd);
  };
  ASSERT_EQ(service.Register({fd}), 0);
  EXPECT_TRUE(Becomes([] { return done.load(); }, Eq(true)));
  EXPECT_FALSE(done_in_handler);
  EXPECT_FALSE(IsOpen(fd));
  EXPECT_EQ(service.calls.count(), 1u);
}

TEST_F(SocketServiceExtTest, RefusedCloseNeverCompletes) {
  const auto done = [](void*) { ADD_FAILURE() << "done was called"; };
  EXPECT_EQ(sockhost_service_close(nullptr, done, nullptr), -EINVAL);
  FinishTurns();
}

TEST_F(SocketServiceExtTest, WaitedCloseReturnsWhenEveryFdIsClosed) {
  TestService service;
  for (const int timeout_ms : {-1, 60'000}) {
    const int fd = EventFd(true).release();
    ASSERT_EQ(service.Register({fd}), 0);
    EXPECT_EQ(sockhost_service_close_wait(service, timeout_ms), 0);
    EXPECT_FALSE(IsOpen(fd));
  }
  EXPECT_EQ(sockhost_service_close_wait(service, -1), 0);
  EXPECT_EQ(sockhost_service_close_wait(nullptr, -1), -EINVAL);
}

TEST_F(SocketServiceExtTest, WaitedCloseOnTheServiceThreadIsADeadlockAndChangesNothing) {
  const UniqueFd fd = EventFd(true);
  std::atomic<int> result{0};
  TestService service;
  service.calls.action = [&](const Event& event) {
    TakeAll(event.event.fd);
    result = sockhost_service_close_wait(event.svc, -1);
  };
  ASSERT_EQ(service.Register({fd.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  EXPECT_EQ(result, -EDEADLK);
  eventfd_write(fd.get(), 1);
  EXPECT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(2u)));
  EXPECT_EQ(service.Snapshot().registered, 1);
}

TEST_F(SocketServiceExtTest, WaitedCloseThatTimesOutIsFinishedLater) {
  const int fd = EventFd(false).release();
  TestService service;
  ASSERT_EQ(service.Register({fd}), 0);
  {
    const ServiceThreadHold hold(loop());
    EXPECT_EQ(sockhost_service_close_wait(service, 1), -ETIMEDOUT);
    EXPECT_EQ(service.Snapshot().registered, 0);
    EXPECT_TRUE(IsOpen(fd));
  }
  EXPECT_TRUE(Becomes([fd] { return IsOpen(fd); }, Eq(false)));
}

// ---- Services defined at run time ---------------------------------------------------------

TEST_F(SocketServiceExtTest, DefinitionsThatCannotWorkAreRefused) {
  const LogLines log;
  const net_socket_service_desc* service = nullptr;
  sockhost_service_definition definition{};
  definition.name = "usable";
  definition.handler = [](Event*) {};
  EXPECT_EQ(sockhost_service_define(nullptr, &service), -EINVAL);
  EXPECT_EQ(sockhost_service_define(&definition, nullptr), -EINVAL);
  sockhost_service_definition no_name = definition;
  no_name.name = nullptr;
  EXPECT_EQ(sockhost_service_define(&no_name, &service), -EINVAL);
  sockhost_service_definition bad_name = definition;
  bad_name.name = "not/usable";
  EXPECT_EQ(sockhost_service_define(&bad_name, &service), -EINVAL);
  sockhost_service_definition no_handler = definition;
  no_handler.handler = nullptr;
  EXPECT_EQ(sockhost_service_define(&no_handler, &service), -EINVAL);
  sockhost_service_definition negative = definition;
  negative.capacity = -1;
  EXPECT_EQ(sockhost_service_define(&negative, &service), -EINVAL);
  sockhost_service_definition too_large = definition;
  too_large.capacity = (1 << 20) + 1;
  EXPECT_EQ(sockhost_service_define(&too_large, &service), -EINVAL);
  EXPECT_EQ(service, nullptr);
}

TEST_F(SocketServiceExtTest, TakenNameIsRefused) {
  const LogLines log;
  TestService service;
  sockhost_service_definition definition{};
  definition.name = service.name().c_str();
  definition.handler = [](Event*) {};
  const net_socket_service_desc* second = nullptr;
  EXPECT_EQ(sockhost_service_define(&definition, &second), -EEXIST);
  EXPECT_EQ(second, nullptr);
}

TEST_F(SocketServiceExtTest, OwnerAndCapacityAreInTheDescriptor) {
  TestService service(3);
  EXPECT_EQ(service->owner, service.owner());
  EXPECT_EQ(service->pev_len, 3);
  EXPECT_GE(*service->idx, 0);
  EXPECT_THAT(service.DescriptorFds(), Each(-1));
  EXPECT_EQ(service.Snapshot().capacity, 3);
  EXPECT_EQ(service.Snapshot().owner, service.owner());
  EXPECT_EQ(service.Snapshot().kind, ServiceKind::kModule);
}

TEST_F(SocketServiceExtTest, UndefinedServiceIsForgottenAndItsSocketsAreNotPolled) {
  const UniqueFd fd = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({fd.get()}), 0);
  ASSERT_EQ(sockhost_service_undefine(service), 0);
  eventfd_write(fd.get(), 1);
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 0u);
  EXPECT_EQ(sockhost_service_undefine(service), -ENOENT);
  EXPECT_EQ(net_socket_service_unregister(service), -ENOENT);
  EXPECT_EQ(sockhost_service_undefine(nullptr), -EINVAL);
  EXPECT_TRUE(IsOpen(fd.get()));
  service.Forget();
}

TEST_F(SocketServiceExtTest, HandlerUndefinesItsOwnService) {
  const UniqueFd fd = EventFd(true);
  TestService service;
  service.calls.action = [](const Event& event) {
    EXPECT_EQ(sockhost_service_undefine(event.svc), 0);
    // Still valid.
    EXPECT_EQ(event.svc->pev_len, 4);
  };
  ASSERT_EQ(service.Register({fd.get()}), 0);
  ASSERT_TRUE(Becomes([&] { return service.calls.count(); }, Eq(1u)));
  FinishTurns();
  EXPECT_EQ(service.calls.count(), 1u);
  service.Forget();
}

TEST_F(SocketServiceExtTest, ServiceOfAListenerIsBusy) {
  TestService service;
  ListenerConfig config;
  config.name = "web";
  config.service = service.name();
  config.address = *SocketAddress::Parse("tcp://127.0.0.1:0");
  ASSERT_TRUE(host().CreateListener(config).ok());
  EXPECT_EQ(sockhost_service_undefine(service), -EBUSY);
  std::promise<void> done;
  ASSERT_TRUE(host().DeleteListener("web", true, [&] { done.set_value(); }).ok());
  done.get_future().wait();
}

TEST_F(SocketServiceExtTest, UserDataIsFreedOnTheServiceThreadWhenItsSocketGoes) {
  struct Freed {
    std::atomic<int> count{0};
    std::atomic<bool> elsewhere{false};
  };
  Freed first;
  Freed second;
  const auto free_user_data = [](void* user_data) {
    auto* freed = static_cast<Freed*>(user_data);
    ++freed->count;
    if (ServiceLoop::Current() != &loop()) freed->elsewhere = true;
  };
  const UniqueFd a = EventFd(false);
  const UniqueFd b = EventFd(false);
  {
    TestService service(4, free_user_data, [](Event*) {});
    ASSERT_EQ(sockhost_service_add(service, a.get(), POLLIN, &first), 0);
    ASSERT_EQ(sockhost_service_add(service, b.get(), POLLIN, &second), 0);
    ASSERT_EQ(sockhost_service_remove(service, a.get()), 0);
    EXPECT_TRUE(Becomes([&] { return first.count.load(); }, Eq(1)));
    EXPECT_EQ(second.count, 0);
  }
  EXPECT_EQ(first.count, 1);
  EXPECT_EQ(second.count, 1);
  EXPECT_FALSE(first.elsewhere);
  EXPECT_FALSE(second.elsewhere);
}

TEST_F(SocketServiceExtTest, ReadingWhatIsNoSocketIsNoFailure) {
  static std::atomic<int> read;
  read = 0;
  TestService service(4, nullptr, [](Event* event) {
    uint64_t value = 0;
    if (sockhost_read(event->event.fd, &value, sizeof(value)) == sizeof(value)) ++read;
  });
  const UniqueFd fd = EventFd(true);
  ASSERT_EQ(sockhost_service_add(service, fd.get(), POLLIN, nullptr), 0);
  ASSERT_TRUE(Becomes([&] { return read.load(); }, Eq(1)));
  FinishTurns();
  EXPECT_EQ(service.Snapshot().counters[Counter::handler_calls], 1);
  EXPECT_EQ(service.Snapshot().counters[Counter::receive_errors], 0);
}

// Its handler does not see the end, and is called again and again.
TEST_F(SocketServiceExtTest, EndOfARegisteredStreamIsNoMessageAndNoProgress) {
  const LogLines log;
  TestService service(4, nullptr, [](Event* event) {
    char byte;
    zsock_recv(event->event.fd, &byte, 1, 0);
  });
  SocketPair pair = TcpPair();
  ASSERT_EQ(sockhost_service_add(service, pair.ours.get(), POLLIN, nullptr), 0);
  SendText(pair.peer.get(), "xy");
  pair.peer.reset();
  EXPECT_TRUE(Becomes([&] { return service.Snapshot().counters[Counter::masked]; }, Ge(1)));
  EXPECT_EQ(service.Snapshot().counters[Counter::receive_messages], 2);
  EXPECT_EQ(service.Snapshot().counters[Counter::receive_bytes], 2);
}

TEST_F(SocketServiceExtTest, ExceptionAtTheEndOfACloseEndsNothingElse) {
  const LogLines log;
  TestService service;
  UniqueFd fd = EventFd(false);
  ASSERT_EQ(sockhost_service_add(service, fd.release(), POLLIN, nullptr), 0);
  ASSERT_EQ(sockhost_service_close(
                service, [](void*) { throw std::runtime_error("cannot end"); }, nullptr),
            0);
  FinishTurns();
  EXPECT_TRUE(
      Becomes([&] { return service.Snapshot().counters[Counter::handler_exceptions]; }, Eq(1)));
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("cannot end"), HasSubstr(service.owner()))));
}

struct FreedUserData {
  static void Free(void* user_data) { ++*static_cast<std::atomic<int>*>(user_data); }
  std::atomic<int> times{0};
};

TEST_F(SocketServiceExtTest, UserDataOfARefusedSetIsTheCallers) {
  const UniqueFd fd = EventFd(false);
  FreedUserData freed;
  TestService service(4, FreedUserData::Free, [](Event*) {});
  pollfd set[2] = {{fd.get(), POLLIN, 0}, {ClosedFd(), POLLIN, 0}};
  EXPECT_EQ(net_socket_service_register(service, set, 2, &freed.times), -EBADF);
  EXPECT_EQ(sockhost_service_add(service, ClosedFd(), POLLIN, &freed.times), -EBADF);
  FinishTurns();
  EXPECT_EQ(freed.times, 0);
}

TEST_F(SocketServiceExtTest, ReplacedUserDataIsTheCallers) {
  const UniqueFd fd = EventFd(false);
  FreedUserData old;
  FreedUserData last;
  {
    TestService service(4, FreedUserData::Free, [](Event*) {});
    ASSERT_EQ(sockhost_service_add(service, fd.get(), POLLIN, &old.times), 0);
    ASSERT_EQ(sockhost_service_set_user_data(service, fd.get(), &last.times), 0);
  }
  EXPECT_EQ(old.times, 0);
  EXPECT_EQ(last.times, 1);
}

// ---- Datagrams and streams ------------------------------------------------------------------

TEST_F(SocketServiceExtTest, CallsOfSocketsFailAsTheirSystemCalls) {
  const UniqueFd fd = BoundUdp();
  mmsghdr message{};
  int ends[2] = {-1, -1};
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  const UniqueFd from(ends[0]);
  const UniqueFd to(ends[1]);
  const auto error_of = [](long result) { return result == -1 ? errno : 0; };
  EXPECT_EQ(error_of(sockhost_recvmmsg(fd.get(), &message, 1, MSG_DONTWAIT)), EAGAIN);
  EXPECT_EQ(error_of(sockhost_sendmmsg(fd.get(), &message, 1, 0)), EDESTADDRREQ);
  EXPECT_EQ(error_of(sockhost_recvmmsg(ClosedFd(), &message, 1, 0)), EBADF);
  EXPECT_EQ(error_of(sockhost_sendmmsg(ClosedFd(), &message, 1, 0)), EBADF);
  const SocketPair pair = TcpPair();
  EXPECT_EQ(error_of(sockhost_splice_from(pair.ours.get(), to.get(), 1)), EAGAIN);
  EXPECT_EQ(error_of(sockhost_splice_to(from.get(), pair.ours.get(), 1)), EAGAIN);
  EXPECT_EQ(error_of(sockhost_splice_from(ClosedFd(), to.get(), 1)), EBADF);
  EXPECT_EQ(error_of(sockhost_splice_to(from.get(), ClosedFd(), 1)), EBADF);
}

// ---- Other threads of the program -----------------------------------------------------------

TEST_F(SocketServiceExtTest, ClosingThroughTheLibraryUnregistersAndWakesTheThread) {
  static std::atomic<int> freed{0};
  freed = 0;
  UniqueFd fd = EventFd(false);
  int user_data = 0;
  TestService service(
      4, [](void*) { ++freed; }, [](Event*) {});
  ASSERT_EQ(sockhost_service_add(service, fd.get(), POLLIN, &user_data), 0);
  FinishTurns();
  const int64_t closed_behind = host().Statistics().closed_behind;
  EXPECT_EQ(NoteClose(fd.get()), Closer::kProgram);
  fd.reset();
  EXPECT_TRUE(Becomes([] { return freed.load(); }, Eq(1)));
  EXPECT_EQ(service.Snapshot().registered, 0);
  EXPECT_EQ(host().Statistics().closed_behind, closed_behind);
}

// With UDP_SEGMENT one message is many datagrams.
TEST_F(SocketServiceExtTest, SegmentsOfAMessageAreCountedAsDatagrams) {
  const UniqueFd fd = BoundUdp();
  const UniqueFd peer = ConnectTo(LocalAddress(fd.get(), Protocol::kUdp));
  sockaddr_storage to;
  const socklen_t length = LocalAddress(peer.get(), Protocol::kUdp).ToSockaddr(to);
  TestService service;
  ASSERT_EQ(service.Register({fd.get()}), 0);

  char bytes[10] = {};
  iovec part{bytes, sizeof(bytes)};
  alignas(cmsghdr) char control[CMSG_SPACE(sizeof(uint16_t))] = {};
  mmsghdr message{};
  message.msg_hdr.msg_name = &to;
  message.msg_hdr.msg_namelen = length;
  message.msg_hdr.msg_iov = &part;
  message.msg_hdr.msg_iovlen = 1;
  message.msg_hdr.msg_control = control;
  message.msg_hdr.msg_controllen = sizeof(control);
  cmsghdr* const header = CMSG_FIRSTHDR(&message.msg_hdr);
  *header = {CMSG_LEN(sizeof(uint16_t)), SOL_UDP, UDP_SEGMENT};
  const uint16_t segment = 4;
  std::memcpy(CMSG_DATA(header), &segment, sizeof(segment));

  ASSERT_EQ(sockhost_sendmmsg(fd.get(), &message, 1, 0), 1);
  ASSERT_EQ(zsock_sendmsg(fd.get(), &message.msg_hdr, 0), 10);
  const CounterValues values = service.Snapshot().counters;
  EXPECT_EQ(values[Counter::transmit_bytes], 20);
  EXPECT_EQ(values[Counter::transmit_messages], 6);
}

TEST_F(SocketServiceExtTest, TrafficOfOtherThreadsIsCounted) {
  const UniqueFd fd = EventFd(false);
  TestService service;
  ASSERT_EQ(service.Register({fd.get()}), 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 1000; ++n) {
        CountReceive(fd.get(), 3, 1, 0);
        CountTransmit(fd.get(), 5, 5, 1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const CounterValues values = service.Snapshot().counters;
  EXPECT_EQ(values[Counter::receive_bytes], 12'000);
  EXPECT_EQ(values[Counter::receive_messages], 4'000);
  EXPECT_EQ(values[Counter::transmit_bytes], 20'000);
  EXPECT_EQ(values[Counter::transmit_messages], 4'000);
}

}  // namespace
}  // namespace sockhost
