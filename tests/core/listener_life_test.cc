// The life of a listener on a running service thread.
#include <gmock/gmock.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"
#include "tests/core/listeners_fixture.h"
#include "tests/core/log_lines.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Eq;
using testing::Ge;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Ne;
using testing::UnorderedElementsAreArray;

class ListenerLifeTest : public ListenersFixture {
 protected:
  ListenerLifeTest() { DefineTestService(Echo); }

  ListenerSnapshot Now() const { return *listeners_.Find("web"); }
  ListenerState State() const { return Now().state; }

  // Puts `next` in force whatever was before.
  ListenerSnapshot Update(const ListenerConfig& next) {
    const absl::StatusOr<ListenerSnapshot> updated = listeners_.Update(nullptr, next, Keep::kYes);
    EXPECT_TRUE(updated.ok()) << updated.status();
    return updated.value_or(ListenerSnapshot());
  }

  std::vector<std::string> LocalAddressesOfConnections() const {
    std::vector<std::string> addresses;
    table_.ForEach([&](SocketSnapshot&& socket) {
      if (socket.role == Role::kConnection) addresses.push_back(socket.local.ToString());
    });
    return addresses;
  }

  std::vector<uint32_t> PollEvents() const {
    std::vector<uint32_t> events;
    table_.ForEach([&](SocketSnapshot&& socket) { events.push_back(socket.events); });
    return events;
  }

  static void ExpectEcho(int client) {
    SendText(client, "x");
    EXPECT_EQ(ReceiveText(client, 1), "x");
  }

  static Reason ReasonOf(const absl::Status& status) {
    const std::optional<ErrorDetail> detail = DetailOf(status);
    EXPECT_TRUE(detail.has_value()) << status;
    return detail ? detail->reason : Reason::kINTERNAL;
  }
};

TEST_F(ListenerLifeTest, PausedListenerLeavesConnectionsInItsQueue) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  EXPECT_THAT(PollEvents(), ElementsAre(POLLIN));
  ASSERT_TRUE(listeners_.Pause("web").ok());
  EXPECT_EQ(State(), ListenerState::kPaused);
  EXPECT_THAT(PollEvents(), ElementsAre(0)) << "what is shown is what is polled";
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "x");
  FinishTurns(loop_);
  EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 0);
  ASSERT_TRUE(listeners_.Resume("web").ok());
  EXPECT_EQ(State(), ListenerState::kActive);
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
}

TEST_F(ListenerLifeTest, OneThatHasChangedIsLeftAloneByWhoHasSeenItBefore) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot before = Create(Config("web"));
  ListenerConfig next = *before.config;
  next.max_connections = 7;
  const ListenerSnapshot after = Update(next);
  const auto* const old = before.config.get();
  EXPECT_EQ(ReasonOf(listeners_.Pause("web", old).status()), Reason::kETAG_MISMATCH);
  EXPECT_EQ(ReasonOf(listeners_.Drain("web", absl::Hours(1), old).status()),
            Reason::kETAG_MISMATCH);
  EXPECT_EQ(State(), ListenerState::kActive);
  const auto* const now = after.config.get();
  ASSERT_TRUE(listeners_.Pause("web", now).ok());
  EXPECT_EQ(ReasonOf(listeners_.Resume("web", old).status()), Reason::kETAG_MISMATCH);
  EXPECT_EQ(State(), ListenerState::kPaused);
  ASSERT_TRUE(listeners_.Resume("web", now).ok());
  ASSERT_TRUE(listeners_.Drain("web", absl::Hours(1), now).ok());
}

