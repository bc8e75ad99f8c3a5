#include "server/config_file.h"

#include <gmock/gmock.h>

#include <string>
#include <utility>
#include <vector>

namespace sockhost {
namespace {

using testing::AllOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::StartsWith;

using Texts = std::vector<std::string>;

std::vector<std::pair<std::string, Texts>> Entries(const std::string& text) {
  const auto entries = ParseConfigFile("/etc/x.yaml", text);
  EXPECT_TRUE(entries.ok()) << entries.status();
  std::vector<std::pair<std::string, Texts>> out;
  if (!entries.ok()) return out;
  for (const FileEntry& entry : *entries) out.emplace_back(entry.setting->name, entry.texts);
  return out;
}

std::string Refusal(const std::string& text) {
  const auto entries = ParseConfigFile("/etc/x.yaml", text);
  return entries.ok() ? "was taken" : std::string(entries.status().message());
}

TEST(ConfigFileTest, YamlOfEveryType) {
  EXPECT_THAT(
      Entries("# comment\n"
              "admin: [unix:/a, 'tcp://127.0.0.1:1']\n"
              "module:\n  - /m.so\n"
              "insecure-tcp: true\n"
              "max-sockets: 7\n"
              "drain-timeout: 5s\n"
              "log-level: \"debug\"\n"),
      ElementsAre(std::pair("admin", Texts{"unix:/a", "tcp://127.0.0.1:1"}),
                  std::pair("module", Texts{"/m.so"}), std::pair("insecure-tcp", Texts{"true"}),
                  std::pair("max-sockets", Texts{"7"}), std::pair("drain-timeout", Texts{"5s"}),
                  std::pair("log-level", Texts{"debug"})));
}

TEST(ConfigFileTest, JsonIsTheSame) {
  EXPECT_THAT(
      Entries("{\n\t\"admin\": [\"unix:/a\"],\n\t\"max-sockets\": 7,\n"
              "\t\"insecure-tcp\": false\n}\n"),
      ElementsAre(std::pair("admin", Texts{"unix:/a"}), std::pair("max-sockets", Texts{"7"}),
                  std::pair("insecure-tcp", Texts{"false"})));
}

TEST(ConfigFileTest, OneTextIsAListOfOneAndAnEmptyListIsEmpty) {
  EXPECT_THAT(Entries("admin: unix:/a,b\nmodule: []\n"),
              ElementsAre(std::pair("admin", Texts{"unix:/a,b"}), std::pair("module", Texts{})));
}

TEST(ConfigFileTest, EmptyFilesSayNothing) {
  EXPECT_TRUE(Entries("").empty());
  EXPECT_TRUE(Entries("# only a comment\n").empty());
  EXPECT_TRUE(Entries("{}").empty());
}

TEST(ConfigFileTest, PlacesAreLineAndColumn) {
  const auto entries = ParseConfigFile("f", "max-sockets: 7\nadmin:\n  - unix:/a\n  - unix:/b\n");
  ASSERT_TRUE(entries.ok());
  EXPECT_THAT((*entries)[0].places, ElementsAre("f:1:14"));
  EXPECT_THAT((*entries)[1].places, ElementsAre("f:3:5", "f:4:5"));
}

TEST(ConfigFileTest, UnknownKeyIsRefusedWithTheNearest) {
  EXPECT_EQ(Refusal("log-level: info\nmax-socket: 7\n"),
            "/etc/x.yaml:2:1: unknown key \"max-socket\"; did you mean max-sockets?");
  EXPECT_EQ(Refusal("max_sockets: 7\n"),
            "/etc/x.yaml:1:1: unknown key \"max_sockets\"; did you mean max-sockets?");
  EXPECT_EQ(Refusal("something-else: 7\n"),
            "/etc/x.yaml:1:1: unknown key \"something-else\"; see sockhostd --help for all");
  EXPECT_THAT(Refusal("[1, 2]: 7\n"), StartsWith("/etc/x.yaml:1:"));
  EXPECT_THAT(Refusal(std::string(1000, 'k') + ": 7\n"), HasSubstr("unknown key"));
}

TEST(ConfigFileTest, WrongTypesAreRefusedWithTheirPlace) {
  const std::pair<const char*, const char*> kCases[] = {
      {"max-sockets: many", ":1:14: max-sockets: expected a number, found \"many\""},
      {"max-sockets: \"7\"", ":1:14: max-sockets: expected a number, found \"7\""},
      {"max-sockets: 7.5", ":1:14: max-sockets: expected a number, found \"7.5\""},
      {"max-sockets: [7]", ":1:14: max-sockets: expected a number, found a list"},
      {"max-sockets:", "max-sockets: expected a number, found nothing"},
      {"insecure-tcp: 1", ":1:15: insecure-tcp: expected true or false, found \"1\""},
      {"insecure-tcp: 'true'", ":1:15: insecure-tcp: expected true or false, found \"true\""},
      {"log-level: {a: b}", ":1:12: log-level: expected a text, found a mapping"},
      {"log-level: [info]", ":1:12: log-level: expected a text, found a list"},
      {"roles: true", ":1:8: roles: expected a text, found \"true\""},
      {"roles: 5", ":1:8: roles: expected a text, found \"5\""},
      {"module: [a.so, 1.5]", ":1:16: module: expected a text or a list of texts, found \"1.5\""},
      {"admin: {a: b}", ":1:8: admin: expected a text or a list of texts, found a mapping"},
      {"admin: [unix:/a, [unix:/b]]", ":1:18: admin: expected"},
      {"admin: [unix:/a, ~]", ":1:18: admin: expected"},
      {"- admin", ":1:1: expected lines of the form \"key: value\", found a list"},
      {"admin", ":1:1: expected lines of the form \"key: value\", found \"admin\""},
  };
  for (const auto& [text, wanted] : kCases) {
    const std::string refusal = Refusal(text);
    EXPECT_THAT(refusal, StartsWith("/etc/x.yaml:")) << text;
    EXPECT_THAT(refusal, HasSubstr(wanted)) << text;
  }
}

TEST(ConfigFileTest, TextsThatLookLikeAnotherTypeAreInQuotes) {
  EXPECT_THAT(Entries("roles: \"5\"\naudit-log: 'true'\ndrain-timeout: 0\n"),
              ElementsAre(std::pair("roles", Texts{"5"}), std::pair("audit-log", Texts{"true"}),
                          std::pair("drain-timeout", Texts{"0"})));
}

TEST(ConfigFileTest, BytesThatAreNoUtf8AreRefused) {
  EXPECT_EQ(Refusal("max-sockets: 7\nroles: /a\xff\n"),
            "/etc/x.yaml:2:10: a byte that is no UTF-8");
  EXPECT_THAT(Entries("roles: /\u00e4\n"), ElementsAre(std::pair("roles", Texts{"/\u00e4"})));
}

TEST(ConfigFileTest, KeyGivenTwiceIsRefused) {
  EXPECT_EQ(Refusal("max-sockets: 7\nmax-sockets: 8\n"),
            "/etc/x.yaml:2:1: key \"max-sockets\" is given twice");
}

TEST(ConfigFileTest, WhatIsNoYamlIsRefusedWithItsPlace) {
  for (const char* text : {"admin: [unix:/a", "a: b: c", "\"admin", "admin: *nobody", "{\"a\": }}",
                           "max-sockets: 1\n---\n{}", ",", ", a: b", "]"}) {
    EXPECT_THAT(Refusal(text), StartsWith("/etc/x.yaml:")) << text;
  }
}

TEST(ConfigFileTest, ErrorsArePrintable) {
  EXPECT_THAT(Refusal("admin: \"\\\x1b\"\n"),
              AllOf(StartsWith("/etc/x.yaml:1:"), HasSubstr("\\x1b")));
}

TEST(ConfigFileTest, FileThatCannotBeRead) {
  for (const char* path : {"/no/such/file", "/"}) {
    const auto entries = ReadConfigFile(path);
    ASSERT_FALSE(entries.ok());
    EXPECT_THAT(std::string(entries.status().message()), HasSubstr(path));
  }
  EXPECT_THAT(std::string(ReadConfigFile("/no/such/file").status().message()), HasSubstr("ENOENT"));
  EXPECT_THAT(std::string(ReadConfigFile("/dev/zero").status().message()), HasSubstr("1 MiB"));
}

}  // namespace
}  // namespace sockhost
