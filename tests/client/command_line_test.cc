#include "client/command_line.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_join.h"
#include "client/display_text.h"
#include "client/rpc_error.h"

namespace sockhost::client {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

// One command line, parsed.
struct Parsed {
  explicit Parsed(std::vector<const char*> words) {
    words.insert(words.begin(), "sockctl");
    result = command_line.Parse(static_cast<int>(words.size()), words.data());
  }

  std::string verb() const { return result.verb == nullptr ? "" : std::string(result.verb->path); }
  const Arguments& arguments() const { return command_line.arguments(); }

  CommandLine command_line;
  CommandLine::Result result;
};

TEST(CommandLineTest, CreateFillsRequest) {
  const Parsed parsed({"listener", "create", "web", "--service", "echo", "--address",
                       "tcp://127.0.0.1:0", "--label", "a=b", "--label", "c=d=e", "--display-name",
                       "The web", "--backlog", "7", "--max-connections", "9", "--ipv6-only"});
  ASSERT_EQ(parsed.verb(), "listener create") << parsed.result.text;
  const v1::Listener& listener = parsed.arguments().create_listener.listener();
  EXPECT_THAT(parsed.arguments().names, ElementsAre("web"));
  EXPECT_EQ(listener.service(), "echo");
  EXPECT_EQ(listener.address(), "tcp://127.0.0.1:0");
  EXPECT_EQ(listener.labels().at("a"), "b");
  EXPECT_EQ(listener.labels().at("c"), "d=e");
  EXPECT_EQ(listener.display_name(), "The web");
  EXPECT_EQ(listener.backlog(), 7);
  EXPECT_EQ(listener.max_connections(), 9);
  EXPECT_TRUE(listener.ipv6_only());
}

TEST(CommandLineTest, LabelTakesOneWord) {
  const Parsed parsed({"listener", "create", "--label", "a=b", "web", "--service", "echo",
                       "--address", "tcp://0.0.0.0:0"});
  EXPECT_THAT(parsed.arguments().names, ElementsAre("web")) << parsed.result.text;
}

TEST(CommandLineTest, ForwardFlagsFillItsParameters) {
  const Parsed parsed({"listener", "create", "fwd", "--service", "forward", "--address",
                       "tcp://127.0.0.1:0", "--upstream", "tcp://10.0.0.1:80", "--upstream",
                       "tcp://web.example:80", "--policy", "least-connections", "--proxy-protocol",
                       "--connect-timeout", "1500ms", "--max-flows", "7"});
  ASSERT_EQ(parsed.verb(), "listener create") << parsed.result.text;
  const v1::ForwardParameters& forward = parsed.arguments().create_listener.listener().forward();
  EXPECT_THAT(forward.upstreams(), ElementsAre("tcp://10.0.0.1:80", "tcp://web.example:80"));
  EXPECT_EQ(forward.policy(), v1::ForwardParameters::LEAST_CONNECTIONS);
  EXPECT_TRUE(forward.proxy_protocol());
  EXPECT_EQ(forward.connect_timeout().seconds(), 1);
  EXPECT_EQ(forward.connect_timeout().nanos(), 500'000'000);
  EXPECT_EQ(forward.max_flows(), 7);
  EXPECT_FALSE(forward.has_flow_idle_timeout());
}

TEST(CommandLineTest, DeleteTakesSeveralNames) {
  const Parsed parsed(
      {"listener", "delete", "a", "listeners/b", "--force", "--allow-missing", "--etag", "x"});
  ASSERT_EQ(parsed.verb(), "listener delete") << parsed.result.text;
  EXPECT_THAT(parsed.arguments().names, ElementsAre("a", "listeners/b"));
  EXPECT_TRUE(parsed.arguments().delete_listener.force());
  EXPECT_TRUE(parsed.arguments().delete_listener.allow_missing());
  EXPECT_EQ(parsed.arguments().delete_listener.etag(), "\"x\"") << "a shell takes the quotes away";
  const Parsed quoted({"listener", "delete", "a", "--etag", "\"x\""});
  EXPECT_EQ(quoted.arguments().delete_listener.etag(), "\"x\"");
}

std::vector<std::string> MaskOf(const std::vector<const char*>& flags) {
  std::vector<const char*> words = {"listener", "update", "web"};
  words.insert(words.end(), flags.begin(), flags.end());
  const Parsed parsed(words);
  EXPECT_EQ(parsed.verb(), "listener update") << parsed.result.text;
  const auto& paths = parsed.arguments().update_listener.update_mask().paths();
  return {paths.begin(), paths.end()};
}

TEST(CommandLineTest, UpdateNamesOnlyWhatIsGiven) {
  EXPECT_THAT(MaskOf({"--unix-mode", "0600"}), ElementsAre("unix_access.mode"));
  EXPECT_THAT(MaskOf({"--unix-owner", "nobody"}), ElementsAre("unix_access.owner"));
  EXPECT_THAT(MaskOf({"--unix-group", "0"}), ElementsAre("unix_access.group"));
  EXPECT_THAT(MaskOf({"--keepalive-count", "4"}), ElementsAre("tcp_keepalive.count"));
  EXPECT_THAT(MaskOf({"--keepalive-idle", "9s", "--keepalive-interval", "2s"}),
              ElementsAre("tcp_keepalive.idle", "tcp_keepalive.interval"));
  EXPECT_THAT(MaskOf({"--keepalive=false"}), ElementsAre("tcp_keepalive"));
  EXPECT_THAT(MaskOf({"--banner-close"}), ElementsAre("banner.close"));
  EXPECT_THAT(MaskOf({"--udp-reply-rate", "4"}), ElementsAre("udp_guard.reply_rate"));
  EXPECT_THAT(MaskOf({"--policy", "round-robin"}), ElementsAre("forward.policy"));
}

TEST(CommandLineTest, EmptyLabelRemovesAllLabels) {
  EXPECT_THAT(MaskOf({"--label", ""}), ElementsAre("labels"));
  EXPECT_THAT(Parsed({"listener", "update", "web", "--label", ""})
                  .arguments()
                  .update_listener.listener()
                  .labels(),
              testing::IsEmpty());
}

TEST(CommandLineTest, SwitchIsTrueFalseOrItsLastValue) {
  const auto is_enabled = [](std::vector<const char*> flags) {
    flags.insert(flags.begin(), {"listener", "update", "web"});
    const Parsed parsed(flags);
    EXPECT_EQ(parsed.verb(), "listener update") << parsed.result.text;
    return parsed.arguments().update_listener.listener().enabled();
  };
  EXPECT_TRUE(is_enabled({"--enabled"}));
  EXPECT_TRUE(is_enabled({"--enabled=true"}));
  EXPECT_FALSE(is_enabled({"--enabled=false"}));
  EXPECT_TRUE(is_enabled({"--enabled=false", "--enabled"}));
  EXPECT_FALSE(is_enabled({"--enabled", "--enabled=false"}));
}

TEST(CommandLineTest, NumbersAreDecimal) {
  const Parsed parsed({"listener", "update", "web", "--backlog", "0100"});
  ASSERT_EQ(parsed.verb(), "listener update") << parsed.result.text;
  EXPECT_EQ(parsed.arguments().update_listener.listener().backlog(), 100);
}

class SwitchTest : public testing::TestWithParam<std::vector<const char*>> {};

TEST_P(SwitchTest, TakesNothingButTrueAndFalse) {
  for (const std::string value : {"maybe", "x", "2", "1", "yes", "-"}) {
    std::vector<const char*> words = GetParam();
    const std::string flag = words.back();
    const std::string given = flag + "=" + value;
    words.back() = given.c_str();
    const Parsed parsed(words);
    EXPECT_EQ(parsed.result.exit_code, kExitUsage) << given;
    EXPECT_THAT(parsed.result.text,
                HasSubstr(flag + ": use true or false, not \"" + value + "\"\n"));
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, SwitchTest,
    testing::Values(std::vector<const char*>{"listener", "update", "a", "--enabled"},
                    std::vector<const char*>{"listener", "update", "a", "--ipv6-only"},
                    std::vector<const char*>{"listener", "update", "a", "--reuse-port"},
                    std::vector<const char*>{"listener", "update", "a", "--keepalive"},
                    std::vector<const char*>{"listener", "update", "a", "--proxy-protocol"},
                    std::vector<const char*>{"listener", "update", "a", "--banner-close"},
                    std::vector<const char*>{"listener", "update", "a",
                                             "--udp-allow-amplification"},
                    std::vector<const char*>{"listener", "update", "a", "--validate-only"},
                    std::vector<const char*>{"listener", "delete", "a", "--force"},
                    std::vector<const char*>{"socket", "list", "--closed"},
                    std::vector<const char*>{"watch", "--once"},
                    std::vector<const char*>{"watch", "--suppress"},
                    std::vector<const char*>{"host", "--no-headers"}));

TEST(CommandLineTest, WatchFillsRequest) {
  const Parsed parsed(
      {"watch", "--interval", "1m30.5s", "--filter", "fd > 9", "--suppress", "--count", "3"});
  ASSERT_EQ(parsed.verb(), "watch") << parsed.result.text;
  const v1::WatchSocketsRequest& request = parsed.arguments().watch_sockets;
  EXPECT_EQ(request.sample_interval().seconds(), 90);
  EXPECT_EQ(request.sample_interval().nanos(), 500'000'000);
  EXPECT_EQ(request.filter(), "fd > 9");
  EXPECT_TRUE(request.suppress_redundant());
  EXPECT_EQ(parsed.arguments().sample_count, 3);
}

TEST(CommandLineTest, WatchTakesTriggerMaskAndHeartbeat) {
  const Parsed parsed({"watch", "--on-change", "--updates-only", "--heartbeat", "2s", "--fields",
                       "fd,counters.receive_bytes"});
  ASSERT_EQ(parsed.verb(), "watch") << parsed.result.text;
  const v1::WatchSocketsRequest& request = parsed.arguments().watch_sockets;
  EXPECT_EQ(request.trigger(), v1::WatchSocketsRequest::ON_CHANGE);
  EXPECT_TRUE(request.updates_only());
  EXPECT_EQ(request.heartbeat_interval().seconds(), 2);
  EXPECT_THAT(request.read_mask().paths(), ElementsAre("fd", "counters.receive_bytes"));
}

class GlobalFlagsTest : public testing::TestWithParam<std::vector<std::string>> {};

TEST_P(GlobalFlagsTest, StandAnywhere) {
  std::vector<const char*> words;
  for (const std::string& word : GetParam()) words.push_back(word.c_str());
  const Parsed parsed(words);
  ASSERT_EQ(parsed.verb(), "listener list") << parsed.result.text;
  EXPECT_EQ(parsed.arguments().host.unix_path, "/a");
  EXPECT_EQ(parsed.arguments().timeout, absl::Milliseconds(100));
  EXPECT_EQ(parsed.arguments().output, OutputFormat::kJson);
  EXPECT_TRUE(parsed.arguments().no_headers);
}

INSTANTIATE_TEST_SUITE_P(
    All, GlobalFlagsTest,
    testing::Values(std::vector<std::string>{"--host", "unix:/a", "--timeout", "100ms", "-o",
                                             "json", "--no-headers", "listener", "list"},
                    std::vector<std::string>{"listener", "--host=unix:/a", "--timeout=100ms",
                                             "--output", "json", "list", "--no-headers"},
                    std::vector<std::string>{"listener", "list", "--host", "unix:/a", "--timeout",
                                             "100ms", "-ojson", "--no-headers"}));

TEST(CommandLineTest, ResourceMayBeCalledLikeVerb) {
  for (const char* name : {"host", "listener", "list", "watch", "get"}) {
    const Parsed parsed({"listener", "get", name});
    EXPECT_EQ(parsed.verb(), "listener get") << parsed.result.text;
    EXPECT_THAT(parsed.arguments().names, ElementsAre(name));
  }
}

TEST(CommandLineTest, HostComesFromEnvironmentUnlessItIsGiven) {
  setenv("SOCKCTL_HOST", "tcp://localhost:7", 1);
  EXPECT_EQ(Parsed({"host"}).arguments().host.text, "tcp://localhost:7");
  EXPECT_EQ(Parsed({"host", "--host", "unix:/a"}).arguments().host.text, "unix:/a");
  setenv("SOCKCTL_HOST", "", 1);
  EXPECT_EQ(Parsed({"host"}).arguments().host.text, "unix:/run/sockhost/admin.sock");
  unsetenv("SOCKCTL_HOST");
  EXPECT_EQ(Parsed({"host"}).arguments().host.text, "unix:/run/sockhost/admin.sock");
}

TEST(CommandLineTest, NothingShowsHelpAsUsageError) {
  const Parsed parsed({});
  EXPECT_EQ(parsed.result.exit_code, kExitUsage);
  EXPECT_THAT(parsed.result.text, HasSubstr("usage: sockctl VERB"));
}

TEST(CommandLineTest, GroupWithoutVerbShowsItsHelp) {
  const Parsed parsed({"socket", "--no-headers"});
  EXPECT_EQ(parsed.result.exit_code, kExitUsage);
  EXPECT_THAT(parsed.result.text, HasSubstr("socket list"));
}

TEST(CommandLineTest, HelpOfEveryVerbHasUsageAndExample) {
  for (const Verb& verb : Verbs()) {
    const std::string path(verb.path);
    const size_t space = path.find(' ');
    std::vector<std::string> words = {path.substr(0, space)};
    if (space != std::string::npos) words.push_back(path.substr(space + 1));
    std::vector<const char*> arguments;
    for (const std::string& word : words) arguments.push_back(word.c_str());
    arguments.push_back("--help");
    const Parsed parsed(arguments);
    EXPECT_EQ(parsed.result.exit_code, 0);
    EXPECT_THAT(parsed.result.text, HasSubstr("usage: sockctl " + path));
    if (verb.run != nullptr) {
      EXPECT_THAT(parsed.result.text, HasSubstr("example:\n"));
      EXPECT_THAT(std::string(verb.example), HasSubstr("sockctl " + path));
    }
  }
}

TEST(CommandLineTest, VersionNeedsNoVerb) {
  const Parsed parsed({"--version"});
  EXPECT_EQ(parsed.result.exit_code, 0);
  EXPECT_THAT(parsed.result.text, StartsWith("sockctl "));
}

struct Mistake {
  std::vector<const char*> words;
  const char* text;
};

// Names the case in the output of gtest, which would print addresses of memory.
void PrintTo(const Mistake& mistake, std::ostream* out) {
  *out << Printable(absl::StrJoin(mistake.words, " "));
}

class CommandLineMistakeTest : public testing::TestWithParam<Mistake> {};

TEST_P(CommandLineMistakeTest, IsExplained) {
  const Parsed parsed(GetParam().words);
  EXPECT_EQ(parsed.verb(), "");
  EXPECT_EQ(parsed.result.exit_code, kExitUsage);
  EXPECT_THAT(parsed.result.text, StartsWith(GetParam().text));
  EXPECT_THAT(parsed.result.text, HasSubstr("--help' shows the usage\n"));
}

INSTANTIATE_TEST_SUITE_P(
    All, CommandLineMistakeTest,
    testing::Values(
        Mistake{{"listner"}, "sockctl: unknown verb \"listner\": did you mean \"listener\"?\n"},
        Mistake{{"frobnicate"}, "sockctl: unknown verb \"frobnicate\"\n"},
        Mistake{{"listener", "crate", "web"},
                "sockctl: listener: unknown verb \"crate\": did you mean \"create\"?\n"},
        Mistake{{"host", "--ouput", "json"},
                "sockctl: host: unknown flag \"--ouput\": did you mean \"--output\"?\n"},
        Mistake{{"listener", "create", "web", "--servce", "echo"},
                "sockctl: listener create: unknown flag \"--servce\": did you mean "
                "\"--service\"?\n"},
        Mistake{{"host", "x\033"}, "sockctl: host: unknown argument \"x\\x1b\"\n"},
        Mistake{{"listener", "create", "web", "--service", "echo"},
                "sockctl: listener create: --address is required\n"},
        Mistake{{"listener", "get"}, "sockctl: listener get: NAME is required\n"},
        Mistake{{"listener", "get", "a", "b"},
                "sockctl: listener get: NAME: 2 are given, not more than 1 can be\n"},
        Mistake{{"socket", "list", "--filter"},
                "sockctl: socket list: --filter: a value is missing\n"},
        Mistake{{"socket", "list", "--filter", "a", "--filter", "b"},
                "sockctl: socket list: --filter is given 2 times; once is enough\n"},
        Mistake{{"help", "bogus"}, "sockctl: help: unknown verb \"bogus\"\n"},
        Mistake{{"log", "--help"}, "sockctl: unknown verb \"log\""},
        Mistake{{"listener", "update", "a", "--service", "echo"},
                "sockctl: listener update: the service of a listener cannot change"},
        Mistake{{"listener", "create", "a", "--keepalive=false", "--keepalive-idle", "9s"},
                "sockctl: listener create: --keepalive-idle: there are no probes with "
                "--keepalive=false"},
        Mistake{{"listener", "delete"}, "sockctl: listener delete: NAME is required\n"},
        Mistake{{"listener", "create", "a", "--label", "x"},
                "sockctl: listener create: --label: \"x\" is no KEY=VALUE pair\n"},
        Mistake{{"listener", "create", "a", "--label", "=x"},
                "sockctl: listener create: --label: \"=x\" is no KEY=VALUE pair\n"},
        Mistake{{"listener", "create", "a", "--label", "x=1", "--label", "x=2"},
                "sockctl: listener create: --label: \"x\" is given twice\n"},
        Mistake{{"listener", "create", "a", "--backlog", "many"},
                "sockctl: listener create: --backlog: \"many\" is no whole number from 0 to 65535, "
                "in decimal digits\n"},
        Mistake{{"listener", "create", "a", "--max-connections", "2147483648"},
                "sockctl: listener create: --max-connections: \"2147483648\" is no whole number "
                "from 0 to 2147483647"},
        Mistake{{"listener", "create", "a", "--backlog", "0x10"},
                "sockctl: listener create: --backlog: \"0x10\" is no whole number"},
        Mistake{{"listener", "create", "a", "--backlog=-1"},
                "sockctl: listener create: --backlog: \"-1\" is no whole number"},
        Mistake{{"listener", "create", "a", "--backlog=--1"},
                "sockctl: listener create: --backlog: \"--1\" is no whole number"},
        Mistake{{"host", "-o", "yaml"},
                "sockctl: host: --output: \"yaml\" is no format: write table, json or name\n"},
        Mistake{{"host", "--timeout", "10"},
                "sockctl: host: --timeout: \"10\" is no duration above zero: write e.g. 100ms"},
        Mistake{{"host", "--timeout", "-1s"}, "sockctl: host: --timeout: \"-1s\" is no duration"},
        Mistake{{"watch", "--interval", "inf"}, "sockctl: watch: --interval: \"inf\" is no"},
        Mistake{{"watch", "--count", "0"},
                "sockctl: watch: --count: \"0\" is no whole number from 1 up, in decimal digits\n"},
        Mistake{{"events", "--count", "0"}, "sockctl: events: --count: \"0\" is no whole number"},
        Mistake{{"watch", "--once", "--count", "2"}, "sockctl: watch: --once excludes --count"},
        Mistake{{"host", "--host", "nowhere"},
                "sockctl: host: --host (or SOCKCTL_HOST): \"nowhere\": the port is missing"},
        Mistake{{"host", "\xff"}, "sockctl: \"\\xff\" is not UTF-8\n"},
        Mistake{{"completion", "ksh"},
                "sockctl: completion: SHELL: ksh not in {bash,zsh,fish}\n"}));

TEST(VerbTableTest, EveryVerbStandsBehindItsGroup) {
  for (const Verb& verb : Verbs()) {
    const size_t space = verb.path.find(' ');
    if (space == absl::string_view::npos) continue;
    const Verb* group = FindVerb(verb.path.substr(0, space));
    ASSERT_NE(group, nullptr) << verb.path;
    EXPECT_LT(group, &verb);
    EXPECT_EQ(group->run, nullptr) << "a group has nothing to run";
    EXPECT_NE(verb.run, nullptr);
  }
}

}  // namespace
}  // namespace sockhost::client