// The timer of the pause for want of fds must not end a pause that was asked for.
TEST_F(ListenerLifeTest, PauseOutlastsAShortage) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  table_.SetLimit(1);
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::accept_pauses, 1));
  ASSERT_TRUE(listeners_.Pause("web").ok());
  table_.SetLimit(100);
  // Later than the shortage's timer.
  std::promise<void> later;
  RunOnServiceThread(loop_,
                     [&] { loop_.RunAt(loop_.now() + 150'000'000, [&] { later.set_value(); }); });
  later.get_future().wait();
  FinishTurns(loop_);
  EXPECT_EQ(State(), ListenerState::kPaused);
  EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 0);
  ASSERT_TRUE(listeners_.Resume("web").ok());
  EXPECT_TRUE(CounterBecomes("web", Counter::accepted_connections, 1));
}

TEST_F(ListenerLifeTest, DrainClosesTheSocketNowAndConnectionsLater) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  ExpectEcho(client.get());
  ASSERT_TRUE(listeners_.Drain("web", absl::Hours(1)).ok());
  EXPECT_EQ(State(), ListenerState::kDraining);
  EXPECT_GT(Now().drain_deadline_nanos, 0);
  EXPECT_TRUE(Becomes([&] { return TryConnect(listener.effective_address).valid(); }, Eq(false)));
  ExpectEcho(client.get());
  ASSERT_TRUE(listeners_.Drain("web", absl::ZeroDuration()).ok());
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(CounterBecomes("web", Counter::timed_out_connections, 1));
  EXPECT_TRUE(Becomes([this] { return Now().drain_deadline_nanos; }, Eq(0)));
  EXPECT_EQ(State(), ListenerState::kDraining);
  EXPECT_EQ(Now().state_reason, "drained");
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(ListenerLifeTest, EnableCancelsTheDeadline) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  Create(config);
  config.enabled = false;
  config.drain_timeout = absl::Hours(1);
  EXPECT_GT(Update(config).drain_deadline_nanos, 0);
  config.enabled = true;
  EXPECT_EQ(Update(config).state, ListenerState::kActive);
  EXPECT_EQ(Now().drain_deadline_nanos, 0);
}

TEST_F(ListenerLifeTest, StopOfTheHostDoesNotPutOffTheEndOfADrain) {
  const StopOnExit stop(loop_);
  Create(Config("web"));
  ASSERT_TRUE(listeners_.Drain("web", absl::Hours(1)).ok());
  const int64_t deadline = Now().drain_deadline_nanos;
  listeners_.StopAccepting(absl::Hours(2));
  EXPECT_EQ(Now().drain_deadline_nanos, deadline);
  listeners_.StopAccepting(absl::ZeroDuration());
  EXPECT_LT(Now().drain_deadline_nanos, deadline);
}

TEST_F(ListenerLifeTest, ResumeCancelsTheDeadline) {
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  ExpectEcho(client.get());
  std::promise<void> resumed;
  listener_thread_.Post([&resumed] { resumed.get_future().wait(); });
  ASSERT_TRUE(listeners_.Drain("web", absl::ZeroDuration()).ok());
  ASSERT_TRUE(listeners_.Resume("web").ok());
  resumed.set_value();
  // Behind the end of the drain, which was due before.
  std::promise<void> passed;
  listener_thread_.RunAfter(absl::ZeroDuration(), [&passed] { passed.set_value(); });
  passed.get_future().wait();
  FinishTurns(loop_);
  ExpectEcho(client.get());
  EXPECT_EQ(State(), ListenerState::kActive);
}

TEST_F(ListenerLifeTest, UpdateToAnotherAddressOpensBeforeItCloses) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot before = Create(Config("web"));
  const UniqueFd client = ConnectTo(before.effective_address);
  ExpectEcho(client.get());
  const ListenerSnapshot after = Update(Config("web", "tcp://127.0.0.2:0"));
  EXPECT_EQ(after.state, ListenerState::kActive);
  ExpectEcho(ConnectTo(after.effective_address).get());
  ExpectEcho(client.get());
  EXPECT_TRUE(Becomes([&] { return TryConnect(before.effective_address).valid(); }, Eq(false)));
}

