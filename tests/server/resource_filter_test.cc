#include "server/resource_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/time.h"
#include "server/filter_syntax.h"
#include "server/listener_record.h"
#include "sockhost/error.h"
#include "sockhost/v1/counters.pb.h"
#include "sockhost/v1/service.pb.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Each;
using testing::HasSubstr;
using testing::Le;
using testing::SizeIs;

SocketAddress Address(absl::string_view text) {
  return text.empty() ? SocketAddress() : SocketAddress::Parse(text).value();
}

std::shared_ptr<const std::string> Shared(absl::string_view text) {
  return std::make_shared<const std::string>(text);
}

// The four roles, one of each, and what the tables below call 1, 2, 3 and 10.
std::vector<SocketSnapshot> Sockets() {
  SocketSnapshot listening;
  listening.id = 1;
  listening.fd = 7;
  listening.role = Role::kListening;
  listening.protocol = Protocol::kTcp;
  listening.service = Shared("echo");
  listening.listener = Shared("web");
  listening.local = Address("tcp://[::]:80");

  SocketSnapshot connection = listening;
  connection.id = 2;
  connection.fd = 8;
  connection.role = Role::kConnection;
  connection.local = Address("tcp://10.0.0.1:80");
  connection.remote = Address("tcp://192.168.1.20:50001");
  connection.masked = true;
  connection.counters[Counter::receive_bytes] = 4096;
  connection.counters[Counter::last_event_time] =
      absl::ToUnixNanos(absl::FromCivil(absl::CivilSecond(2030, 1, 31, 12), absl::UTCTimeZone()));

  SocketSnapshot datagram;
  datagram.id = 3;
  datagram.fd = 9;
  datagram.role = Role::kDatagram;
  datagram.protocol = Protocol::kUdp;
  datagram.service = Shared("echo-udp");
  datagram.listener = Shared("dns");
  datagram.local = Address("udp://[2001:db8::1]:53");
  datagram.counters[Counter::receive_bytes] = std::numeric_limits<int64_t>::max();
  datagram.counters[Counter::active_connections] = -1;

  SocketSnapshot registered;
  registered.id = 10;
  registered.fd = 0;
  registered.role = Role::kRegistered;
  registered.service = Shared("my_module");
  return {listening, connection, datagram, registered};
}

// The ids of the sockets above that `filter` matches, or its error.
std::string Matching(absl::string_view filter) {
  const absl::StatusOr<SocketFilter> parsed = SocketFilter::Parse(filter);
  if (!parsed.ok()) return std::string(parsed.status().message());
  std::vector<SocketId> ids;
  for (const SocketSnapshot& socket : Sockets()) {
    if (parsed->Matches(socket)) ids.push_back(socket.id);
  }
  return absl::StrJoin(ids, " ");
}

struct MatchCase {
  const char* filter;
  const char* ids;
};

void ExpectMatches(const std::vector<MatchCase>& cases) {
  for (const MatchCase& c : cases) EXPECT_EQ(Matching(c.filter), c.ids) << c.filter;
}

TEST(SocketFilterTest, BlankFilterMatchesEverything) {
  ExpectMatches({{"", "1 2 3 10"}, {" \t\r\n", "1 2 3 10"}});
  for (const SocketSnapshot& socket : Sockets()) EXPECT_TRUE(SocketFilter().Matches(socket));
}

TEST(SocketFilterTest, EnumsAndBooleansCompareByName) {
  ExpectMatches({
      {"role = LISTENING", "1"},
      {"role = CONNECTION", "2"},
      {"role = DATAGRAM", "3"},
      {"role = REGISTERED", "10"},
      {"role != CONNECTION", "1 3 10"},
      {"role = \"CONNECTION\"", "2"},
      {"protocol = TCP", "1 2"},
      {"protocol = UDP", "3"},
      {"protocol = UNIX_STREAM", ""},
      {"protocol = UNIX_DATAGRAM", ""},
      {"protocol = PROTOCOL_UNSPECIFIED", "10"},
      {"masked = true", "2"},
      {"masked = false", "1 3 10"},
      {"masked != true", "1 3 10"},
  });
}

