#include "service_core/listeners.h"

#include <gmock/gmock.h>
#include <netinet/in.h>

#include <atomic>
#include <future>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"
#include "tests/core/listeners_fixture.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::Eq;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::Not;
using testing::Pair;

class ListenersTest : public ListenersFixture {
 protected:
  ListenersTest() { DefineTestService(Echo); }

  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const ListenerSnapshot& listener : listeners_.List()) {
      names.push_back(listener.config->name);
    }
    return names;
  }

  // Checks that `config` is refused and that nothing is left behind.
  ErrorDetail ExpectRefused(const ListenerConfig& config, Reason reason) {
    const int64_t fds = CountOpenFds();
    const size_t sockets = table_.size();
    const size_t listeners = listeners_.size();
    const absl::Status status = listeners_.Create(config).status();
    const std::optional<ErrorDetail> detail = DetailOf(status);
    EXPECT_TRUE(detail.has_value()) << status;
    if (!detail) return {};
    EXPECT_EQ(ReasonName(detail->reason), ReasonName(reason)) << status;
    EXPECT_EQ(CountOpenFds(), fds);
    EXPECT_EQ(table_.size(), sockets);
    EXPECT_EQ(listeners_.size(), listeners);
    return *detail;
  }
};

// ---- Creating -------------------------------------------------------------------

TEST_F(ListenersTest, CreatedListenerIsBoundAndPolled) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.socket.backlog = 7;
  const ListenerSnapshot listener = Create(config);
  EXPECT_EQ(listener.config->name, "web");
  EXPECT_EQ(listener.config->service, "test");
  EXPECT_EQ(listener.config->address.port(), 0);
  EXPECT_NE(listener.effective_address.port(), 0);
  EXPECT_EQ(listener.effective_backlog, 7);
  EXPECT_EQ(listener.state, ListenerState::kActive);
  EXPECT_EQ(listener.counters, CounterValues());
  const UniqueFd client = ConnectTo(listener.effective_address);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
}

TEST_F(ListenersTest, ProtocolsAndFamiliesAreServed) {
  const StopOnExit stop(loop_);
  int number = 0;
  for (const char* address :
       {"tcp://127.0.0.1:0", "tcp://[::1]:0", "udp://127.0.0.1:0", "udp://[::1]:0"}) {
    const ListenerSnapshot listener = Create(Config(absl::StrCat("l", ++number), address));
    EXPECT_EQ(listener.effective_backlog, listener.config->address.is_datagram() ? 0 : 4096);
    const UniqueFd client = ConnectTo(listener.effective_address);
    SendText(client.get(), "x");
    if (listener.config->address.is_datagram()) {
      EXPECT_TRUE(CounterBecomes(listener.config->name, Counter::receive_bytes, 1)) << address;
    } else {
      EXPECT_EQ(ReceiveText(client.get(), 1), "x") << address;
    }
  }
}