// Also where the listener has moved meanwhile, or is bound to all addresses.
TEST_F(ListenerLifeTest, ConnectionsTellTheirOwnLocalAddress) {
  const StopOnExit stop(loop_);
  table_.SetClosedLimit(10);
  std::vector<UniqueFd> clients;
  std::vector<std::string> addresses;
  const auto connect = [&](const SocketAddress& address) {
    clients.push_back(ConnectTo(address));
    ExpectEcho(clients.back().get());
    addresses.push_back(address.ToString());
  };
  connect(Create(Config("web")).effective_address);
  EXPECT_THAT(LocalAddressesOfConnections(), UnorderedElementsAreArray(addresses));
  connect(Update(Config("web", "tcp://127.0.0.2:0")).effective_address);
  const uint16_t port = Update(Config("web", "tcp://0.0.0.0:0")).effective_address.port();
  connect(SocketAddress::Parse(absl::StrCat("tcp://127.0.0.3:", port)).value());
  connect(SocketAddress::Parse(absl::StrCat("tcp://127.0.0.4:", port)).value());
  connect(Update(Config("web", "tcp://[::1]:0")).effective_address);
  EXPECT_THAT(LocalAddressesOfConnections(), UnorderedElementsAreArray(addresses));
  clients.clear();
  std::vector<std::string> closed;
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 0));
  FinishTurns(loop_);
  table_.ForEachClosed([&](SocketSnapshot&& socket) {
    if (socket.role == Role::kConnection) closed.push_back(socket.local.ToString());
  });
  EXPECT_THAT(closed, UnorderedElementsAreArray(addresses));
}

TEST_F(ListenerLifeTest, FailedUpdateLeavesEverythingAsItWas) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot before = Create(Config("web"));
  const ListenerSnapshot other = Create(Config("other"));
  const int64_t fds = CountOpenFds();
  ListenerConfig next = Config("web", other.effective_address.ToString());
  next.max_connections = 1;
  EXPECT_EQ(ReasonOf(listeners_.Update(nullptr, next, Keep::kYes).status()),
            Reason::kADDRESS_IN_USE);
  EXPECT_EQ(CountOpenFds(), fds);
  EXPECT_EQ(Now().config, before.config);
  EXPECT_EQ(Now().effective_address, before.effective_address);
}

TEST_F(ListenerLifeTest, UpdateOfAnOlderConfigIsRefused) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot before = Create(Config("web"));
  Update(Config("web"));
  EXPECT_EQ(ReasonOf(listeners_.Update(before.config.get(), Config("web"), Keep::kYes).status()),
            Reason::kETAG_MISMATCH);
}

// A handler reads the parameters of its listener while they are replaced.
TEST_F(ListenerLifeTest, HandlerKeepsTheParametersItHasSeen) {
  struct Number : ServiceParameters {
    explicit Number(std::atomic<int>& live) : live_(live) { ++live_; }
    ~Number() override { --live_; }
    std::atomic<int>& live_;
  };
  std::atomic<int> live{0};
  std::promise<void> inside;
  std::promise<void> replaced;
  registry_.Withdraw(*test_service_);
  DefineTestService([&](const Event& event) {
    TakeAll(event.event.fd);
    const void* before = ParametersOf(event.event.fd);
    inside.set_value();
    replaced.get_future().wait();
    EXPECT_EQ(live, 2);
    EXPECT_NE(ParametersOf(event.event.fd), before);
  });
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.parameters = std::make_shared<Number>(live);
  const UniqueFd client = ConnectTo(Create(config).effective_address);
  config.parameters.reset();
  SendText(client.get(), "x");
  inside.get_future().wait();
  ListenerConfig next = Config("web");
  next.parameters = std::make_shared<Number>(live);
  Update(next);
  next.parameters.reset();
  replaced.set_value();
  EXPECT_TRUE(Becomes([&] { return live.load(); }, Eq(1)));
  Delete("web");
  EXPECT_TRUE(Becomes([&] { return live.load(); }, Eq(0)));
}

