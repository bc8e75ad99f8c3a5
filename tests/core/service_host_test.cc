#include "sockhost/service_host.h"

#include <gmock/gmock.h>
#include <pthread.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"
#include "tests/core/eventually.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

void Echo(net_socket_service_event* event) {
  char buffer[4096];
  const ssize_t got = recv(event->event.fd, buffer, sizeof(buffer), 0);
  if (got > 0) send(event->event.fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL);
}

std::promise<void>& Release() {
  static auto* release = new std::promise<void>;
  return *release;
}

void Block(net_socket_service_event* event) {
  TakeAll(event->event.fd);
  Release().get_future().wait();
}

sockhost_service_definition Definition(const char* name, net_socket_service_handler_t handler) {
  sockhost_service_definition definition{};
  definition.name = name;
  definition.owner = "service_host_test.cc:1";
  definition.handler = handler;
  definition.capacity = 3;
  return definition;
}

ListenerConfig Config(const std::string& name, const std::string& service = "echo") {
  ListenerConfig config;
  config.name = name;
  config.service = service;
  config.address = *SocketAddress::Parse("tcp://127.0.0.1:0");
  return config;
}

std::unique_ptr<ServiceHost> NewHost() {
  auto host = std::make_unique<ServiceHost>();
  EXPECT_TRUE(host->DefineService(Definition("echo", Echo), ServiceKind::kBuiltIn).ok());
  return host;
}

std::unique_ptr<ServiceHost> StartedHost(const HostOptions& options = {}) {
  auto host = NewHost();
  const absl::Status status = host->Start(options);
  EXPECT_TRUE(status.ok()) << status;
  return host;
}

ListenerSnapshot Create(ServiceHost& host, const ListenerConfig& config) {
  const absl::StatusOr<ListenerSnapshot> listener = host.CreateListener(config);
  EXPECT_TRUE(listener.ok()) << listener.status();
  return listener.value_or(ListenerSnapshot());
}

Reason ReasonOf(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = DetailOf(status);
  EXPECT_TRUE(detail.has_value()) << status;
  return detail ? detail->reason : Reason::kINTERNAL;
}

// ---- Life -------------------------------------------------------------------

TEST(ServiceHostTest, StartedHostServesItsListeners) {
  const auto host = StartedHost();
  const ListenerSnapshot listener = Create(*host, Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "hello");
  EXPECT_EQ(ReceiveText(client.get(), 5), "hello");
}

TEST(ServiceHostTest, ListenerThatNobodyWouldPollIsRefused) {
  const auto host = NewHost();
  const absl::Status status = host->CreateListener(Config("web")).status();
  EXPECT_EQ(ReasonOf(status), Reason::kINTERNAL);
  EXPECT_EQ(host->listeners(), 0u);
  ASSERT_TRUE(host->Start({}).ok());
  Create(*host, Config("web"));
}

TEST(ServiceHostTest, StopClosesEverything) {
  const int64_t fds = CountOpenFds();
  {
    const auto host = StartedHost();
    const ListenerSnapshot listener = Create(*host, Config("web"));
    const UniqueFd client = ConnectTo(listener.effective_address);
    SendText(client.get(), "x");
    EXPECT_EQ(ReceiveText(client.get(), 1), "x");
    host->Stop();
    EXPECT_TRUE(WaitClosed(client.get()));
    EXPECT_EQ(host->listeners(), 0u);
    EXPECT_EQ(host->sockets(), 0u);
    host->Stop();
  }
  EXPECT_EQ(CountOpenFds(), fds);
}

TEST(ServiceHostTest, HostThatNeverStartedLeavesNothingOpen) {
  const int64_t fds = CountOpenFds();
  NewHost();
  EXPECT_EQ(CountOpenFds(), fds);
}

TEST(ServiceHostTest, ListenersMadeAndDeletedWhileTheHostStopsAreClosed) {
  const int64_t fds = CountOpenFds();
  for (int round = 0; round < 100; ++round) {
    std::atomic<int> deleted{0};
    std::atomic<int> done{0};
    {
      const auto host = StartedHost();
      std::atomic<bool> running{false};
      std::thread maker([&] {
        for (int i = 0;; ++i) {
          const std::string name = absl::StrCat("l", i);
          if (!host->CreateListener(Config(name)).ok()) break;
          if (i % 2 == 0 && host->DeleteListener(name, true, [&done] { ++done; }).ok()) ++deleted;
          running = true;
        }
      });
      while (!running) std::this_thread::yield();
      host->Stop();
      maker.join();
    }
    ASSERT_EQ(done, deleted) << "round " << round;
    ASSERT_EQ(CountOpenFds(), fds) << "round " << round;
  }
}