TEST(SocketFilterTest, NumbersCompareByOrder) {
  ExpectMatches({
      {"fd = 8", "2"},
      {"fd != 8", "1 3 10"},
      {"fd < 8", "1 10"},
      {"fd <= 8", "1 2 10"},
      {"fd > 8", "3"},
      {"fd >= 8", "2 3"},
      {"fd>=8", "2 3"},
      {"fd = 008", "2"},
      {"fd = \"8\"", "2"},
      {"fd >= -1", "1 2 3 10"},
      {"counters.receive_bytes > 0", "2 3"},
      {"counters.receive_bytes = 9223372036854775807", "3"},
      {"counters.receive_bytes >= -9223372036854775808", "1 2 3 10"},
      {"counters.receive_bytes < -9223372036854775808", ""},
      {"counters.active_connections < 0", "3"},
      {"counters.masked = 0", "1 2 3 10"},
  });
}

TEST(SocketFilterTest, NegationTurnsEveryOperatorRound) {
  ExpectMatches({
      {"NOT fd = 8", "1 3 10"},
      {"NOT fd != 8", "2"},
      {"NOT fd < 8", "2 3"},
      {"NOT fd <= 8", "3"},
      {"NOT fd > 8", "1 2 10"},
      {"NOT fd >= 8", "1 10"},
      {"NOT listener = web", "3 10"},
      {"NOT listener != web", "1 2"},
      {"NOT listener:*", "10"},
      {"-listener:*", "10"},
      {"- listener:*", "10"},
      {"NOT remote_address = tcp://192.168.1.20:50001", "1 3 10"},
      {"NOT remote_address != tcp://192.168.1.20:50001", "2"},
  });
}

TEST(SocketFilterTest, TimeComparesAsRfc3339AndNeverIsBeforeEveryTime) {
  ExpectMatches({
      {"counters.last_event_time = 2030-01-31T12:00:00Z", "2"},
      {"counters.last_event_time = \"2030-01-31T13:00:00+01:00\"", "2"},
      {"counters.last_event_time > 2030-01-31T11:59:59.999999999Z", "2"},
      {"counters.last_event_time < 2030-01-31T12:00:00Z", "1 3 10"},
      {"counters.last_event_time <= 2030-01-31T12:00:00Z", "1 2 3 10"},
  });
}

TEST(SocketFilterTest, ResourceNameMatchesFullNameAndId) {
  ExpectMatches({
      {"name = sockets/10", "10"},
      {"name = 10", "10"},
      {"name != sockets/10", "1 2 3"},
      {"name = 010", ""},
      {"name = 1*", "1 10"},
      {"service = echo", "1 2"},
      {"service = services/echo", "1 2"},
      {"service = \"services/echo\"", "1 2"},
      {"service = ECHO", ""},
      {"listener = web", "1 2"},
      {"listener = listeners/web", "1 2"},
      {"listener = \"\"", "10"},
      {"listener != \"\"", "1 2 3"},
      {"listener != web", "3 10"},
      {"listener = listeners/", ""},
  });
}

TEST(SocketFilterTest, WildcardStandsForAnyCharacters) {
  ExpectMatches({
      {"service = *", "1 2 3 10"},
      {"service = ech*", "1 2 3"},
      {"service = *o", "1 2"},
      {"service = *-*", "3"},
      {"service = e**o", "1 2"},
      {"service = e*c*h*o", "1 2"},
      {"service = e*o*o", ""},
      {"service = echo*echo", ""},
      {"service = ec*cho", ""},
      {"service = *o*o*", ""},
      {"service = echo*", "1 2 3"},
      {"service = *echo", "1 2"},
      {"service != ech*", "10"},
      {"service = \"e*o\"", "1 2"},
      {"service = \"ech\\*\"", ""},
      {"service = s*", ""},
      {"service = services/e*", "1 2 3"},
      {"service = services/*", "1 2 3 10"},
      {"listener = *", "1 2 3 10"},
      {"listener = listeners/*", "1 2 3"},
      {"listener != listeners/*", "10"},
  });
}

