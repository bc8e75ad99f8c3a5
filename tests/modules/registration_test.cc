// Services in C++, with real sockets and the service thread of the process.
#include "sockhost/registration.h"

#include <gmock/gmock.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <future>
#include <mutex>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "service_core/host_parts.h"
#include "service_core/unique_fd.h"
#include "tests/core/eventually.h"
#include "tests/core/service_thread.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using absl::StatusCode;
using testing::Eq;
using testing::Ge;
using testing::HasSubstr;

std::atomic<int> alive{0};

// Does with an event what the test says, and owns its fd.
class Probe {
 public:
  using Action = std::function<Next(Probe&, const net_socket_service_event&)>;

  Probe(UniqueFd fd, Action action) : fd_(std::move(fd)), action_(std::move(action)) { ++alive; }
  ~Probe() {
    --alive;
    if (on_destruction) on_destruction();
  }
  Probe(const Probe&) = delete;
  Probe& operator=(const Probe&) = delete;

  Next OnReady(const net_socket_service_event& event) {
    EXPECT_EQ(event.event.fd, fd_.get());
    return action_(*this, event);
  }

  std::function<void()> on_destruction;
  // Its own, for tests in which it ends itself so.
  Registration registration;

 private:
  UniqueFd fd_;
  Action action_;
};

using ProbeService = SocketService<&Probe::OnReady>;

ServiceLoop& Loop() { return ProcessParts().loop; }

class RegistrationTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    static const absl::Status started = ServiceHost::OfProcess().Start({});
    ASSERT_TRUE(started.ok()) << started;
  }
  void TearDown() override {
    { const ProbeService gone = std::move(service_); }
    FinishTurns(Loop());
    EXPECT_EQ(alive, 0);
  }

  // Registers an eventfd that is readable; each call counts.
  absl::StatusOr<Registration> RegisterReadable(Probe::Action action = {}) {
    UniqueFd fd = EventFd(true);
    const int number = fd.get();
    return service_.Register(number, POLLIN, std::move(fd), Counting(std::move(action)));
  }
  Registration MustRegister(Probe::Action action = {}) {
    absl::StatusOr<Registration> registration = RegisterReadable(std::move(action));
    EXPECT_TRUE(registration.ok()) << registration.status();
    return registration.ok() ? *std::move(registration) : Registration();
  }
  Probe::Action Counting(Probe::Action action) {
    return [this, action = std::move(action)](Probe& probe, const net_socket_service_event& event) {
      const Next next = action ? action(probe, event) : Next::kKeep;
      ++calls_;
      return next;
    };
  }
  testing::AssertionResult IsCalledAgain() {
    const int before = calls_;
    return Becomes([this] { return calls_.load(); }, Ge(before + 2));
  }
  // What is ready now is not reported to anybody.
  void ExpectQuiet() {
    FinishTurns(Loop());
    const int before = calls_;
    FinishTurns(Loop());
    EXPECT_EQ(calls_, before);
  }
  int Registered() const {
    return ProcessParts().table.CountSockets(*ProcessParts().registry.Find("probe")).first;
  }

  std::atomic<int> calls_{0};
  ProbeService service_ = *ProbeService::Define("probe", 4);
};

TEST_F(RegistrationTest, MethodIsCalledOnTheServiceThread) {
  // Static: a call in progress outlives the registration, and would write to locals.
  static std::atomic<bool> on_service_thread;
  static std::atomic<short> revents;
  on_service_thread = false;
  revents = 0;
  const Registration registration = MustRegister([](Probe&, const auto& event) {
    on_service_thread = Loop().OnServiceThread();
    revents = event.event.revents;
    return Next::kKeep;
  });
  EXPECT_TRUE(registration.IsRegistered());
  ASSERT_TRUE(Becomes([this] { return calls_.load(); }, Ge(1)));
  EXPECT_TRUE(on_service_thread);
  EXPECT_EQ(revents, POLLIN);
}

TEST_F(RegistrationTest, EndOfTheRegistrationEndsThePolling) {
  {
    const Registration registration = MustRegister();
    ASSERT_TRUE(IsCalledAgain());
  }
  EXPECT_EQ(Registered(), 0);
  ExpectQuiet();
  EXPECT_EQ(alive, 0);
}