TEST_F(ListenersTest, ListIsInTheOrderOfNames) {
  const StopOnExit stop(loop_);
  EXPECT_THAT(Names(), IsEmpty());
  Create(Config("b"));
  Create(Config("c"));
  Create(Config("a"));
  EXPECT_THAT(Names(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(listeners_.size(), 3u);
  Delete("b");
  EXPECT_THAT(Names(), ElementsAre("a", "c"));
  EXPECT_FALSE(listeners_.Find("b").has_value());
  EXPECT_TRUE(listeners_.Find("c").has_value());
}

struct IdCase {
  std::string id;
  bool valid;

  friend void PrintTo(const IdCase& c, std::ostream* out) { *out << '"' << c.id << '"'; }
};

class ListenerIdTest : public ListenersTest, public testing::WithParamInterface<IdCase> {};

TEST_P(ListenerIdTest, IsCheckedAgainstItsPattern) {
  const StopOnExit stop(loop_);
  if (GetParam().valid) {
    EXPECT_EQ(Create(Config(GetParam().id)).config->name, GetParam().id);
    return;
  }
  const ErrorDetail detail = ExpectRefused(Config(GetParam().id), Reason::kLISTENER_ID_INVALID);
  EXPECT_EQ(detail.field, "listener_id");
}

INSTANTIATE_TEST_SUITE_P(
    Ids, ListenerIdTest,
    testing::Values(IdCase{"a", true}, IdCase{"web-1", true}, IdCase{"a1", true},
                    IdCase{std::string(63, 'a'), true}, IdCase{"", false},
                    IdCase{std::string(64, 'a'), false}, IdCase{"1a", false}, IdCase{"-a", false},
                    IdCase{"a-", false}, IdCase{"A", false}, IdCase{"aB", false},
                    IdCase{"a_b", false}, IdCase{"a.b", false}, IdCase{"a b", false},
                    IdCase{"a/b", false}, IdCase{std::string("a\0b", 3), false},
                    IdCase{"\xc3\xa4", false}));

TEST_F(ListenersTest, OptionsThatAreNotForTheAddressAreRefusedWithTheirValue) {
  const StopOnExit stop(loop_);
  const struct {
    const char* field;
    const char* value;
    const char* address;
    void (*set)(ListenerConfig&);
  } cases[] = {
      {"unix_access", "mode 0640 owner 7", "tcp://127.0.0.1:0",
       [](ListenerConfig& c) {
         c.socket.unix_access.mode = 0640;
         c.socket.unix_access.owner = 7;
       }},
      {"unix_access", "group 0", "unix:@x",
       [](ListenerConfig& c) { c.socket.unix_access.group = 0; }},
      {"reuse_port", "true", "unix:@x", [](ListenerConfig& c) { c.socket.reuse_port = true; }},
      {"max_connections_per_source", "5", "unix:@x",
       [](ListenerConfig& c) { c.max_connections_per_source = 5; }},
      {"tcp_keepalive", "true", "udp://127.0.0.1:0",
       [](ListenerConfig& c) { c.socket.tuning.keepalive = true; }},
      {"tcp_user_timeout", "9s", "udp://127.0.0.1:0",
       [](ListenerConfig& c) { c.socket.tuning.tcp_user_timeout = absl::Seconds(9); }},
  };
  for (const auto& c : cases) {
    ListenerConfig config = Config("web", c.address);
    c.set(config);
    const ErrorDetail detail = ExpectRefused(config, Reason::kFIELD_INVALID);
    EXPECT_EQ(detail.field, absl::StrCat("listener.", c.field));
    EXPECT_EQ(detail.metadata, (ErrorMetadata{{"address", c.address}, {"value", c.value}}));
  }
}

TEST_F(ListenersTest, EachWrongFieldIsNamed) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web", "unix:@x");
  config.socket.backlog = -1;
  config.idle_timeout = absl::Milliseconds(1);
  config.socket.reuse_port = true;
  config.socket.tuning.tcp_user_timeout = absl::Hours(25);  // nor is it for the address
  const ErrorDetail detail = ExpectRefused(config, Reason::kFIELD_INVALID);
  std::vector<std::string> fields = {detail.field};
  for (const FieldViolation& other : detail.others) fields.push_back(other.field);
  EXPECT_THAT(fields, ElementsAre("listener.backlog", "listener.idle_timeout",
                                  "listener.tcp_user_timeout", "listener.reuse_port"));
}

TEST_F(ListenersTest, ListenerOfAServiceThatGoesMeanwhileIsNotOpened) {
  const StopOnExit stop(loop_);
  test_service_->withdrawn = true;
  const ErrorDetail detail = ExpectRefused(Config("web"), Reason::kSTATE_INVALID);
  EXPECT_EQ(detail.metadata, (ErrorMetadata{{"listener", "listeners/web"}, {"state", "DRAINING"}}));
  test_service_->withdrawn = false;
}

TEST_F(ListenersTest, NumbersOutOfRangeAreRefused) {
  const StopOnExit stop(loop_);
  for (const int backlog : {-1, 65536}) {
    ListenerConfig config = Config("web");
    config.socket.backlog = backlog;
    const ErrorDetail detail = ExpectRefused(config, Reason::kFIELD_INVALID);
    EXPECT_EQ(detail.field, "listener.backlog");
    EXPECT_THAT(detail.metadata, Contains(Pair("value", absl::StrCat(backlog))));
  }
  ListenerConfig config = Config("web");
  config.max_connections = -1;
  EXPECT_EQ(ExpectRefused(config, Reason::kFIELD_INVALID).field, "listener.max_connections");
  config.max_connections = 0;
  config.socket.backlog = 65535;
  Create(config);
}

TEST_F(ListenersTest, UnknownServiceIsRefused) {
  const StopOnExit stop(loop_);
  ListenerConfig config = Config("web");
  config.service = "nosuch\n";
  const ErrorDetail detail = ExpectRefused(config, Reason::kSERVICE_NOT_FOUND);
  EXPECT_EQ(detail.field, "listener.service");
  EXPECT_THAT(detail.metadata, Contains(Pair("service", "services/nosuch\\n")));
}

TEST_F(ListenersTest, TakenNameIsRefused) {
  const StopOnExit stop(loop_);
  Create(Config("web"));
  const ErrorDetail detail = ExpectRefused(Config("web"), Reason::kLISTENER_EXISTS);
  EXPECT_THAT(detail.metadata, Contains(Pair("listener", "listeners/web")));
}

TEST_F(ListenersTest, ListenerLimitIsRefusedUntilOneGoes) {
  const StopOnExit stop(loop_);
  listeners_.SetLimit(2);
  Create(Config("a"));
  Create(Config("b"));
  const ErrorDetail detail = ExpectRefused(Config("c"), Reason::kLISTENER_LIMIT);
  EXPECT_THAT(detail.metadata, Contains(Pair("limit", "2")));
  EXPECT_THAT(detail.metadata, Contains(Pair("used", "2")));
  EXPECT_THAT(detail.metadata, Contains(Key("setting")));
  Delete("a");
  Create(Config("c"));
}

TEST_F(ListenersTest, SocketLimitIsRefused) {
  const StopOnExit stop(loop_);
  table_.SetLimit(1);
  Create(Config("a"));
  const ErrorDetail detail = ExpectRefused(Config("b"), Reason::kSOCKET_LIMIT);
  EXPECT_THAT(detail.metadata, Contains(Pair("limit", "1")));
  EXPECT_THAT(detail.metadata, Contains(Pair("used", "1")));
  EXPECT_THAT(detail.metadata, Contains(Key("setting")));
}

TEST_F(ListenersTest, FdLimitIsRefused) {
  const StopOnExit stop(loop_);
  const std::optional<ErrorDetail> detail = [this] {
    const NoMoreFds limit;
    return DetailOf(listeners_.Create(Config("web")).status());
  }();
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, Reason::kFD_LIMIT);
  EXPECT_EQ(listeners_.size(), 0u);
  Create(Config("web"));
}