TEST_F(ListenerLifeTest, BusyAddressIsTriedUntilItIsFree) {
  const StopOnExit stop(loop_);
  UniqueFd other = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(other.get());
  ASSERT_EQ(listen(other.get(), 1), 0);
  ListenerConfig config = Config("web", LocalAddress(other.get(), Protocol::kTcp).ToString());
  config.enabled = false;
  EXPECT_EQ(Create(config).state, ListenerState::kDisabled);
  config.enabled = true;
  EXPECT_EQ(Update(config).state, ListenerState::kFailed);
  EXPECT_THAT(Now().state_reason, HasSubstr("EADDRINUSE"));
  other.reset();
  EXPECT_TRUE(Becomes([this] { return State(); }, Eq(ListenerState::kActive)));
  EXPECT_THAT(Now().state_reason, IsEmpty());
  ExpectEcho(ConnectTo(config.address).get());
}

// Whoever shares it can end its listening, in either direction.
TEST_F(ListenerLifeTest, SocketThatDoesNotListenAnyMoreIsReplaced) {
  const StopOnExit stop(loop_);
  const std::string path = absl::StrCat(testing::TempDir(), "sockhost-ended-", getpid(), ".sock");
  for (const std::string& address : {std::string("tcp://127.0.0.1:0"), "unix://" + path}) {
    for (const int how : {SHUT_RD, SHUT_RDWR}) {
      SCOPED_TRACE(absl::StrCat(address, " ", how));
      const LogLines log;
      Create(Config("web", address));
      const SocketSnapshot ended = SocketOf(Role::kListening);
      ASSERT_EQ(shutdown(ended.fd, how), 0);
      EXPECT_TRUE(Becomes([&] { return SocketOf(Role::kListening).id; },
                          AllOf(Ne(ended.id), Ne(SocketSnapshot().id))));
      EXPECT_TRUE(Becomes([this] { return State(); }, Eq(ListenerState::kActive)));
      ExpectEcho(ConnectTo(Now().effective_address).get());
      EXPECT_THAT(log.lines(), Contains(HasSubstr("its socket does not listen any more: ")));
      Delete("web");
    }
  }
}

// Another program's server at a path, which counts who comes.
class ForeignServer {
 public:
  explicit ForeignServer(const SocketAddress& address) : fd_(NewSocket(AF_UNIX, SOCK_STREAM)) {
    sockaddr_storage storage;
    const socklen_t length = address.ToSockaddr(storage);
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
    EXPECT_EQ(listen(fd_.get(), 100), 0);
  }

  // Waits for the next one.
  bool Accept() {
    return WaitReadable(fd_.get()) && UniqueFd(accept(fd_.get(), nullptr, nullptr)).valid();
  }

 private:
  UniqueFd fd_;
};

class TakenPathTest : public ListenerLifeTest {
 protected:
  TakenPathTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sockhost-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    config_ = Config("web", absl::StrCat("unix://", path()));
  }
  ~TakenPathTest() override { std::filesystem::remove_all(folder_); }

  std::string path() const { return folder_ + "/x.sock"; }

  // The listener is enabled while another server has its path.
  void Fail() {
    config_.enabled = false;
    Create(config_);
    config_.enabled = true;
    EXPECT_EQ(Update(config_).state, ListenerState::kFailed);
  }

  std::string folder_;
  ListenerConfig config_;
};

TEST_F(TakenPathTest, ServerIsSeldomAskedWhetherItIsStillThere) {
  const StopOnExit stop(loop_);
  ForeignServer other(config_.address);
  const absl::Time begin = absl::Now();
  Fail();
  for (int i = 0; i < 3; ++i) ASSERT_TRUE(other.Accept());
  // No machine is so slow that this comes too early.
  EXPECT_GE(absl::Now() - begin, absl::Seconds(2.9));
  EXPECT_EQ(State(), ListenerState::kFailed);
}