TEST(SocketFilterTest, ColonMeansContainsOrPresent) {
  ExpectMatches({
      {"service:cho", "1 2 3"},
      {"service : echo-", "3"},
      {"service:CHO", ""},
      {"service:services/e", "1 2 3"},
      {"service:services/ho", ""},
      {"listener:e", "1 2"},
      {"listener:*", "1 2 3"},
      {"listener:**", "1 2 3"},
      {"listener:\"*\"", "1 2 3"},
      {"listener:\"\\*\"", ""},
      {"listener:listeners/", "1 2 3"},
      {"remote_address:*", "2"},
      {"remote_address:168", "2"},
      {"local_address:::", "1 3"},
      {"name:1", "1 10"},
  });
}

TEST(SocketFilterTest, AddressInFullComparesAsAddressAndPatternAsText) {
  ExpectMatches({
      {"local_address = tcp://10.0.0.1:80", "2"},
      {"local_address != tcp://10.0.0.1:80", "1 3 10"},
      {"local_address = udp://10.0.0.1:80", ""},
      {"local_address = \"udp://[2001:db8::1]:53\"", "3"},
      {"local_address = \"udp://[2001:0DB8:0::0001]:0053\"", "3"},
      {"local_address = tcp://10.*", "2"},
      {"local_address = *:80", "1 2"},
      {"local_address = \"tcp://[*]:80\"", "1"},
      {"local_address != tcp://*", "3 10"},
      {"local_address = \"\"", "10"},
      {"remote_address = \"\"", "1 3 10"},
      {"remote_address != \"\"", "2"},
      {"remote_address = *", "1 2 3 10"},
  });
}

TEST(SocketFilterTest, TermsAreJoinedByAndAndParentheses) {
  ExpectMatches({
      {"protocol = TCP AND fd > 7", "2"},
      {"protocol = TCP AND role = LISTENING AND listener = web", "1"},
      {"role = CONNECTION AND NOT listener = \"listeners/web\"", ""},
      {"(fd > 7)", "2 3"},
      {"((fd > 7))AND(fd < 9)", "2"},
      {"NOT (protocol = TCP AND fd > 7)", "1 3 10"},
      {"NOT(protocol = TCP)", "3 10"},
      {"-(protocol = TCP AND fd > 7) AND role != REGISTERED", "1 3"},
      {"NOT (NOT fd = 7 AND NOT fd = 9)", "1 3"},
      {"NOT (NOT (fd > 7 AND NOT (fd = 9)))", "2"},
      {"(fd > 7 AND (protocol = UDP)) AND (masked = false)", "3"},
      {"\n fd\t>\r\n7 AND\nfd<9 ", "2"},
  });
}

TEST(SocketFilterTest, OrBindsTighterThanAnd) {
  ExpectMatches({
      {"fd = 7 OR fd = 9", "1 3"},
      {"fd = 7 OR fd = 8 OR fd = 9", "1 2 3"},
      {"fd = 100 OR fd = 101", ""},
      // Read the other way round, 1 would match the first and 3 the second.
      {"fd = 7 OR fd = 9 AND protocol = UDP", "3"},
      {"protocol = UDP AND fd = 9 OR fd = 7", "3"},
      {"(fd = 7 OR (fd = 9 AND protocol = UDP))", "1 3"},
      {"fd = 7 OR (fd = 9 AND protocol = TCP)", "1"},
      {"fd = 7 OR NOT fd = 8", "1 3 10"},
      {"fd = 7 OR -fd = 8", "1 3 10"},
      {"NOT fd = 7 OR fd = 7", "1 2 3 10"},
      {"NOT (fd = 7 OR fd = 9)", "2 10"},
      {"NOT (NOT (fd = 7 OR fd = 9))", "1 3"},
      {"listener = web OR local_address = udp://* OR masked = true", "1 2 3"},
      {"fd=7\tOR\nfd=9", "1 3"},
      {"(fd = 7)OR(fd = 9)", "1 3"},
      {"service = \"OR\" OR service = echo", "1 2"},
  });
}

