#include "server/config.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <fstream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/config_reload.h"
#include "server/config_table.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

// The environment of one test.
class Variable {
 public:
  Variable(std::string name, const std::string& value) : name_(std::move(name)) {
    setenv(name_.c_str(), value.c_str(), 1);
  }
  ~Variable() { unsetenv(name_.c_str()); }
  Variable(const Variable&) = delete;
  Variable& operator=(const Variable&) = delete;

 private:
  const std::string name_;
};

std::variant<Config, EarlyExit> Parse(std::vector<const char*> flags) {
  flags.insert(flags.begin(), "sockhostd");
  return ParseConfig(static_cast<int>(flags.size()), flags.data(), "1.2.3");
}

Config Parsed(std::vector<const char*> flags) {
  auto result = Parse(std::move(flags));
  if (const auto* exit = std::get_if<EarlyExit>(&result)) ADD_FAILURE() << exit->text;
  return std::holds_alternative<Config>(result) ? std::get<Config>(result) : Config();
}

EarlyExit Refused(std::vector<const char*> flags) {
  auto result = Parse(std::move(flags));
  if (std::holds_alternative<Config>(result)) ADD_FAILURE() << "was taken";
  return std::holds_alternative<EarlyExit>(result) ? std::get<EarlyExit>(result) : EarlyExit();
}

std::vector<std::string> AdminOf(const Config& config) {
  std::vector<std::string> out;
  for (const AdminAddress& address : config.admin) out.push_back(address.ToString());
  return out;
}

TEST(ConfigTest, Defaults) {
  const Config config = Parsed({});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/run/sockhost/admin.sock"));
  EXPECT_TRUE(config.module.empty());
  EXPECT_FALSE(config.insecure_tcp);
  EXPECT_FALSE(config.insecure_tcp_any_address);
  EXPECT_EQ(config.max_sockets, 0u);
  EXPECT_EQ(config.max_listeners, 65536u);
  EXPECT_FALSE(config.abort_on_stall);
  EXPECT_EQ(config.max_watches, 1000u);
  EXPECT_EQ(config.drain_timeout, absl::Seconds(5));
  EXPECT_EQ(config.log_level, "info");
  EXPECT_EQ(config.log_format, "text");
  EXPECT_FALSE(config.reflection_tcp);
  EXPECT_FALSE(config.channelz);
}

TEST(ConfigTest, EveryFlag) {
  const Config config = Parsed({"--admin",          "unix:/a",
                                "--admin",          "tcp://127.0.0.1:1",
                                "--insecure-tcp",   "--insecure-tcp-any-address",
                                "--max-sockets",    "7",
                                "--max-listeners",  "8",
                                "--max-watches",    "9",
                                "--drain-timeout",  "1m30s",
                                "--log-level",      "debug",
                                "--log-format",     "json",
                                "--reflection-tcp", "--channelz",
                                "--module",         "a.so",
                                "--module",         "b.so",
                                "--abort-on-stall"});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/a", "tcp://127.0.0.1:1"));
  EXPECT_THAT(config.module, ElementsAre("a.so", "b.so"));
  EXPECT_TRUE(config.insecure_tcp);
  EXPECT_TRUE(config.insecure_tcp_any_address);
  EXPECT_TRUE(config.abort_on_stall);
  EXPECT_EQ(config.max_sockets, 7u);
  EXPECT_EQ(config.max_listeners, 8u);
  EXPECT_EQ(config.max_watches, 9u);
  EXPECT_EQ(config.drain_timeout, absl::Seconds(90));
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.log_format, "json");
  EXPECT_TRUE(config.reflection_tcp);
  EXPECT_TRUE(config.channelz);
}

TEST(ConfigTest, UnknownFlagIsRefusedWithTheNearest) {
  EXPECT_THAT(Refused({"--max-socket", "5"}).text, HasSubstr("did you mean --max-sockets?"));
  EXPECT_THAT(Refused({"--channelz", "--max-socket=5"}).text,
              HasSubstr("did you mean --max-sockets?"));
  EXPECT_THAT(Refused({"--something-else"}).text, Not(HasSubstr("did you mean")));
  EXPECT_THAT(Refused({"--max-sockets", "many"}).text, Not(HasSubstr("did you mean")));
}