TEST_F(TakenPathTest, PathThatIsGivenUpIsTaken) {
  const StopOnExit stop(loop_);
  const ForeignServer other(config_.address);
  Fail();
  // The server lives on at no path.
  std::filesystem::remove(path());
  EXPECT_TRUE(Becomes([this] { return State(); }, Eq(ListenerState::kActive)));
  ExpectEcho(ConnectTo(config_.address).get());
}

TEST_F(TakenPathTest, ServerThatTakesThePathOverIsAsked) {
  const StopOnExit stop(loop_);
  const ForeignServer first(config_.address);
  Fail();
  ForeignServer second(*SocketAddress::Parse(absl::StrCat("unix://", path(), ".new")));
  // The path is never free.
  std::filesystem::rename(path() + ".new", path());
  EXPECT_TRUE(second.Accept());
  EXPECT_EQ(State(), ListenerState::kFailed);
}

TEST_F(TakenPathTest, FileOfAServerThatWasKilledIsReplaced) {
  const StopOnExit stop(loop_);
  auto other = std::make_unique<ForeignServer>(config_.address);
  Fail();
  other.reset();
  EXPECT_TRUE(Becomes([this] { return State(); }, Eq(ListenerState::kActive)));
  ExpectEcho(ConnectTo(config_.address).get());
}

TEST_F(ListenerLifeTest, FailedListenerCanBeDeleted) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot other = Create(Config("other"));
  ListenerConfig config = Config("web", other.effective_address.ToString());
  config.enabled = false;
  Create(config);
  config.enabled = true;
  EXPECT_EQ(Update(config).state, ListenerState::kFailed);
  Delete("web");
  Delete("other");
  // Its attempts ended with it.
  EXPECT_TRUE(Create(Config("third", config.address.ToString())).config != nullptr);
}

TEST_F(ListenerLifeTest, ConnectionsInheritTheOptionsOfTheSocket) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.socket.tuning.keepalive = true;
  config.socket.tuning.keepalive_idle = absl::Milliseconds(6500);
  config.socket.tuning.keepalive_interval = absl::Seconds(3);
  config.socket.tuning.keepalive_count = 4;
  config.socket.tuning.tcp_user_timeout = absl::Milliseconds(1500);
  config.socket.tuning.send_buffer_bytes = 20000;
  const ListenerSnapshot listener = Create(config);
  EXPECT_EQ(listener.effective_send_buffer_bytes, 40000);
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::accepted_connections, 1));
  const int fd = SocketOf(Role::kConnection).fd;
  const auto option = [fd](int level, int name) {
    int value = -1;
    socklen_t length = sizeof(value);
    getsockopt(fd, level, name, &value, &length);
    return value;
  };
  EXPECT_EQ(option(SOL_SOCKET, SO_KEEPALIVE), 1);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPIDLE), 7);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPINTVL), 3);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_KEEPCNT), 4);
  EXPECT_EQ(option(IPPROTO_TCP, TCP_USER_TIMEOUT), 1500);
  EXPECT_EQ(option(SOL_SOCKET, SO_SNDBUF), 40000);
}

TEST_F(ListenerLifeTest, EndOfADrainIsTold) {
  EventRing events;
  table_.RecordInto(events);
  const StopOnExit stop(loop_);
  UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  ExpectEcho(client.get());
  ASSERT_TRUE(listeners_.Drain("web", absl::Hours(1)).ok());
  client.reset();
  const auto reasons = [&events] {
    std::vector<std::string> told;
    for (const HostEvent& event : events.Read(1).events) {
      const bool changed = event.kind == HostEventKind::kListenerStateChanged;
      if (changed) told.push_back(event.listener->state_reason);
    }
    return told;
  };
  EXPECT_TRUE(Becomes(reasons, ElementsAre("1 connection is left", "drained")));
  Delete("web");
}