TEST(ServiceHostTest, StoppedHostTakesNoListeners) {
  const auto host = StartedHost();
  host->Stop();
  EXPECT_EQ(ReasonOf(host->CreateListener(Config("web")).status()), Reason::kSHUTTING_DOWN);
  EXPECT_EQ(ReasonOf(host->DeleteListener("web", true, {})), Reason::kLISTENER_NOT_FOUND);
}

TEST(ServiceHostTest, StoppedAcceptingRefusesListenersAndKeepsConnections) {
  const auto host = StartedHost();
  const ListenerSnapshot listener = Create(*host, Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  host->StopAccepting(absl::Hours(1));
  EXPECT_EQ(ReasonOf(host->CreateListener(Config("more")).status()), Reason::kSHUTTING_DOWN);
  EXPECT_EQ(ReasonOf(host->DrainListener("web", std::nullopt).status()), Reason::kSHUTTING_DOWN);
  EXPECT_EQ(ReasonOf(host->PauseListener("web").status()), Reason::kSHUTTING_DOWN);
  SendText(client.get(), "y");
  EXPECT_EQ(ReceiveText(client.get(), 1), "y");
  host->Stop();
  EXPECT_TRUE(WaitClosed(client.get()));
}

TEST(ServiceHostTest, HostsDoNotShareAnything) {
  const auto first = StartedHost();
  const auto second = StartedHost();
  Create(*first, Config("web"));
  Create(*second, Config("web"));
  first->Stop();
  EXPECT_EQ(first->listeners(), 0u);
  EXPECT_EQ(second->listeners(), 1u);
  const UniqueFd client = ConnectTo(second->FindListener("web")->effective_address);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
}

TEST(ServiceHostTest, HostWithoutFdsFailsToStart) {
  for (const int spare : {0, 1}) {
    std::unique_ptr<ServiceHost> host;
    {
      const NoMoreFds limit(spare);
      host = std::make_unique<ServiceHost>();
    }
    EXPECT_EQ(ReasonOf(host->Start({})), Reason::kFD_LIMIT) << "spare fds: " << spare;
  }
}

TEST(ServiceHostTest, HostWithoutAThreadFailsToStart) {
  // No stack so large can be had: pthread_create(3) fails.
  pthread_attr_t before;
  pthread_attr_t huge;
  ASSERT_EQ(pthread_getattr_default_np(&before), 0);
  ASSERT_EQ(pthread_attr_init(&huge), 0);
  ASSERT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 46), 0);
  ASSERT_EQ(pthread_setattr_default_np(&huge), 0);
  const auto host = NewHost();
  const absl::Status status = host->Start({});
  ASSERT_EQ(pthread_setattr_default_np(&before), 0);
  EXPECT_EQ(ReasonOf(status), Reason::kINTERNAL);
}

// ---- Services -----------------------------------------------------------------

TEST(ServiceHostTest, ServicesAreListedWithWhatTheyAre) {
  const auto host = StartedHost();
  EXPECT_TRUE(host->DefineService(Definition("second", Echo), ServiceKind::kModule).ok());
  Create(*host, Config("web"));
  const std::vector<ServiceSnapshot> services = host->ListServices();
  ASSERT_EQ(services.size(), 2u);
  EXPECT_EQ(*services[0].name, "echo");
  EXPECT_EQ(services[0].kind, ServiceKind::kBuiltIn);
  EXPECT_EQ(services[0].owner, "service_host_test.cc:1");
  EXPECT_EQ(services[0].capacity, 3);
  EXPECT_EQ(services[0].registered, 0);
  EXPECT_EQ(services[0].sockets, 1);
  EXPECT_EQ(*services[1].name, "second");
  EXPECT_EQ(services[1].kind, ServiceKind::kModule);
  EXPECT_EQ(services[1].sockets, 0);
}

