#include "server/config.h"

#include <gmock/gmock.h>
#include <stdlib.h>

#include <string>
#include <utility>
#include <vector>

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
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
  EXPECT_TRUE(config.modules.empty());
  EXPECT_FALSE(config.insecure_tcp);
  EXPECT_FALSE(config.insecure_tcp_any_address);
  EXPECT_EQ(config.max_sockets, 0u);
  EXPECT_EQ(config.max_listeners, 65536u);
  EXPECT_EQ(config.max_watches, 1000u);
  EXPECT_EQ(config.drain_timeout, absl::Seconds(5));
  EXPECT_EQ(config.log_level, "info");
}

TEST(ConfigTest, EveryFlag) {
  const Config config = Parsed({"--admin",         "unix:/a",
                                "--admin",         "tcp://127.0.0.1:1",
                                "--insecure-tcp",  "--insecure-tcp-any-address",
                                "--max-sockets",   "7",
                                "--max-listeners", "8",
                                "--max-watches",   "9",
                                "--drain-timeout", "1m30s",
                                "--log-level",     "debug",
                                "--module",        "a.so",
                                "--module",        "b.so"});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/a", "tcp://127.0.0.1:1"));
  EXPECT_THAT(config.modules, ElementsAre("a.so", "b.so"));
  EXPECT_TRUE(config.insecure_tcp);
  EXPECT_TRUE(config.insecure_tcp_any_address);
  EXPECT_EQ(config.max_sockets, 7u);
  EXPECT_EQ(config.max_listeners, 8u);
  EXPECT_EQ(config.max_watches, 9u);
  EXPECT_EQ(config.drain_timeout, absl::Seconds(90));
  EXPECT_EQ(config.log_level, "debug");
}

TEST(ConfigTest, EveryVariable) {
  const Variable admin("SOCKHOST_ADMIN", "unix:/a,tcp://127.0.0.1:1");
  const Variable modules("SOCKHOST_MODULES", "a.so,b.so");
  const Variable insecure("SOCKHOST_INSECURE_TCP", "true");
  const Variable any("SOCKHOST_INSECURE_TCP_ANY_ADDRESS", "1");
  const Variable sockets("SOCKHOST_MAX_SOCKETS", "7");
  const Variable listeners("SOCKHOST_MAX_LISTENERS", "8");
  const Variable watches("SOCKHOST_MAX_WATCHES", "9");
  const Variable drain("SOCKHOST_DRAIN_TIMEOUT", "0s");
  const Variable level("SOCKHOST_LOG_LEVEL", "error");
  const Config config = Parsed({});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/a", "tcp://127.0.0.1:1"));
  EXPECT_THAT(config.modules, ElementsAre("a.so", "b.so"));
  EXPECT_TRUE(config.insecure_tcp);
  EXPECT_TRUE(config.insecure_tcp_any_address);
  EXPECT_EQ(config.max_sockets, 7u);
  EXPECT_EQ(config.max_listeners, 8u);
  EXPECT_EQ(config.max_watches, 9u);
  EXPECT_EQ(config.drain_timeout, absl::ZeroDuration());
  EXPECT_EQ(config.log_level, "error");
}

TEST(ConfigTest, CommandLineWinsOverTheEnvironment) {
  const Variable admin("SOCKHOST_ADMIN", "unix:/from/environment");
  const Variable watches("SOCKHOST_MAX_WATCHES", "9");
  const Config config = Parsed({"--admin", "unix:/from/flag", "--max-watches", "10"});
  EXPECT_THAT(AdminOf(config), ElementsAre("unix:/from/flag"));
  EXPECT_EQ(config.max_watches, 10u);
}

TEST(ConfigTest, VersionIsForStandardOutput) {
  const EarlyExit exit = Refused({"--version"});
  EXPECT_EQ(exit.code, 0);
  EXPECT_EQ(exit.text, "sockhostd 1.2.3\n");
}

TEST(ConfigTest, HelpNamesEveryFlagWithItsVariable) {
  const EarlyExit exit = Refused({"--help"});
  EXPECT_EQ(exit.code, 0);
  for (const char* text :
       {"--admin", "SOCKHOST_ADMIN)", "--module", "SOCKHOST_MODULES)", "--insecure-tcp",
        "SOCKHOST_INSECURE_TCP)", "--insecure-tcp-any-address",
        "SOCKHOST_INSECURE_TCP_ANY_ADDRESS)", "--max-sockets", "SOCKHOST_MAX_SOCKETS)",
        "--max-listeners", "SOCKHOST_MAX_LISTENERS)", "--max-watches", "SOCKHOST_MAX_WATCHES)",
        "--drain-timeout", "SOCKHOST_DRAIN_TIMEOUT)", "--log-level", "SOCKHOST_LOG_LEVEL)"}) {
    EXPECT_THAT(exit.text, HasSubstr(text));
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
    EXPECT_THAT(exit.text, StartsWith("sockhostd: "));
    EXPECT_THAT(exit.text, HasSubstr(named));
    EXPECT_THAT(exit.text, EndsWith("see sockhostd --help\n"));
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

}  // namespace
}  // namespace sockhost