TEST(ConfigTest, EveryVariable) {
  const Variable admin("SOCKHOST_ADMIN", "unix:/a,tcp://127.0.0.1:1");
  const Variable modules("SOCKHOST_MODULE", "a.so,b.so");
  const Variable insecure("SOCKHOST_INSECURE_TCP", "true");
  const Variable any("SOCKHOST_INSECURE_TCP_ANY_ADDRESS", "1");
  const Variable sockets("SOCKHOST_MAX_SOCKETS", "7");
  const Variable listeners("SOCKHOST_MAX_LISTENERS", "8");
  const Variable watches("SOCKHOST_MAX_WATCHES", "9");
  const Variable drain("SOCKHOST_DRAIN_TIMEOUT", "0s");
  const Variable level("SOCKHOST_LOG_LEVEL", "error");
  const Variable format("SOCKHOST_LOG_FORMAT", "json");
  const Variable reflection("SOCKHOST_REFLECTION_TCP", "true");
  const Variable channelz("SOCKHOST_CHANNELZ", "true");
  const Config config = Parsed({});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/a", "tcp://127.0.0.1:1"));
  EXPECT_THAT(config.module, ElementsAre("a.so", "b.so"));
  EXPECT_TRUE(config.insecure_tcp);
  EXPECT_TRUE(config.insecure_tcp_any_address);
  EXPECT_EQ(config.max_sockets, 7u);
  EXPECT_EQ(config.max_listeners, 8u);
  EXPECT_EQ(config.max_watches, 9u);
  EXPECT_EQ(config.drain_timeout, absl::ZeroDuration());
  EXPECT_EQ(config.log_level, "error");
  EXPECT_EQ(config.log_format, "json");
  EXPECT_TRUE(config.reflection_tcp);
  EXPECT_TRUE(config.channelz);
}

TEST(ConfigTest, CommandLineWinsOverTheEnvironment) {
  const Variable admin("SOCKHOST_ADMIN", "unix:/from/environment");
  const Variable watches("SOCKHOST_MAX_WATCHES", "9");
  const Config config = Parsed({"--admin", "unix:/from/flag", "--max-watches", "10"});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/from/flag"));
  EXPECT_EQ(config.max_watches, 10u);
}

// ---- The file ----------------------------------------------------------------