TEST(SocketFilterTest, SocketWithoutServiceOrListenerIsReadAsEmpty) {
  EXPECT_TRUE(SocketFilter::Parse("service = \"\" AND NOT listener:*")->Matches(SocketSnapshot()));
}

TEST(SocketFilterTest, CopyMatchesWhenOriginalIsGone) {
  SocketFilter copy;
  {
    const std::string text = "listener = web AND local_address = *:80";
    copy = SocketFilter::Parse(text).value();
  }
  EXPECT_TRUE(copy.Matches(Sockets()[0]));
  EXPECT_FALSE(copy.Matches(Sockets()[2]));
}

// ---- Errors -----------------------------------------------------------------

struct ErrorCase {
  const char* filter;
  int column;
  const char* says;
};

void ExpectErrors(const std::vector<ErrorCase>& cases) {
  for (const ErrorCase& c : cases) {
    const absl::Status status = SocketFilter::Parse(c.filter).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << c.filter;
    EXPECT_THAT(
        std::string(status.message()),
        AllOf(HasSubstr(absl::StrCat("filter: column ", c.column, ": ")), HasSubstr(c.says)))
        << c.filter;
    ErrorDetail detail = DetailOf(status).value_or(ErrorDetail());
    EXPECT_EQ(detail.reason, Reason::kFILTER_INVALID) << c.filter;
    EXPECT_EQ(detail.metadata["position"], absl::StrCat(c.column)) << c.filter;
    EXPECT_EQ(detail.field, "filter") << c.filter;
  }
}

TEST(SocketFilterTest, BrokenSyntaxIsRefusedWithItsColumn) {
  ExpectErrors({
      {"CONNECTION", 11, "expected one of = != < <= > >= : behind \"CONNECTION\", found the end"},
      {"fd", 3, "found the end"},
      {"fd ! 3", 4, "found \"!\""},
      {"fd =", 5, "expected a value, found the end"},
      {"fd = = 3", 6, "expected a value, found \"=\""},
      {"fd == 3", 4, "expected one of = != < <= > >= : behind \"fd\", found \"==\""},
      {"fd=~3", 4, "expected a value, found \"~3\""},
      {"fd = 3 AND", 11, "expected a comparison (FIELD OPERATOR VALUE), found the end"},
      {"fd = 3 OR", 10, "expected a comparison (FIELD OPERATOR VALUE), found the end"},
      {"fd = 3 OR AND fd = 4", 11, "found \"AND\""},
      {"OR fd = 3", 1, "expected a comparison (FIELD OPERATOR VALUE), found \"OR\""},
      {"fd = OR", 6, "expected a value, found the keyword OR"},
      {"AND fd = 3", 1, "expected a comparison (FIELD OPERATOR VALUE), found \"AND\""},
      {"fd = AND", 6, "expected a value, found the keyword AND"},
      {"NOT", 4, "found the end"},
      {"NOT NOT fd = 3", 5, "found \"NOT\""},
      {"--fd = 3", 2, "found \"-fd\""},
      {"!fd = 3", 1, "found \"!fd\""},
      {"\"fd\" = 3", 1, "found \"\\\"\""},
      {"()", 2, "found \")\""},
      {"(fd = 3", 1, "\"(\" without a \")\" behind it"},
      {"fd = 3)", 7, "\")\" without a \"(\" before it"},
      {"NOT (fd = 3 AND (fd = 4)", 5, "\"(\" without a \")\" behind it"},
  });
}