// Each call is told once, in order, with the listener as it was afterwards.
TEST_F(ListenerLifeTest, ChangesAreRecordedInTheirOrder) {
  EventRing events;
  table_.RecordInto(events);
  const StopOnExit stop(loop_);
  Create(Config("web"));
  ListenerConfig next = Config("web", "tcp://127.0.0.2:0");
  Update(next);
  ASSERT_TRUE(listeners_.Pause("web").ok());
  ASSERT_TRUE(listeners_.Pause("web").ok());  // changes nothing
  ASSERT_TRUE(listeners_.Resume("web").ok());
  ASSERT_TRUE(listeners_.Drain("web", absl::Hours(1)).ok());
  ASSERT_TRUE(listeners_.Resume("web").ok());
  next.enabled = false;
  Update(next);
  Delete("web");
  std::vector<std::string> told;
  int64_t next_sequence = 1;
  while (next_sequence <= events.last()) {
    for (const HostEvent& event : events.Read(next_sequence).events) {
      next_sequence = event.sequence + 1;
      if (!event.listener) continue;
      told.push_back(
          absl::StrCat(static_cast<int>(event.kind), "/", static_cast<int>(event.listener->state)));
    }
  }
  const auto row = [](HostEventKind kind, ListenerState state) {
    return absl::StrCat(static_cast<int>(kind), "/", static_cast<int>(state));
  };
  EXPECT_THAT(told, ElementsAre(row(HostEventKind::kListenerCreated, ListenerState::kActive),
                                row(HostEventKind::kListenerUpdated, ListenerState::kActive),
                                row(HostEventKind::kListenerStateChanged, ListenerState::kPaused),
                                row(HostEventKind::kListenerStateChanged, ListenerState::kActive),
                                row(HostEventKind::kListenerStateChanged, ListenerState::kDraining),
                                row(HostEventKind::kListenerStateChanged, ListenerState::kStarting),
                                row(HostEventKind::kListenerStateChanged, ListenerState::kActive),
                                row(HostEventKind::kListenerUpdated, ListenerState::kActive),
                                row(HostEventKind::kListenerStateChanged, ListenerState::kDisabled),
                                row(HostEventKind::kListenerDeleted, ListenerState::kDraining)));
}

// However often accepting is tried meanwhile.
TEST_F(ListenerLifeTest, ShortageIsRecordedWhenItBeginsAndWhenItEnds) {
  const LogLines log;
  EventRing events;
  table_.RecordInto(events);
  const auto states = [&events] {
    std::vector<ListenerState> out;
    for (int64_t next = 1; next <= events.last();) {
      for (const HostEvent& event : events.Read(next).events) {
        next = event.sequence + 1;
        const bool is_state = event.kind == HostEventKind::kListenerStateChanged;
        if (is_state) out.push_back(event.listener->state);
      }
    }
    return out;
  };
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  table_.SetLimit(2);
  UniqueFd first = ConnectTo(listener.effective_address);
  ExpectEcho(first.get());
  FinishTurns(loop_);
  EXPECT_EQ(State(), ListenerState::kActive) << "nobody waits";
  EXPECT_THAT(states(), IsEmpty());

  UniqueFd second = ConnectTo(listener.effective_address);
  const UniqueFd third = ConnectTo(listener.effective_address);
  ASSERT_TRUE(Becomes([&] { return ListenerCounters("web")[Counter::accept_pauses]; }, Ge(4)));
  EXPECT_EQ(State(), ListenerState::kPaused);
  EXPECT_THAT(states(), ElementsAre(ListenerState::kPaused));
  first.reset();
  ExpectEcho(second.get());
  const int64_t tried = ListenerCounters("web")[Counter::accept_pauses];
  ASSERT_TRUE(
      Becomes([&] { return ListenerCounters("web")[Counter::accept_pauses]; }, Ge(tried + 2)));
  EXPECT_EQ(State(), ListenerState::kPaused) << "the third still waits";
  EXPECT_THAT(states(), ElementsAre(ListenerState::kPaused));
  second.reset();
  ExpectEcho(third.get());
  EXPECT_TRUE(Becomes([&] { return State(); }, Eq(ListenerState::kActive)));
  EXPECT_THAT(states(), ElementsAre(ListenerState::kPaused, ListenerState::kActive));
  EXPECT_EQ(log.lines().size(), 1u);
  Delete("web");  // while there is the ring
}