class ConfigFileFlagTest : public testing::Test {
 protected:
  const char* Write(const std::string& text) {
    std::ofstream(path_) << text;
    return path_.c_str();
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.Path("sockhostd.yaml");
};

TEST_F(ConfigFileFlagTest, FlagBeatsVariableBeatsFileBeatsDefault) {
  const char* path = Write("max-sockets: 1\nmax-listeners: 2\nmax-watches: 3\n");
  const Variable listeners("SOCKHOST_MAX_LISTENERS", "20");
  const Variable watches("SOCKHOST_MAX_WATCHES", "30");
  const Config config = Parsed({"--config", path, "--max-watches", "300"});
  EXPECT_EQ(config.max_sockets, 1u);
  EXPECT_EQ(config.max_listeners, 20u);
  EXPECT_EQ(config.max_watches, 300u);
  EXPECT_EQ(config.log_level, "info");
}

TEST_F(ConfigFileFlagTest, VariableNamesTheFile) {
  const Variable file("SOCKHOST_CONFIG", Write("max-watches: 3\n"));
  EXPECT_EQ(Parsed({}).max_watches, 3u);
}

TEST_F(ConfigFileFlagTest, ListOfTheFileIsReplacedAsAWhole) {
  const char* path = Write("admin: [unix:/a, unix:/b]\nmodule: [/m.so]\n");
  EXPECT_THAT(AdminOf(Parsed({"--config", path})), ElementsAre("unix:/a", "unix:/b"));
  EXPECT_THAT(AdminOf(Parsed({"--config", path, "--admin", "unix:/c"})), ElementsAre("unix:/c"));
}

TEST_F(ConfigFileFlagTest, SwitchOfTheFileCanBeTurnedOff) {
  const char* path = Write("insecure-tcp: true\n");
  EXPECT_TRUE(Parsed({"--config", path}).insecure_tcp);
  EXPECT_FALSE(Parsed({"--config", path, "--insecure-tcp=false"}).insecure_tcp);
}

TEST_F(ConfigFileFlagTest, ValuesOutOfRangeNameTheirPlace) {
  const std::pair<const char*, const char*> kCases[] = {
      {"log-level: info\nmax-watches: 100001\n", ":2:14: max-watches: 100001: use a number from 1"},
      {"max-sockets: -1\n", ":1:14: max-sockets: -1: use a number"},
      {"max-sockets: 99999999999999999999999\n", ":1:14: max-sockets: 999"},
      {"drain-timeout: 5\n", ":1:16: drain-timeout: 5: use a duration from 0s to 1h"},
      {"log-level: loud\n", ":1:12: log-level: loud: use debug, info, warning, error"},
      {"admin:\n- unix:/a\n- nonsense\n", ":3:3: admin: "},
      {"max-watch: 1\n", ":1:1: unknown key"},
  };
  for (const auto& [text, wanted] : kCases) {
    const EarlyExit exit = Refused({"--config", Write(text)});
    EXPECT_EQ(exit.code, 2);
    EXPECT_THAT(exit.text, StartsWith(path_)) << text;
    EXPECT_THAT(exit.text, HasSubstr(wanted));
  }
}

TEST_F(ConfigFileFlagTest, LogFormatOfTheFileHoldsForWhatIsWrong) {
  const char* path = Write("log-format: json\nmax-watches: 0\n");
  EXPECT_EQ(Refused({"--config", path}).log_format, "json");
  EXPECT_EQ(Refused({"--config", path, "--log-format", "text"}).log_format, "text");
}

TEST_F(ConfigFileFlagTest, MissingFileIsNamed) {
  const EarlyExit exit = Refused({"--config", "/no/such/file"});
  EXPECT_EQ(exit.code, 2);
  EXPECT_THAT(exit.text, HasSubstr("/no/such/file"));
}

TEST_F(ConfigFileFlagTest, DaemonThatNobodyCouldDriveIsRefused) {
  const EarlyExit exit = Refused({"--config", Write("admin: []\n")});
  EXPECT_EQ(exit.code, 2);
  EXPECT_THAT(exit.text, HasSubstr("admin: the list is empty"));
  EXPECT_THAT(AdminOf(Parsed({"--config", path_.c_str(), "--admin", "unix:/a"})),
              ElementsAre("unix:/a"));
}

TEST_F(ConfigFileFlagTest, RulesOfAdoptionAreReadAtOnce) {
  for (const char* rule : {"a", "a=", "=echo"}) {
    EXPECT_EQ(Refused({"--adopt", rule}).code, 2);
    EXPECT_THAT(Refused({"--adopt", rule}).text, HasSubstr("NAME=SERVICE"));
  }
  EXPECT_EQ(Refused({"--adopt", "a=echo", "--adopt", "a=discard"}).code, 2);
  const char* path = Write("adopt: [a]\n");
  EXPECT_EQ(Refused({"--config", path, "--print-config"}).code, 2);
  EXPECT_THAT(Parsed({"--adopt", "a=echo"}).adopt, ElementsAre("a=echo"));
}

// ---- --print-config ----------------------------------------------------------

std::string Printed(std::vector<const char*> flags) {
  flags.push_back("--print-config");
  const EarlyExit exit = Refused(std::move(flags));
  EXPECT_EQ(exit.code, 0) << exit.text;
  return exit.text;
}

TEST_F(ConfigFileFlagTest, PrintSaysWhereEachValueComesFrom) {
  const char* path = Write("max-sockets: 1\n");
  const Variable listeners("SOCKHOST_MAX_LISTENERS", "20");
  const std::string text = Printed({"--config", path, "--admin", "unix:/a", "--admin", "unix:/b"});
  EXPECT_THAT(text, HasSubstr("\nadmin: [\"unix:/a\", \"unix:/b\"]  # flag --admin\n"));
  EXPECT_THAT(text, HasSubstr("\nmax-sockets: 1  # file " + path_ + ":1:14\n"));
  EXPECT_THAT(text, HasSubstr("\nmax-listeners: 20  # variable SOCKHOST_MAX_LISTENERS\n"));
  EXPECT_THAT(text, HasSubstr("\ndrain-timeout: \"5s\"  # default\n"));
}

// Values that differ from the defaults, and every kind of odd text.
TEST_F(ConfigFileFlagTest, WhatIsPrintedCanBeLoadedAgain) {
  const std::vector<const char*> kFlags = {"--admin",
                                           "unix:/a b#: '\"\\",
                                           "--admin",
                                           "tcp://127.0.0.1:1",
                                           "--insecure-tcp",
                                           "--module",
                                           "5",
                                           "--module",
                                           "~",
                                           "--max-sockets",
                                           "7",
                                           "--max-listeners",
                                           "8",
                                           "--max-watches",
                                           "9",
                                           "--drain-timeout",
                                           "0s",
                                           "--log-level",
                                           "debug"};
  const std::string first = Printed(kFlags);
  const std::string again = Printed({"--config", Write(first)});
  auto without_comments = [](const std::string& text) {
    std::vector<std::string> out;
    for (absl::string_view line : absl::StrSplit(text, '\n')) {
      out.emplace_back(line.substr(0, line.rfind("  # ")));
    }
    return out;
  };
  EXPECT_EQ(without_comments(first), without_comments(again));
  for (const Setting& setting : Settings()) EXPECT_THAT(again, HasSubstr(setting.name));
  EXPECT_THAT(again, Not(HasSubstr("# default")));
}

TEST_F(ConfigFileFlagTest, DefaultsCanBePrintedAndLoaded) {
  const std::string path = Write(Printed({}));
  const Config defaults;
  const Config loaded = Parsed({"--config", path.c_str()});
  for (const Setting& setting : Settings()) {
    EXPECT_EQ(ValueOf(setting, loaded), ValueOf(setting, defaults)) << setting.name;
  }
}

TEST(ConfigTest, WrongConfigurationIsNotPrinted) {
  EXPECT_EQ(Refused({"--print-config", "--max-watches", "0"}).code, 2);
}

// ---- ReloadConfig --------------------------------------------------------------

TEST_F(ConfigFileFlagTest, ReloadTakesOverWhatCanChangeAndNothingElse) {
  const char* argv[] = {"sockhostd", "--config", Write("max-watches: 3\n")};
  Config config = Parsed({argv[1], argv[2]});
  Write("max-watches: 4\nlog-level: debug\n");
  EXPECT_TRUE(ReloadConfig(3, argv, "1.2.3", config));
  EXPECT_EQ(config.log_level, "debug");
  EXPECT_EQ(config.max_watches, 3u);
}

TEST_F(ConfigFileFlagTest, WrongFileChangesNothing) {
  const char* argv[] = {"sockhostd", "--config", Write("log-level: warning\n")};
  Config config = Parsed({argv[1], argv[2]});
  Write("log-level: debug\nmax-watch: 1\n");
  EXPECT_FALSE(ReloadConfig(3, argv, "1.2.3", config));
  EXPECT_EQ(config.log_level, "warning");
}

TEST_F(ConfigFileFlagTest, FlagStillWinsWhenTheFileIsReadAgain) {
  const char* argv[] = {"sockhostd", "--config", Write(""), "--log-level", "error"};
  Config config = Parsed({argv[1], argv[2], argv[3], argv[4]});
  Write("log-level: debug\n");
  EXPECT_TRUE(ReloadConfig(5, argv, "1.2.3", config));
  EXPECT_EQ(config.log_level, "error");
}

TEST(ConfigTest, SettingGivenTwiceIsRefusedUnlessItIsAList) {
  EXPECT_THAT(Refused({"--max-watches", "1", "--max-watches", "2"}).text,
              HasSubstr("--max-watches"));
}

TEST(ConfigTest, VersionIsForStandardOutput) {
  const EarlyExit exit = Refused({"--version"});
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.text, "sockhostd 1.2.3\n");
}