TEST(SocketFilterTest, OtherWaysToJoinAreRefusedWithAWayOut) {
  ExpectErrors({
      {"fd = 3 fd = 4", 8, "expected AND, OR, \")\" or the end, found \"fd\"; comparisons"},
      {"fd = 3 and fd = 4", 8, "found \"and\"; comparisons are joined by AND or OR (upper-case)"},
      {"fd = 3 && fd = 4", 8, "found \"&&\""},
      {"(fd = 3) (fd = 4)", 10, "found \"(\""},
      {"fd = 3 NOT fd = 4", 8, "found \"NOT\""},
      {"fd = 3 or fd = 4", 8, "found \"or\"; comparisons are joined by AND or OR (upper-case)"},
      {"fd = 3 || fd = 4", 8, "found \"||\""},
  });
}

TEST(SocketFilterTest, BrokenTextIsRefusedWithTheQuotingRule) {
  ExpectErrors({
      {"service = \"echo", 11, "without a closing quote"},
      {"service = \"echo\\\"", 11, "without a closing quote"},
      {"service = \"echo\\", 11, "without a closing quote"},
      {"service = \"a\\nb\"", 13, "before \" \\ or * only"},
      {"service = 'echo'", 11, "text with other characters than letters, digits and _ - . / : *"},
      {"local_address = tcp://[::1]:7", 23, "stands in double quotes"},
      {"service = \"echo\"x", 17, "expected a blank behind the value, found \"x\""},
      {"service = echo\"x\"", 15, "expected a blank behind the value"},
      {"service = echo(", 15, "expected a blank behind the value, found \"(\""},
  });
}

TEST(SocketFilterTest, UnknownFieldIsRefusedWithTheNearestOne) {
  ExpectErrors({
      {"rol = CONNECTION", 1, "\"rol\" is no field; did you mean role? fields are name, service"},
      {"localAddress:80", 1, "did you mean local_address?"},
      {"receive_bytes > 0", 1, "did you mean counters.receive_bytes?"},
      {"counters.recieveBytes > 0", 1, "did you mean counters.receive_bytes?"},
      {"fd = 3 AND Role = X", 12, "did you mean role?"},
      {"frobnicate = 1", 1, "\"frobnicate\" is no field; fields are "},
      {"counters = 1", 1, "and counters.NAME"},
      {"counters. = 1", 1, "and counters.NAME"},
      {". = 1", 1, "\".\" is no field"},
      {"id = 1", 1, "\"id\" is no field"},
  });
}

TEST(SocketFilterTest, OperatorThatFieldDoesNotHaveIsRefused) {
  ExpectErrors({
      {"role > CONNECTION", 6, "role is compared with = and !=, not with >"},
      {"role:CONNECTION", 5, "role is compared with = and !=, not with :"},
      {"masked:*", 7, "masked is compared with = and !=, not with :"},
      {"fd:3", 3, "fd is compared with = != < <= > >=, not with :"},
      {"name < 5", 6, "name is compared with = != :, not with <"},
      {"listener >= web", 10, "listener is compared with = != :, not with >="},
      {"local_address < tcp://10.0.0.1:80", 15, "not with <"},
  });
}