TEST_F(ListenersTest, AddressInUseNamesTheListenerThatHasIt) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot first = Create(Config("first"));
  const std::string port = absl::StrCat(":", first.effective_address.port());
  for (const std::string& address :
       {"tcp://127.0.0.1" + port, "tcp://0.0.0.0" + port, "tcp://[::]" + port}) {
    const ErrorDetail detail = ExpectRefused(Config("second", address), Reason::kADDRESS_IN_USE);
    EXPECT_THAT(detail.metadata, Contains(Pair("address", address)));
    EXPECT_THAT(detail.metadata, Contains(Pair("listener", "listeners/first")));
  }
}

TEST_F(ListenersTest, AddressInUseBySomebodyElseNamesNoListener) {
  const StopOnExit stop(loop_);
  Create(Config("other"));
  const UniqueFd foreign = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(foreign.get());
  ASSERT_EQ(listen(foreign.get(), 1), 0);
  const std::string address = LocalAddress(foreign.get(), Protocol::kTcp).ToString();
  const ErrorDetail detail = ExpectRefused(Config("web", address), Reason::kADDRESS_IN_USE);
  EXPECT_THAT(detail.metadata, Contains(Pair("address", address)));
  EXPECT_THAT(detail.metadata, Not(Contains(Key("listener"))));
}

// The port of one protocol is taken by us, that of the other by somebody else.
TEST_F(ListenersTest, OwnListenerOfAnotherProtocolIsNotBlamed) {
  const StopOnExit stop(loop_);
  const UniqueFd foreign = BoundUdp();
  const SocketAddress taken = LocalAddress(foreign.get(), Protocol::kUdp);
  const absl::StatusOr<ListenerSnapshot> tcp =
      listeners_.Create(Config("tcp", absl::StrCat("tcp://127.0.0.1:", taken.port())));
  if (!tcp.ok()) GTEST_SKIP() << tcp.status();
  const ErrorDetail detail =
      ExpectRefused(Config("udp", taken.ToString()), Reason::kADDRESS_IN_USE);
  EXPECT_THAT(detail.metadata, Not(Contains(Key("listener"))));
}

TEST_F(ListenersTest, AddressThatIsNotOursIsRefused) {
  const StopOnExit stop(loop_);
  ExpectRefused(Config("web", "tcp://192.0.2.1:0"), Reason::kADDRESS_NOT_AVAILABLE);
  // The name was reserved meanwhile.
  Create(Config("web"));
}

TEST_F(ListenersTest, OwnerIsFoundByAddress) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  EXPECT_EQ(listeners_.OwnerOf(listener.effective_address), "web");
  EXPECT_EQ(listeners_.OwnerOf(*SocketAddress::Parse("tcp://127.0.0.1:1")), "");
}