TEST(ConfigTest, HelpNamesEveryFlagWithItsVariable) {
  const EarlyExit exit = Refused({"--help"});
  EXPECT_EQ(exit.code, 0);
  for (const Setting& setting : Settings()) {
    EXPECT_THAT(exit.text, HasSubstr(absl::StrCat("--", setting.name)));
    EXPECT_THAT(exit.text, HasSubstr(absl::StrCat("(Env:", VariableOf(setting), ")")));
  }
}

TEST(ConfigTest, WrongUseSaysWhatIsWrong) {
  const struct {
    std::vector<const char*> flags;
    const char* named;
  } kCases[] = {
      {{"--no-such-flag"}, "--no-such-flag"},
      {{"stray"}, "stray"},
      {{"--admin", "nonsense"}, "nonsense"},
      {{"--admin", "unix:relative"}, "unix:relative"},
      {{"--max-sockets", "-1"}, "--max-sockets"},
      {{"--max-sockets", "1048577"}, "--max-sockets"},
      {{"--max-listeners", "0"}, "--max-listeners"},
      {{"--max-listeners", "many"}, "many"},
      {{"--max-watches", "100001"}, "--max-watches"},
      {{"--drain-timeout", "5"}, "--drain-timeout 5"},
      {{"--drain-timeout", "-1s"}, "-1s"},
      {{"--drain-timeout", "3601s"}, "3601s"},
      {{"--drain-timeout", "inf"}, "inf"},
      {{"--log-level", "loud"}, "loud"},
  };
  for (const auto& [flags, named] : kCases) {
    const EarlyExit exit = Refused(flags);
    EXPECT_EQ(exit.code, 2);
    EXPECT_THAT(exit.text, HasSubstr(named));
  }
}