TEST(SocketFilterTest, ValueThatFieldCannotHaveIsRefused) {
  ExpectErrors({
      {"role = connection", 8,
       "role: \"connection\" is none of LISTENING, CONNECTION, DATAGRAM, REGISTERED, UPSTREAM"},
      {"role = ROLE_UNSPECIFIED", 8, "is none of LISTENING"},
      {"protocol = tcp", 12, "is none of PROTOCOL_UNSPECIFIED, TCP, UDP, UNIX_STREAM"},
      {"masked = 1", 10, "masked: \"1\" is none of true, false"},
      {"role = *", 8, "\"*\" holds a wildcard, which stands only in text"},
      {"fd = 1*", 6, "fd: \"1*\" holds a wildcard, which stands only in text"},
      {"fd = x", 6, "fd: \"x\" is no whole number"},
      {"fd = -", 6, "is no whole number"},
      {"fd = 1.5", 6, "is no whole number"},
      {"fd = \"\"", 6, "is no whole number"},
      {"fd = \" 1\"", 6, "is no whole number"},
      {"fd = \"+1\"", 6, "is no whole number"},
      {"fd = 9223372036854775808", 6, "is beyond the numbers from -9223372036854775808 to 92233"},
      {"fd = -9223372036854775809", 6, "is beyond the numbers"},
      {"counters.last_event_time > 5", 28, "is no time of RFC 3339, such as 2030-01-31T12:00:00Z"},
      {"counters.last_event_time < infinite-future", 28, "is no time that can be told in ns"},
      {"counters.last_event_time < 2500-01-01T00:00:00Z", 28, "is no time that can be told in ns"},
      {"local_address = 10.0.0.1:80", 17, "is no address such as tcp://127.0.0.1:80"},
      {"remote_address != 10.0.0.1", 19, "to compare a part of the address use : or wildcards"},
      {"listener = services/web", 12,
       "is no name of that kind; write listeners/ID or the id alone"},
      {"listener = */web", 12, "write listeners/ID"},
      {"service:e*o", 9, "holds a wildcard, which stands behind = and != only"},
  });
}

// ---- Limits -----------------------------------------------------------------

std::string Repeat(absl::string_view text, size_t times) {
  return absl::StrJoin(std::vector<absl::string_view>(times, text), "");
}

TEST(SocketFilterTest, FilterLongerThanLimitIsRefused) {
  const std::string filter = "fd = 8";
  const std::string longest = filter + std::string(kMaxFilterBytes - filter.size(), ' ');
  EXPECT_EQ(Matching(longest), "2");
  EXPECT_EQ(Matching(longest + " "), "filter: column 4097: longer than 4096 bytes (got 4097)");
}

TEST(SocketFilterTest, ParenthesesDeeperThanLimitAreRefused) {
  const auto nest = [](absl::string_view open, size_t depth) {
    return absl::StrCat(Repeat(open, depth), "fd = 8", Repeat(")", depth));
  };
  EXPECT_EQ(Matching(nest("(", kMaxFilterDepth)), "2");
  EXPECT_EQ(Matching(nest("NOT (", kMaxFilterDepth)), "2");
  EXPECT_EQ(Matching(nest("-(", kMaxFilterDepth - 1)), "1 3 10");
  EXPECT_EQ(Matching(nest("(", kMaxFilterDepth + 1)),
            "filter: column 33: parentheses are nested deeper than 32");
}

TEST(SocketFilterTest, MoreComparisonsThanLimitAreRefused) {
  const std::string most = Repeat("fd = 8 AND ", kMaxFilterComparisons - 1) + "fd = 8";
  EXPECT_EQ(Matching(most), "2");
  EXPECT_EQ(Matching(most + " AND NOT (fd = 8)"),
            absl::StrCat("filter: column ", most.size() + 11, ": more than 100 comparisons"));
}