TEST_F(RegistrationTest, ObjectIsDestroyedOnTheServiceThreadWithItsFdStillOpen) {
  std::atomic<bool> destroyed{false};
  std::atomic<bool> on_service_thread{false};
  Registration registration = MustRegister([&](Probe& probe, const auto& event) {
    probe.on_destruction = [&, fd = event.event.fd] {
      on_service_thread = Loop().OnServiceThread() && IsOpen(fd);
      destroyed = true;
    };
    return Next::kKeep;
  });
  ASSERT_TRUE(IsCalledAgain());
  registration.Remove();
  EXPECT_FALSE(registration.IsRegistered());
  ASSERT_TRUE(Becomes([&] { return destroyed.load(); }, Eq(true)));
  EXPECT_TRUE(on_service_thread);
}

TEST_F(RegistrationTest, MethodEndsItsSocket) {
  const Registration registration = MustRegister([](Probe&, const auto&) { return Next::kEnd; });
  ASSERT_TRUE(Becomes([&] { return registration.IsRegistered(); }, Eq(false)));
  ExpectQuiet();
  EXPECT_EQ(calls_, 1);
  EXPECT_EQ(alive, 0);
}

// The number of the fd is reused, by the same service: the most likely case, as both
// the kernel and the allocator give back what was freed last.
TEST_F(RegistrationTest, OldRegistrationDoesNotRemoveAnotherSocketWithItsFdNumber) {
  int old_fd = -1;
  Registration old = MustRegister([&](Probe&, const auto& event) {
    old_fd = event.event.fd;
    return Next::kEnd;
  });
  ASSERT_TRUE(Becomes([] { return alive.load(); }, Eq(0)));
  // Static, as above.
  static std::atomic<int> new_fd;
  new_fd = -1;
  const Registration fresh = MustRegister([](Probe&, const auto& event) {
    new_fd = event.event.fd;
    return Next::kKeep;
  });
  ASSERT_TRUE(Becomes([&] { return new_fd.load(); }, Eq(old_fd)));
  old.Remove();
  EXPECT_TRUE(fresh.IsRegistered());
  EXPECT_TRUE(IsCalledAgain());
}

TEST_F(RegistrationTest, ObjectMayHoldAndEndItsOwnRegistration) {
  std::promise<Registration> handed_over;
  std::future<Registration> own = handed_over.get_future();
  handed_over.set_value(MustRegister([&](Probe& probe, const auto&) {
    probe.registration = own.get();
    probe.registration.Remove();
    return Next::kKeep;
  }));
  ASSERT_TRUE(Becomes([] { return alive.load(); }, Eq(0)));
  EXPECT_EQ(calls_, 1);
}

TEST_F(RegistrationTest, CallerMayHoldALockThatTheMethodWants) {
  std::mutex wanted;
  std::atomic<bool> waits{false};
  Registration registration = MustRegister([&](Probe&, const auto&) {
    waits = true;
    const std::lock_guard<std::mutex> lock(wanted);
    waits = false;
    return Next::kKeep;
  });
  {
    const std::lock_guard<std::mutex> lock(wanted);
    ASSERT_TRUE(Becomes([&] { return waits.load(); }, Eq(true)));
    EXPECT_TRUE(registration.SetEvents(POLLOUT).ok());
    registration.Remove();
    const Registration other = MustRegister();
    EXPECT_EQ(alive, 2) << "the object of a call in progress was destroyed";
  }
  ASSERT_TRUE(Becomes([] { return alive.load(); }, Eq(0)));
}

TEST_F(RegistrationTest, MovedRegistrationGoesOn) {
  Registration first = MustRegister();
  Registration second = std::move(first);
  EXPECT_FALSE(first.IsRegistered());  // NOLINT(bugprone-use-after-move)
  EXPECT_TRUE(second.IsRegistered());
  Registration& same = second;
  second = std::move(same);
  EXPECT_TRUE(second.IsRegistered());
  EXPECT_TRUE(IsCalledAgain());
}

TEST_F(RegistrationTest, AssignmentRemovesWhatWasHeldBefore) {
  Registration held = MustRegister();
  ASSERT_EQ(Registered(), 1);
  held = MustRegister();
  EXPECT_EQ(Registered(), 1);
  EXPECT_TRUE(held.IsRegistered());
  ASSERT_TRUE(Becomes([] { return alive.load(); }, Eq(1)));
}

TEST_F(RegistrationTest, DetachedSocketLivesUntilItsMethodEndsIt) {
  std::atomic<bool> ends{false};
  MustRegister([&](Probe&, const auto&) { return ends ? Next::kEnd : Next::kKeep; }).Detach();
  EXPECT_TRUE(IsCalledAgain());
  ends = true;
  EXPECT_TRUE(Becomes([] { return alive.load(); }, Eq(0)));
}