TEST(ConfigTest, WhatIsWrongIsToldInTheFormatThatWasAskedFor) {
  for (const char* wrong : {"--no-such-flag", "stray", "--max-watches=0", "--admin=nonsense"}) {
    EXPECT_EQ(Refused({wrong}).log_format, "text") << wrong;
    EXPECT_EQ(Refused({wrong, "--log-format", "json"}).log_format, "json") << wrong;
    const Variable variable("SOCKHOST_LOG_FORMAT", "json");
    EXPECT_EQ(Refused({wrong}).log_format, "json") << wrong;
    EXPECT_EQ(Refused({wrong, "--log-format", "text"}).log_format, "text") << wrong;
    EXPECT_EQ(Refused({wrong, "--log-format", "morse"}).log_format, "json") << wrong;
  }
}

TEST(ConfigTest, TcpMustBeAskedFor) {
  EXPECT_THAT(Refused({"--admin", "tcp://127.0.0.1:1"}).text, HasSubstr("--insecure-tcp"));
  EXPECT_THAT(Refused({"--admin", "tcp://0.0.0.0:1", "--insecure-tcp"}).text,
              HasSubstr("--insecure-tcp-any-address"));
  EXPECT_THAT(Refused({"--admin", "tcp://[::]:1", "--insecure-tcp"}).text,
              HasSubstr("--insecure-tcp-any-address"));
  Parsed({"--admin", "tcp://127.0.0.1:1", "--insecure-tcp"});
  Parsed({"--admin", "tcp://[::1]:1", "--insecure-tcp"});
  Parsed({"--admin", "tcp://0.0.0.0:1", "--insecure-tcp-any-address"});
}

TEST(ConfigTest, TlsNeedsAllOfItsFilesAndTheyNeedTls) {
  const Config config = Parsed({"--admin", "tls://0.0.0.0:1", "--tls-cert", "/c", "--tls-key", "/k",
                                "--tls-client-ca", "/a", "--tls-crl", "/r"});
  EXPECT_TRUE(config.admin.at(0).tls);
  EXPECT_EQ(config.tls_cert, "/c");
  EXPECT_EQ(config.tls_key, "/k");
  EXPECT_EQ(config.tls_client_ca, "/a");
  EXPECT_EQ(config.tls_crl, "/r");
  EXPECT_THAT(Refused({"--admin", "tls://127.0.0.1:1"}).text, HasSubstr("--tls-cert"));
  EXPECT_THAT(
      Refused({"--admin", "tls://127.0.0.1:1", "--tls-cert", "/c", "--tls-client-ca", "/a"}).text,
      HasSubstr("--tls-key"));
  EXPECT_THAT(Refused({"--tls-cert", "/c", "--tls-key", "/k", "--tls-client-ca", "/a"}).text,
              HasSubstr("tls://HOST:PORT"));
}

TEST(ConfigTest, RolesAndAudit) {
  EXPECT_EQ(Parsed({}).roles, "");
  EXPECT_EQ(Parsed({"--roles", "/r"}).roles, "/r");
  EXPECT_EQ(Parsed({"--audit-log", "/l"}).audit_log, "/l");
  EXPECT_FALSE(Parsed({"--audit-log", "/l"}).audit_fail_closed);
  EXPECT_TRUE(Parsed({"--audit-log", "/l", "--audit-fail-closed"}).audit_fail_closed);
  EXPECT_THAT(Refused({"--audit-fail-closed"}).text, HasSubstr("--audit-log"));
}

}  // namespace
}  // namespace sockhost