TEST_F(ListenersTest, ServiceIsWithdrawnOnlyWhileNoListenerIsBoundToIt) {
  const StopOnExit stop(loop_);
  int withdrawals = 0;
  const auto withdraw = [&](const Service& service) {
    return listeners_.WithdrawUnlessUsed(service, [&] { ++withdrawals; });
  };
  EXPECT_TRUE(withdraw(*test_service_));
  Create(Config("web"));
  EXPECT_FALSE(withdraw(*test_service_));
  EXPECT_TRUE(withdraw(*NewService()));
  Delete("web");
  EXPECT_TRUE(withdraw(*test_service_));
  EXPECT_EQ(withdrawals, 3);
}

TEST_F(ListenersTest, ServiceIsUsedByAListenerThatIsBeingOpened) {
  const StopOnExit stop(loop_);
  std::future<ListenerSnapshot> created;
  // What opens it waits for the table.
  table_.RunBetweenHandlers(
      [&] {
        created = std::async(std::launch::async, [&] { return Create(Config("web")); });
        EXPECT_TRUE(Becomes([&] { return listeners_.size(); }, Eq(1u)));
        EXPECT_FALSE(listeners_.WithdrawUnlessUsed(
            *test_service_, [] { ADD_FAILURE() << "a listener is about to be open"; }));
        EXPECT_FALSE(listeners_.Find("web").has_value());
      },
      [] {});
  EXPECT_EQ(created.get().state, ListenerState::kActive);
}

// ---- Deleting -------------------------------------------------------------------

TEST_F(ListenersTest, UnknownListenerIsNotFound) {
  const StopOnExit stop(loop_);
  bool done = false;
  const absl::Status status = listeners_.Delete("nosuch", nullptr, true, [&] { done = true; });
  ASSERT_TRUE(DetailOf(status).has_value()) << status;
  EXPECT_EQ(DetailOf(status)->reason, Reason::kLISTENER_NOT_FOUND);
  EXPECT_THAT(DetailOf(status)->metadata, Contains(Pair("listener", "listeners/nosuch")));
  FinishTurns(loop_);
  EXPECT_FALSE(done);
}

TEST_F(ListenersTest, ListenerWithConnectionsIsBusyUnlessForced) {
  const StopOnExit stop(loop_);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  const absl::Status status =
      listeners_.Delete("web", nullptr, false, [] { ADD_FAILURE() << "done was called"; });
  ASSERT_TRUE(DetailOf(status).has_value()) << status;
  EXPECT_EQ(DetailOf(status)->reason, Reason::kLISTENER_BUSY);
  EXPECT_THAT(DetailOf(status)->metadata, Contains(Pair("connections", "1")));
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  Delete("web");
  EXPECT_TRUE(WaitClosed(client.get()));
}

TEST_F(ListenersTest, ListenerWithoutConnectionsNeedsNoForce) {
  const StopOnExit stop(loop_);
  Create(Config("web"));
  std::promise<void> done;
  EXPECT_TRUE(listeners_.Delete("web", nullptr, false, [&] { done.set_value(); }).ok());
  done.get_future().wait();
  EXPECT_EQ(listeners_.size(), 0u);
}

TEST_F(ListenersTest, PortIsFreeForImmediateReuseWhenTheDeletionIsDone) {
  const StopOnExit stop(loop_);
  std::string address = "tcp://127.0.0.1:0";
  for (int round = 0; round < 50; ++round) {
    const ListenerSnapshot listener = Create(Config("web", address));
    address = listener.effective_address.ToString();
    // A connection leaves the port in TIME_WAIT.
    const UniqueFd client = ConnectTo(listener.effective_address);
    SendText(client.get(), "x");
    ASSERT_EQ(ReceiveText(client.get(), 1), "x") << "round " << round;
    Delete("web");
  }
}

