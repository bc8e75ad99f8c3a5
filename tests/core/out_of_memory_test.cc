// Memory that cannot be had, at each place where the core asks for it: what was asked
// for fails, nothing is left behind, and the service thread goes on.
// What handlers do about it is theirs.
#include <gmock/gmock.h>
#include <pthread.h>
#include <sys/socket.h>

#include <atomic>
#include <cerrno>
#include <functional>
#include <future>
#include <memory>
#include <new>

#include "tests/core/eventually.h"
#include "tests/core/failed_allocation.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/service_thread.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;

// Runs `call` with the failure at `place` of this thread. True if it came to it; what
// `call` throws for want of memory is taken as its answer.
bool Fails(int place, const std::function<void()>& call) {
  const FailedAllocation failure(pthread_self(), place);
  try {
    call();
  } catch (const std::bad_alloc&) {
  }
  return failure.has_happened();
}

void Echo(net_socket_service_event* event) {
  char buffer[64];
  const ssize_t got = recv(event->event.fd, buffer, sizeof(buffer), 0);
  if (got > 0) send(event->event.fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL);
}

class OutOfMemoryTest : public ProcessHostFixture {
 protected:
  ListenerConfig Config() const {
    ListenerConfig config;
    config.name = "web";
    config.service = service_.name();
    config.address = *SocketAddress::Parse("tcp://127.0.0.1:0");
    return config;
  }

  void Delete() {
    auto done = std::make_shared<std::promise<void>>();
    const absl::Status status = host().DeleteListener("web", true, [done] { done->set_value(); });
    ASSERT_TRUE(status.ok()) << status;
    done->get_future().wait();
  }

  // Of what has happened; only the record of it has found no memory. This thread's, as
  // long as no allocation of another one fails.
  static int64_t EventsLost() { return host().Statistics().out_of_memory; }

  void ExpectNothingLeft() {
    EXPECT_EQ(host().sockets(), 0u);
    EXPECT_EQ(host().listeners(), 0u);
  }

  // The log of the core allocates too.
  const LogLines log_;
  TestService service_{4, nullptr, Echo};
};

TEST_F(OutOfMemoryTest, CreateListenerLeavesNothingBehindAndCanBeRepeated) {
  const ListenerConfig config = Config();
  AtEachPlace([&](int place) {
    bool created = false;
    const bool failed = Fails(place, [&] { created = host().CreateListener(config).ok(); });
    EXPECT_TRUE(created || failed);
    if (!created) {
      ExpectNothingLeft();
      EXPECT_TRUE(host().CreateListener(config).ok());
    }
    Delete();
    ExpectNothingLeft();
    return failed;
  });
}

TEST_F(OutOfMemoryTest, DeleteListenerIsDoneOrCanBeRepeated) {
  const ListenerConfig config = Config();
  AtEachPlace([&](int place) {
    EXPECT_TRUE(host().CreateListener(config).ok());
    const bool failed = Fails(place, [&] { host().DeleteListener("web", true, {}).IgnoreError(); });
    if (failed) host().DeleteListener("web", true, {}).IgnoreError();
    EXPECT_TRUE(Becomes([] { return host().listeners(); }, Eq(0u)));
    ExpectNothingLeft();
    return failed;
  });
}

TEST_F(OutOfMemoryTest, RegisteringIsRefusedAndTheOldSetStays) {
  const UniqueFd old = EventFd(false);
  const UniqueFd one = EventFd(false);
  const UniqueFd two = EventFd(false);
  pollfd old_set[1] = {{old.get(), POLLIN, 0}};
  pollfd set[2] = {{one.get(), POLLIN, 0}, {two.get(), POLLIN, 0}};
  AtEachPlace([&](int place) {
    EXPECT_EQ(net_socket_service_register(service_, old_set, 1, nullptr), 0);
    int result = 1;
    const int64_t events_lost = EventsLost();
    const bool failed =
        Fails(place, [&] { result = net_socket_service_register(service_, set, 2, nullptr); });
    const bool refused = failed && EventsLost() == events_lost;
    EXPECT_EQ(result, refused ? -ENOMEM : 0);
    EXPECT_EQ(host().sockets(), refused ? 1u : 2u);
    if (refused) {
      EXPECT_THAT(service_.DescriptorFds(), ElementsAre(old.get(), -1, -1, -1));
    }
    return failed;
  });
  EXPECT_EQ(net_socket_service_unregister(service_), 0);
}

TEST_F(OutOfMemoryTest, AddingOneIsRefused) {
  const UniqueFd fd = EventFd(false);
  AtEachPlace([&](int place) {
    int result = 1;
    const int64_t events_lost = EventsLost();
    const bool failed =
        Fails(place, [&] { result = sockhost_service_add(service_, fd.get(), POLLIN, nullptr); });
    const bool refused = failed && EventsLost() == events_lost;
    EXPECT_EQ(result, refused ? -ENOMEM : 0);
    EXPECT_EQ(host().sockets(), refused ? 0u : 1u);
    EXPECT_EQ(net_socket_service_unregister(service_), 0);
    return failed;
  });
}