TEST(SocketFilterTest, LongestPatternMatchesWithoutBacktracking) {
  // Exponential or cubic matching would not come back from this one.
  SocketSnapshot socket;
  socket.service = Shared(std::string(100'000, 'a'));
  const std::string pattern = Repeat("a*", (kMaxFilterBytes - 16) / 2);
  EXPECT_TRUE(SocketFilter::Parse("service = " + pattern)->Matches(socket));
  EXPECT_FALSE(SocketFilter::Parse("service = " + pattern + "b")->Matches(socket));
  EXPECT_FALSE(SocketFilter::Parse("service = " + pattern + "b*")->Matches(socket));
}

TEST(SocketFilterTest, ErrorShowsLittleOfTheFilterAndOnlyPrintableCharacters) {
  const std::string filters[] = {
      std::string(5000, '\x01'),
      std::string(4000, '\xff'),
      "fd = \n\x1b[31m",
      std::string("fd\0 = 3", 7),
      Repeat("a", 4000) + " = 1",
      "role = " + Repeat("a", 4000),
      "role = \"" + Repeat("\x02", 4000) + "\"",
      "fd " + Repeat("\xe2\x82\xac", 1000),
  };
  for (const std::string& filter : filters) {
    const absl::Status status = SocketFilter::Parse(filter).status();
    ASSERT_FALSE(status.ok());
    const std::string shown = DetailOf(status).value_or(ErrorDetail()).metadata["filter"];
    for (const std::string& text : {std::string(status.message()), shown}) {
      EXPECT_THAT(text, SizeIs(Le(1100u)));
      EXPECT_THAT(text, Each(testing::AllOf(testing::Ge(' '), testing::Le('~'))));
    }
  }
}

// ---- Listeners and services --------------------------------------------------

ListenerSnapshot Listener(v1::Listener declared) {
  ListenerConfig config;
  config.name = "web";
  config.service = "echo";
  config.address = Address("tcp://127.0.0.1:0");
  config.socket.backlog = 128;
  config.socket.ipv6_only = true;
  config.max_connections = 5;
  config.idle_timeout = absl::Milliseconds(1500);
  config.attachment = MakeListenerRecord("web", declared);
  ListenerSnapshot out;
  out.config = std::make_shared<const ListenerConfig>(std::move(config));
  out.effective_address = Address("tcp://127.0.0.1:4711");
  out.state = ListenerState::kPaused;
  out.state_reason = "paused by a call";
  out.counters[Counter::accepted_connections] = 3;
  return out;
}

TEST(ListenerFilterTest, FieldsOfTheRecordAndTheCoreMatch) {
  v1::Listener declared;
  declared.set_display_name("the web");
  (*declared.mutable_labels())["env"] = "prod";
  (*declared.mutable_labels())["cost-center.id"] = "7";
  const ListenerSnapshot listener = Listener(declared);
  for (const char* filter : {"name = web",
                             "name = listeners/web",
                             "service = services/echo",
                             "state = PAUSED",
                             "display_name = \"the web\"",
                             "display_name:web",
                             "labels.env = prod",
                             "labels.env:*",
                             "labels.cost-center.id = 7",
                             "NOT labels.owner:*",
                             "labels.owner = \"\"",
                             "address = tcp://127.0.0.1:0",
                             "effective_address = *:4711",
                             "uid:-",
                             "state_reason:paused",
                             "enabled = true",
                             "ipv6_only = true",
                             "reuse_port = false",
                             "backlog = 128",
                             "max_connections >= 5",
                             "max_connections_per_source = 0",
                             "max_accepts_per_event = 0",
                             "idle_timeout = 1.5s",
                             "idle_timeout < 1m",
                             "max_lifetime = 0",
                             "drain_timeout = 30s",
                             "drain_timeout > 500ms",
                             "create_time > 2020-01-01T00:00:00Z",
                             "update_time > 2020-01-01T00:00:00Z",
                             "counters.accepted_connections = 3"}) {
    const auto parsed = ListenerFilter::Parse(filter);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->Matches(listener)) << filter;
    const auto negated = ListenerFilter::Parse(absl::StrCat("NOT (", filter, ")"));
    EXPECT_FALSE(negated->Matches(listener)) << filter;
  }
}

TEST(ListenerFilterTest, DurationsHaveAUnit) {
  for (const char* value : {"5", "1.5", "abc", "1x", "s", "300000000h", "\"1 s\""}) {
    EXPECT_FALSE(ListenerFilter::Parse(absl::StrCat("idle_timeout = ", value)).ok()) << value;
  }
}

TEST(ListenerFilterTest, UnknownFieldNamesThoseOfListeners) {
  const absl::Status status = ListenerFilter::Parse("label.env = x").status();
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr("\"label.env\" is no field; did you mean labels.KEY?"),
                    HasSubstr("labels.KEY, state")));
  EXPECT_FALSE(ListenerFilter::Parse("labels = x").ok());
  EXPECT_FALSE(ListenerFilter::Parse("labels. = x").ok());
  EXPECT_FALSE(ListenerFilter::Parse("fd = 3").ok());
}