TEST_F(ListenersTest, ListenersOfAServiceAreDeletedAndOthersStay) {
  const StopOnExit stop(loop_);
  const LogLines log;
  sockhost_service_definition definition{};
  definition.name = "other";
  definition.handler = HandlerCalls::Handle;
  ASSERT_TRUE(registry_.Define(definition, ServiceKind::kModule).ok());
  ListenerConfig other = Config("other");
  other.service = "other";
  Create(other);
  const UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
  Create(Config("dns", "udp://127.0.0.1:0"));
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  listeners_.DeleteOf(*test_service_);
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(Becomes([&] { return Names(); }, ElementsAre("other")));
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(ListenersTest, ListenerThatIsBeingOpenedIsDeletedWithItsService) {
  const StopOnExit stop(loop_);
  const LogLines log;
  std::future<absl::Status> created;
  std::future<void> deleted;
  // Both wait for the table.
  table_.RunBetweenHandlers(
      [&] {
        created = std::async(std::launch::async,
                             [&] { return listeners_.Create(Config("web")).status(); });
        EXPECT_TRUE(Becomes([&] { return listeners_.size(); }, Eq(1u)));
        deleted = std::async(std::launch::async, [&] { listeners_.DeleteOf(*test_service_); });
        EXPECT_TRUE(Becomes([&] { return log.lines(); },
                            ElementsAre(HasSubstr("a listener is deleted: its service goes"))));
      },
      [] {});
  deleted.get();
  // As often as not it was announced before.
  created.get().IgnoreError();
  EXPECT_TRUE(Becomes([&] { return listeners_.size(); }, Eq(0u)));
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(ListenersTest, NameIsTakenUntilTheDeletionIsDone) {
  const StopOnExit stop(loop_);
  Create(Config("web"));
  std::promise<void> done;
  {
    const ServiceThreadHold hold(loop_);
    EXPECT_TRUE(listeners_.Delete("web", nullptr, true, [&] { done.set_value(); }).ok());
    EXPECT_EQ(listeners_.Find("web")->state, ListenerState::kDraining);
    ExpectRefused(Config("web"), Reason::kLISTENER_EXISTS);
  }
  done.get_future().wait();
  EXPECT_FALSE(listeners_.Find("web").has_value());
  Create(Config("web"));
}

TEST_F(ListenersTest, TwoDeletionsOfOneListenerAreBothAnswered) {
  const StopOnExit stop(loop_);
  Create(Config("web"));
  std::atomic<int> answers{0};
  const auto remove = [&] {
    const absl::Status status = listeners_.Delete("web", nullptr, true, [&] { ++answers; });
    if (!status.ok()) ++answers;
  };
  {
    const ServiceThreadHold hold(loop_);
    remove();
    remove();
  }
  EXPECT_TRUE(Becomes([&] { return answers.load(); }, Eq(2)));
  EXPECT_EQ(listeners_.size(), 0u);
}

TEST_F(ListenersTest, DeletionOfOneGenerationSparesTheNext) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot first = Create(Config("web"));
  Delete("web");
  const ListenerSnapshot second = Create(Config("web"));
  const absl::Status status = listeners_.Delete("web", first.config.get(), true, {});
  ASSERT_TRUE(DetailOf(status).has_value()) << status;
  EXPECT_EQ(DetailOf(status)->reason, Reason::kLISTENER_NOT_FOUND);
  EXPECT_TRUE(listeners_.Find("web").has_value());
  EXPECT_TRUE(listeners_.Delete("web", second.config.get(), true, {}).ok());
}

TEST_F(ListenersTest, ConnectionsThatEndWhileTheyAreDeletedAreCountedOnce) {
  const StopOnExit stop(loop_);
  for (int round = 0; round < 50; ++round) {
    const ListenerSnapshot listener = Create(Config("web"));
    std::vector<UniqueFd> clients;
    for (int i = 0; i < 20; ++i) clients.push_back(ConnectTo(listener.effective_address));
    ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 20));
    // The service thread sees the ends while this thread removes.
    std::thread closer([&clients] { clients.clear(); });
    Delete("web");
    closer.join();
    ASSERT_EQ(table_.size(), 0u) << "round " << round;
    ASSERT_EQ(test_service_->counters.Get(Counter::active_connections), 0) << "round " << round;
    ASSERT_EQ(table_.CountSockets(*test_service_), std::pair(0, 0)) << "round " << round;
  }
  EXPECT_EQ(table_.closed_behind(), 0);
}

TEST_F(ListenersTest, StoppedAcceptingKeepsConnectionsAndRefusesNewOnes) {
  const StopOnExit stop(loop_);
  const ListenerSnapshot listener = Create(Config("web"));
  const UniqueFd client = ConnectTo(listener.effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  listeners_.StopAccepting(absl::Hours(1));
  EXPECT_EQ(listeners_.Find("web")->state, ListenerState::kDraining);
  EXPECT_GT(listeners_.Find("web")->drain_deadline_nanos,
            absl::ToUnixNanos(absl::Now() + absl::Minutes(30)));
  FinishTurns(loop_);
  EXPECT_FALSE(TryConnect(listener.effective_address).valid());
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  Delete("web");
  EXPECT_TRUE(WaitClosed(client.get()));
}

}  // namespace
}  // namespace sockhost