TEST_F(OutOfMemoryTest, DefiningIsRefused) {
  sockhost_service_definition definition{};
  definition.name = "another";
  definition.handler = Echo;
  definition.capacity = 4;
  AtEachPlace([&](int place) {
    const net_socket_service_desc* another = nullptr;
    int result = 1;
    const bool failed =
        Fails(place, [&] { result = sockhost_service_define(&definition, &another); });
    EXPECT_EQ(result, failed ? -ENOMEM : 0);
    EXPECT_EQ(another == nullptr, failed);
    if (another) {
      EXPECT_EQ(sockhost_service_undefine(another), 0);
    }
    return failed;
  });
}

// What has a socket that is polled.
TEST_F(OutOfMemoryTest, UndefiningIsDoneOrCanBeRepeated) {
  sockhost_service_definition definition{};
  definition.name = "another";
  definition.handler = Echo;
  definition.capacity = 4;
  const UniqueFd fd = EventFd(false);
  AtEachPlace([&](int place) {
    const net_socket_service_desc* another = nullptr;
    EXPECT_EQ(sockhost_service_define(&definition, &another), 0);
    EXPECT_EQ(sockhost_service_add(another, fd.get(), POLLIN, nullptr), 0);
    int result = 1;
    const bool failed = Fails(place, [&] { result = sockhost_service_undefine(another); });
    EXPECT_EQ(result, failed ? -ENOMEM : 0);
    EXPECT_EQ(host().sockets(), failed ? 1u : 0u);
    if (failed) {
      EXPECT_EQ(sockhost_service_undefine(another), 0);
    }
    return failed;
  });
}

TEST_F(OutOfMemoryTest, ClosingIsDoneOrCanBeRepeated) {
  AtEachPlace([&](int place) {
    const int fd = EventFd(false).release();
    EXPECT_EQ(sockhost_service_add(service_, fd, POLLIN, nullptr), 0);
    int result = 1;
    const bool failed = Fails(place, [&] { result = sockhost_service_close_wait(service_, -1); });
    EXPECT_EQ(result, failed ? -ENOMEM : 0);
    EXPECT_EQ(IsOpen(fd), failed);
    if (failed) {
      EXPECT_EQ(sockhost_service_close_wait(service_, -1), 0);
    }
    EXPECT_FALSE(IsOpen(fd));
    return failed;
  });
}

TEST_F(OutOfMemoryTest, CompletionOfACloseThatIsRefusedNeverComes) {
  static std::atomic<int> done{0};
  AtEachPlace([&](int place) {
    done = 0;
    int result = 1;
    const bool failed = Fails(place, [&] {
      result = sockhost_service_close(
          service_, [](void*) { ++done; }, nullptr);
    });
    EXPECT_EQ(result, failed ? -ENOMEM : 0);
    FinishTurns(loop());
    EXPECT_EQ(done, failed ? 0 : 1);
    return failed;
  });
}

// No place: what never needs memory is possible always.
TEST_F(OutOfMemoryTest, ServicesAreVisitedAndSetsAreLetGo) {
  const UniqueFd fd = EventFd(false);
  const int closed = EventFd(false).release();
  int visits = 0;
  const auto count = [](const net_socket_service_desc*, void* visits) {
    ++*static_cast<int*>(visits);
  };
  EXPECT_EQ(sockhost_service_add(service_, fd.get(), POLLIN, nullptr), 0);
  EXPECT_FALSE(Fails(1, [&] {
    net_socket_service_foreach(count, &visits);
    EXPECT_EQ(sockhost_service_modify(service_, fd.get(), POLLOUT), 0);
    EXPECT_EQ(sockhost_service_remove(service_, fd.get()), 0);
    EXPECT_EQ(net_socket_service_unregister(service_), 0);
  }));
  EXPECT_EQ(visits, 1);
  EXPECT_EQ(sockhost_service_add(service_, closed, POLLIN, nullptr), 0);
  EXPECT_FALSE(Fails(1, [&] { EXPECT_EQ(net_socket_service_close(service_), 0); }));
  FinishTurns(loop());
  EXPECT_FALSE(IsOpen(closed));
}

TEST_F(OutOfMemoryTest, ServiceThreadGoesOnAcceptingAndServing) {
  const absl::StatusOr<ListenerSnapshot> listener = host().CreateListener(Config());
  ASSERT_TRUE(listener.ok()) << listener.status();
  AtEachPlace([&](int place) {
    const FailedAllocation failure(loop().native_handle(), place);
    {
      const UniqueFd client = ConnectTo(listener->effective_address);
      SendText(client.get(), "x");
      // An answer, or the connection was given up; silence is the failure.
      EXPECT_TRUE(WaitReadable(client.get()));
    }
    // Its end is recorded, too.
    EXPECT_TRUE(Becomes([] { return host().sockets(); }, Eq(1u)));
    FinishTurns(loop());
    return failure.has_happened();
  });
  const UniqueFd client = ConnectTo(listener->effective_address);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  Delete();
  ExpectNothingLeft();
}

}  // namespace
}  // namespace sockhost