TEST_F(RegistrationTest, EventsAreChanged) {
  SocketPair pair = TcpPair();
  const int fd = pair.ours.get();
  std::atomic<short> revents{0};
  absl::StatusOr<Registration> registration =
      service_.Register(fd, POLLIN, std::move(pair.ours), Counting([&](Probe&, const auto& event) {
                          revents = event.event.revents;
                          return Next::kKeep;
                        }));
  ASSERT_TRUE(registration.ok()) << registration.status();
  ExpectQuiet();
  ASSERT_TRUE(registration->SetEvents(POLLOUT).ok());
  ASSERT_TRUE(Becomes([&] { return revents.load(); }, Eq(POLLOUT)));
  ASSERT_TRUE(registration->SetEvents(POLLIN).ok());
  ExpectQuiet();
  EXPECT_EQ(registration->SetEvents(0x4000).code(), StatusCode::kInvalidArgument);
  registration->Remove();
  EXPECT_EQ(registration->SetEvents(POLLIN).code(), StatusCode::kFailedPrecondition);
}

TEST_F(RegistrationTest, EventsOfAnEndedSocketCannotBeChanged) {
  Registration registration = MustRegister([](Probe&, const auto&) { return Next::kEnd; });
  ASSERT_TRUE(Becomes([&] { return registration.IsRegistered(); }, Eq(false)));
  EXPECT_EQ(registration.SetEvents(POLLIN).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(Registration().SetEvents(POLLIN).code(), StatusCode::kFailedPrecondition);
}

TEST_F(RegistrationTest, EventsOfARemovedSocketCannotBeChangedThoughItsObjectLives) {
  const int fd = EventFd(false).release();
  absl::StatusOr<Registration> registration =
      service_.Register(fd, POLLIN, UniqueFd(fd), Counting({}));
  ASSERT_TRUE(registration.ok()) << registration.status();
  const ServiceThreadHold hold(Loop());
  ASSERT_EQ(net_socket_service_unregister(service_.descriptor()), 0);
  EXPECT_EQ(alive, 1);
  EXPECT_EQ(registration->SetEvents(POLLOUT).code(), StatusCode::kFailedPrecondition);
}

TEST_F(RegistrationTest, MethodThatThrowsKeepsItsSocket) {
  const Registration registration = MustRegister([this](Probe&, const auto&) {
    if (calls_.fetch_add(1) == 0) throw std::runtime_error("once");
    return Next::kKeep;
  });
  EXPECT_TRUE(IsCalledAgain());
  EXPECT_TRUE(registration.IsRegistered());
}

// ---- Errors -------------------------------------------------------------------

TEST_F(RegistrationTest, ErrorsOfRegister) {
  const auto register_fd = [this](int fd, short events) {
    return service_.Register(fd, events, UniqueFd(), Counting({})).status();
  };
  const UniqueFd fd = EventFd(true);
  const UniqueFd file = RegularFile();
  EXPECT_EQ(register_fd(-1, POLLIN).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(register_fd(fd.get(), 0x4000).code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(register_fd(ClosedFd(), POLLIN).code(), StatusCode::kFailedPrecondition);
  EXPECT_EQ(register_fd(file.get(), POLLIN).code(), StatusCode::kPermissionDenied);
  EXPECT_EQ(alive, 0);
  EXPECT_EQ(calls_, 0);
  EXPECT_TRUE(IsOpen(fd.get())) << "an fd was closed that nobody gave away";
  EXPECT_THAT(std::string(register_fd(-1, POLLIN).message()),
              HasSubstr("register fd -1 with service probe"));
}

TEST_F(RegistrationTest, SecondRegistrationOfAnFdIsRefused) {
  UniqueFd fd = EventFd(false);
  const int number = fd.get();
  const auto first = service_.Register(number, POLLIN, std::move(fd), Counting({}));
  ASSERT_TRUE(first.ok()) << first.status();
  const auto second = service_.Register(number, POLLIN, UniqueFd(), Counting({}));
  EXPECT_EQ(second.status().code(), StatusCode::kAlreadyExists);
  EXPECT_TRUE(first->IsRegistered());
}

TEST_F(RegistrationTest, FullServiceRefusesMore) {
  std::vector<Registration> held;
  for (int i = 0; i < 4; ++i) held.push_back(MustRegister());
  EXPECT_EQ(RegisterReadable().status().code(), StatusCode::kResourceExhausted);
  held.pop_back();
  EXPECT_TRUE(RegisterReadable().ok());
}

TEST_F(RegistrationTest, LimitOfTheHostRefusesMore) {
  SocketTable& table = ProcessParts().table;
  const size_t limit = table.max_sockets();
  table.SetLimit(table.size());
  const absl::Status status = RegisterReadable().status();
  table.SetLimit(limit);
  EXPECT_EQ(status.code(), StatusCode::kResourceExhausted) << status;
}

TEST_F(RegistrationTest, ErrorsOfDefine) {
  EXPECT_EQ(ProbeService::Define("probe", 1).status().code(), StatusCode::kAlreadyExists);
  EXPECT_EQ(ProbeService::Define("No name", 1).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(ProbeService::Define("many", -1).status().code(), StatusCode::kInvalidArgument);
}

// ---- Services -----------------------------------------------------------------

TEST_F(RegistrationTest, ServiceSaysWhereItWasDefined) {
  const SourceLine here = SourceLine::Current();
  const auto service = ProbeService::Define("placed", 1);
  ASSERT_TRUE(service.ok()) << service.status();
  EXPECT_EQ(service->name(), "placed");
  EXPECT_EQ(std::string(service->descriptor()->owner),
            std::string(here.file) + ":" + std::to_string(here.line + 1));
}

TEST_F(RegistrationTest, EndOfTheServiceEndsItsSockets) {
  auto service = ProbeService::Define("short-lived", 1);
  ASSERT_TRUE(service.ok()) << service.status();
  UniqueFd fd = EventFd(true);
  const int number = fd.get();
  Registration registration = *service->Register(number, POLLIN, std::move(fd), Counting({}));
  ASSERT_TRUE(IsCalledAgain());
  { const ProbeService gone = *std::move(service); }
  EXPECT_EQ(ProcessParts().registry.Find("short-lived"), nullptr);
  ASSERT_TRUE(Becomes([] { return alive.load(); }, Eq(0)));
  EXPECT_FALSE(registration.IsRegistered());
  registration.Remove();
}

struct VoidMethod {
  explicit VoidMethod(std::atomic<int>& calls) : calls(calls) {}
  void OnReady(const net_socket_service_event&) noexcept { ++calls; }
  std::atomic<int>& calls;
};

TEST_F(RegistrationTest, MethodWithoutResultKeepsItsSocket) {
  auto service = SocketService<&VoidMethod::OnReady>::Define("void-method", 1);
  ASSERT_TRUE(service.ok()) << service.status();
  const UniqueFd fd = EventFd(true);
  const auto registration = service->Register(fd.get(), POLLIN, calls_);
  ASSERT_TRUE(registration.ok()) << registration.status();
  EXPECT_TRUE(IsCalledAgain());
}

struct ConstMethod {
  explicit ConstMethod(std::atomic<int>& calls) : calls(calls) {}
  Next OnReady(const net_socket_service_event&) const {
    ++calls;
    return Next::kEnd;
  }
  std::atomic<int>& calls;
};

TEST_F(RegistrationTest, MethodMayBeConst) {
  auto service = SocketService<&ConstMethod::OnReady>::Define("const-method", 1);
  ASSERT_TRUE(service.ok()) << service.status();
  const UniqueFd fd = EventFd(true);
  const auto registration = service->Register(fd.get(), POLLIN, calls_);
  ASSERT_TRUE(registration.ok()) << registration.status();
  EXPECT_TRUE(Becomes([&] { return registration->IsRegistered(); }, Eq(false)));
  EXPECT_EQ(calls_, 1);
}

// ---- Connections of listeners -------------------------------------------------

std::atomic<int> sessions{0};
int defined = 0;

// Answers each event's text in one piece; "end" ends it.
class Session {
 public:
  explicit Session(int fd) : fd_(fd) { ++sessions; }
  ~Session() { --sessions; }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  Next OnReady(const net_socket_service_event& event) {
    EXPECT_EQ(event.event.fd, fd_);
    const std::string text = ReceiveAvailable();
    if (text.empty()) return Next::kKeep;  // the host closes what has ended
    if (text == "throw") throw std::runtime_error("session");
    if (text == "end") return Next::kEnd;
    SendText(fd_, std::to_string(++events_) + text);
    return Next::kKeep;
  }

 private:
  std::string ReceiveAvailable() const {
    char text[64];
    const ssize_t size = recv(fd_, text, sizeof(text), MSG_DONTWAIT);
    return std::string(text, static_cast<size_t>(std::max<ssize_t>(size, 0)));
  }

  const int fd_;
  int events_ = 0;
};

using SessionService = ConnectionService<&Session::OnReady>;

class ConnectionServiceTest : public RegistrationTest {
 protected:
  void SetUp() override {
    ListenerConfig config;
    config.name = "sessions";
    config.service = sessions_.name();
    config.address = *SocketAddress::Parse("tcp://127.0.0.1:0");
    const auto listener = ServiceHost::OfProcess().CreateListener(config);
    ASSERT_TRUE(listener.ok()) << listener.status();
    address_ = listener->effective_address;
  }
  void TearDown() override {
    DeleteListener();
    EXPECT_TRUE(Becomes([] { return sessions.load(); }, Eq(0)));
    RegistrationTest::TearDown();
  }
  void DeleteListener() {
    ServiceHost::OfProcess().DeleteListener("sessions", /*force=*/true, {}).IgnoreError();
  }
  static std::string Ask(const UniqueFd& peer, const std::string& text) {
    SendText(peer.get(), text);
    return ReceiveText(peer.get(), text.size() + 1);
  }

  // A name of its own for each test: a service with a listener stays.
  SessionService sessions_ = *SessionService::Define("session-" + std::to_string(++defined));
  SocketAddress address_;
};

TEST_F(ConnectionServiceTest, EachConnectionHasItsOwnObject) {
  const UniqueFd one = ConnectTo(address_);
  const UniqueFd two = ConnectTo(address_);
  EXPECT_EQ(Ask(one, "a"), "1a");
  EXPECT_EQ(Ask(one, "b"), "2b");
  EXPECT_EQ(Ask(two, "c"), "1c");
  EXPECT_EQ(sessions, 2);
}

TEST_F(ConnectionServiceTest, ObjectGoesWithItsConnection) {
  UniqueFd one = ConnectTo(address_);
  const UniqueFd two = ConnectTo(address_);
  EXPECT_EQ(Ask(one, "a"), "1a");
  EXPECT_EQ(Ask(two, "a"), "1a");
  one.reset();
  EXPECT_TRUE(Becomes([] { return sessions.load(); }, Eq(1)));
  EXPECT_EQ(Ask(two, "b"), "2b");
  DeleteListener();
  EXPECT_TRUE(WaitClosed(two.get()));
  EXPECT_TRUE(Becomes([] { return sessions.load(); }, Eq(0)));
}

TEST_F(ConnectionServiceTest, MethodEndsItsConnection) {
  for (const char* text : {"end", "throw"}) {
    const UniqueFd peer = ConnectTo(address_);
    EXPECT_EQ(Ask(peer, "a"), "1a");
    SendText(peer.get(), text);
    EXPECT_TRUE(WaitClosed(peer.get())) << text;
    EXPECT_TRUE(Becomes([] { return sessions.load(); }, Eq(0)));
  }
}

TEST_F(ConnectionServiceTest, ServiceWithAListenerOutlivesItsOwner) {
  { const auto gone = std::move(sessions_); }
  EXPECT_EQ(Ask(ConnectTo(address_), "a"), "1a");
}

// ---- All at once ----------------------------------------------------------------

// Threads register sockets that are ready and remove them while they are served.
TEST_F(RegistrationTest, ObjectsOutliveEveryCall) {
  constexpr int kThreads = 3;
  constexpr int kRounds = 3000;
  auto service = ProbeService::Define("churn", kThreads * 2);
  ASSERT_TRUE(service.ok()) << service.status();
  std::vector<std::thread> threads;
  std::atomic<int> made{0};
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      for (int round = 0; round < kRounds; ++round) {
        UniqueFd fd = EventFd(true);
        const int number = fd.get();
        const bool ends = (round + t) % 3 == 0;
        auto registration =
            service->Register(number, POLLIN, std::move(fd), Counting([ends](Probe&, const auto&) {
                                EXPECT_GE(alive, 1);
                                return ends ? Next::kEnd : Next::kKeep;
                              }));
        if (registration.ok()) ++made;
        if (round % 8 == 0) std::this_thread::yield();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(made, kThreads * kRounds);
  EXPECT_TRUE(Becomes([] { return alive.load(); }, Eq(0)));
}

}  // namespace
}  // namespace sockhost