TEST(ServiceHostTest, ServiceOfATakenNameIsRefused) {
  const auto host = NewHost();
  EXPECT_EQ(host->DefineService(Definition("echo", Echo), ServiceKind::kModule).code(),
            absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(ReasonOf(host->DefineService(Definition("-", Echo), ServiceKind::kModule)),
            Reason::kSERVICE_INVALID);
}

// ---- Sockets and limits ---------------------------------------------------------

TEST(ServiceHostTest, SocketsAreVisitedAndFound) {
  const auto host = StartedHost();
  const ListenerSnapshot listener = Create(*host, Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(Becomes([&] { return host->sockets(); }, Eq(2u)));
  std::vector<Role> roles;
  std::vector<SocketId> ids;
  host->ForEachSocket([&](SocketSnapshot&& socket) {
    roles.push_back(socket.role);
    ids.push_back(socket.id);
  });
  EXPECT_THAT(roles, UnorderedElementsAre(Role::kListening, Role::kConnection));
  for (const SocketId id : ids) {
    const std::optional<SocketSnapshot> socket = host->FindSocket(id);
    ASSERT_TRUE(socket.has_value());
    EXPECT_EQ(socket->id, id);
  }
  EXPECT_FALSE(host->FindSocket(1'000'000).has_value());
}

TEST(ServiceHostTest, ListenersAreListedAndFound) {
  const auto host = StartedHost({.max_listeners = 7});
  EXPECT_EQ(host->max_listeners(), 7u);
  EXPECT_THAT(host->ListListeners(), IsEmpty());
  Create(*host, Config("b"));
  Create(*host, Config("a"));
  std::vector<std::string> names;
  for (const ListenerSnapshot& listener : host->ListListeners()) {
    names.push_back(listener.config->name);
  }
  EXPECT_THAT(names, ElementsAre("a", "b"));
  EXPECT_EQ(host->listeners(), 2u);
  EXPECT_FALSE(host->FindListener("c").has_value());
}

TEST(ServiceHostTest, SocketLimitLeavesFdsForOthers) {
  const auto host = StartedHost();
  const int64_t fds = RaiseFdLimit();
  EXPECT_LE(host->max_sockets(), static_cast<size_t>(fds));
  EXPECT_GE(host->max_sockets(), static_cast<size_t>(fds / 2));
  EXPECT_EQ(StartedHost({.max_sockets = 10})->max_sockets(), 10u);
  EXPECT_EQ(StartedHost({.max_sockets = size_t{1} << 40})->max_sockets(), host->max_sockets());
}

TEST(ServiceHostTest, SocketLimitIsRefused) {
  const auto host = StartedHost({.max_sockets = 1});
  Create(*host, Config("a"));
  EXPECT_EQ(ReasonOf(host->CreateListener(Config("b")).status()), Reason::kSOCKET_LIMIT);
}

// The snapshot of a listener names one generation of it.
TEST(ServiceHostTest, DeletionByASnapshotSparesTheNextListenerOfTheName) {
  const auto host = StartedHost();
  const ListenerSnapshot first = Create(*host, Config("web"));
  std::promise<void> done;
  ASSERT_TRUE(host->DeleteListener(first, false, [&done] { done.set_value(); }).ok());
  done.get_future().wait();
  const ListenerSnapshot second = Create(*host, Config("web"));
  EXPECT_EQ(ReasonOf(host->DeleteListener(first, true, {})), Reason::kLISTENER_NOT_FOUND);
  EXPECT_EQ(host->listeners(), 1u);
  EXPECT_TRUE(host->DeleteListener(second, true, {}).ok());
}

// ---- Health -------------------------------------------------------------------

TEST(ServiceHostTest, BlockedHandlerIsVisibleFromOutside) {
  const LogLines log;
  const auto host = StartedHost();
  ASSERT_TRUE(host->DefineService(Definition("sleeper", Block), ServiceKind::kModule).ok());
  EXPECT_FALSE(host->IsStalled());
  EXPECT_EQ(host->Stalled().service, "");
  const ListenerSnapshot listener = Create(*host, Config("web", "sleeper"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "x");
  ASSERT_TRUE(Becomes([&] { return host->IsStalled(); }, Eq(true)));
  EXPECT_EQ(host->Stalled().service, "sleeper");
  EXPECT_EQ(host->Statistics().stalls, 1);
  EXPECT_GE(host->Statistics().max_stall_nanos, 200'000'000);
  // The admin side goes on meanwhile.
  EXPECT_EQ(host->ListServices().size(), 2u);
  Create(*host, Config("more"));
  host->ForEachSocket([](SocketSnapshot&&) {});
  Release().set_value();
  EXPECT_TRUE(Becomes([&] { return host->IsStalled(); }, Eq(false)));
}

TEST(ServiceHostTest, EveryReaderMayReadWhileTheHostStops) {
  const auto host = StartedHost();
  Create(*host, Config("web"));
  std::atomic<bool> reading{false};
  std::atomic<bool> stopped{false};
  std::thread reader([&] {
    // Once more after the end.
    for (bool last = false; !last; reading = true) {
      last = stopped;
      host->IsStalled();
      host->Stalled();
      host->Statistics();
      host->ListServices();
      host->ListListeners();
      host->ForEachSocket([](SocketSnapshot&&) {});
    }
  });
  while (!reading) std::this_thread::yield();
  host->Stop();
  stopped = true;
  reader.join();
  EXPECT_EQ(host->sockets(), 0u);
}

}  // namespace
}  // namespace sockhost