// Of an accept queue that others take from as well.
TEST_F(ListenerLifeTest, ShortageEndsWhenNobodyWaitsAnyMore) {
  const LogLines log;
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd other(table_.Duplicate(SocketOf(Role::kListening).id));
  table_.SetLimit(1);
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(Becomes([&] { return State(); }, Eq(ListenerState::kPaused)));
  const UniqueFd taken(accept(other.get(), nullptr, nullptr));
  ASSERT_TRUE(taken.valid());
  EXPECT_TRUE(Becomes([&] { return State(); }, Eq(ListenerState::kActive)));
  EXPECT_EQ(ListenerCounters("web")[Counter::accepted_connections], 0);
}

// The file is gone when the delete is done, and it is not the service thread that
// removes it.
TEST_F(ListenerLifeTest, FileOfAUnixSocketIsRemovedBesideTheServiceThread) {
  const StopOnExit stop(loop_);
  const std::string path = absl::StrCat(testing::TempDir(), "sockhost-life-", getpid(), ".sock");
  Create(Config("web", absl::StrCat("unix://", path)));
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  std::promise<void> deleted;
  std::promise<void> released;
  listener_thread_.Post([&released] { released.get_future().wait(); });
  ASSERT_TRUE(listeners_.Delete("web", nullptr, true, [&deleted] { deleted.set_value(); }).ok());
  FinishTurns(loop_);
  EXPECT_EQ(access(path.c_str(), F_OK), 0);
  EXPECT_TRUE(listeners_.Find("web").has_value());
  released.set_value();
  deleted.get_future().wait();
  EXPECT_NE(access(path.c_str(), F_OK), 0);
  EXPECT_FALSE(listeners_.Find("web").has_value());
}

// Whatever the order, each call is answered, nothing is left behind, and a listener
// that says it is active takes connections.
TEST_F(ListenerLifeTest, CallsFromManyThreadsLeaveAListenerThatWorks) {
  const StopOnExit stop(loop_);
  Create(Config("web"));
  const auto change = [this](int seed) {
    ListenerConfig config = Config("web");
    for (int i = 0; i < 200; ++i) {
      switch ((i * 7 + seed) % 6) {
        case 0:
          listeners_.Pause("web").status().IgnoreError();
          break;
        case 1:
          listeners_.Resume("web").status().IgnoreError();
          break;
        case 2:
          listeners_.Drain("web", absl::ZeroDuration()).status().IgnoreError();
          break;
        case 3:
          config.enabled = !config.enabled;
          [[fallthrough]];
        case 4:
          config.address = *SocketAddress::Parse(absl::StrCat("tcp://127.0.0.", 1 + i % 3, ":0"));
          listeners_.Update(nullptr, config, Keep::kYes).status().IgnoreError();
          break;
        default:
          if (const SocketAddress address = Now().effective_address; !address.empty()) {
            TryConnect(address);
          }
      }
    }
  };
  std::vector<std::thread> threads;
  for (int seed = 0; seed < 4; ++seed) threads.emplace_back(change, seed);
  for (std::thread& thread : threads) thread.join();
  Update(Config("web"));
  ASSERT_TRUE(listeners_.Resume("web").ok());
  EXPECT_EQ(State(), ListenerState::kActive);
  ExpectEcho(ConnectTo(Now().effective_address).get());
  Delete("web");
  EXPECT_EQ(table_.size(), 0u);
}

}  // namespace
}  // namespace sockhost