TEST(ServiceFilterTest, FieldsMatch) {
  ServiceSnapshot service;
  service.name = Shared("echo");
  service.kind = ServiceKind::kBuiltIn;
  service.owner = "server/echo_service.cc:80";
  service.sockets = 2;
  for (const char* filter : {"name = echo", "kind = BUILT_IN", "owner:echo_service", "sockets >= 2",
                             "capacity = 0", "used = 0", "counters.receive_bytes = 0"}) {
    const auto parsed = ServiceFilter::Parse(filter);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->Matches(service)) << filter;
  }
  EXPECT_FALSE(ServiceFilter::Parse("kind = MODULE")->Matches(service));
}

// ---- The contract -----------------------------------------------------------

TEST(SocketFilterTest, EveryCounterOfTheContractIsAField) {
  const google::protobuf::Descriptor& counters = *v1::Counters::descriptor();
  for (int i = 0; i < counters.field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *counters.field(i);
    if (field.is_map()) continue;
    const bool is_time = field.type() == google::protobuf::FieldDescriptor::TYPE_MESSAGE;
    const std::string filter =
        absl::StrCat("counters.", field.name(), is_time ? " > 1970-01-01T00:00:00Z" : " > 0");
    EXPECT_EQ(SocketFilter::Parse(filter).status(), absl::OkStatus());
  }
}

TEST(SocketFilterTest, EveryCounterReadsItsOwnValue) {
  for (size_t i = 0; i < kCounters; ++i) {
    SocketSnapshot socket;
    const Counter counter = static_cast<Counter>(i);
    socket.counters[counter] = 1;
    const bool is_time = counter == Counter::last_event_time ||
                         counter == Counter::last_receive_time ||
                         counter == Counter::last_transmit_time;
    const std::string filter = absl::StrCat("counters.", CounterName(counter),
                                            is_time ? " > 1970-01-01T00:00:00Z" : " = 1");
    const absl::StatusOr<SocketFilter> parsed = SocketFilter::Parse(filter);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_TRUE(parsed->Matches(socket)) << filter;
    EXPECT_FALSE(parsed->Matches(SocketSnapshot())) << filter;
  }
}

// Every value of an enum but the zero value that is never sent.
template <class Item>
void ExpectEnumNames(absl::string_view field, const google::protobuf::EnumDescriptor& names,
                     absl::string_view never_sent) {
  for (int i = 0; i < names.value_count(); ++i) {
    const std::string& name = names.value(i)->name();
    const bool known = ResourceFilter<Item>::Parse(absl::StrCat(field, " = ", name)).ok();
    EXPECT_EQ(known, name != never_sent) << name;
  }
}

TEST(ResourceFilterTest, EveryEnumNameOfTheContractIsAValue) {
  ExpectEnumNames<SocketSnapshot>("role", *v1::Socket::Role_descriptor(), "ROLE_UNSPECIFIED");
  ExpectEnumNames<SocketSnapshot>("protocol", *v1::Socket::Protocol_descriptor(), "");
  ExpectEnumNames<SocketSnapshot>("family", *v1::Socket::Family_descriptor(), "");
  ExpectEnumNames<ServiceSnapshot>("kind", *v1::Service::Kind_descriptor(), "KIND_UNSPECIFIED");
}

}  // namespace
}  // namespace sockhost
