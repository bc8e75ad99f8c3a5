#include "client/completion_words.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

namespace sockhost::client {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

using Words = std::vector<std::string>;

Words WordsAfter(const Words& typed) { return CompletionOf(CommandLine(), typed).words; }
std::string NamesAfter(const Words& typed) { return CompletionOf(CommandLine(), typed).names_of; }

TEST(CompletionWordsTest, VerbsFollowTheirGroup) {
  EXPECT_THAT(WordsAfter({""}), AllOf(Contains("watch"), Contains("listener")));
  EXPECT_THAT(WordsAfter({"listener", ""}), AllOf(Contains("create"), Contains("delete")));
  EXPECT_THAT(WordsAfter({}), Contains("host"));
}

TEST(CompletionWordsTest, FlagsAreThoseOfTheVerbAndGlobalOnes) {
  EXPECT_THAT(WordsAfter({"watch", "-"}),
              AllOf(Contains("--interval"), Contains("--host"), Not(Contains("--service"))));
  EXPECT_THAT(WordsAfter({"--no-headers", "-o", "json", "listener", "create", "--s"}),
              Contains("--service"));
}

TEST(CompletionWordsTest, FlagsWithFixedWordsTakeThem) {
  for (const char* flag : {"-o", "--output"}) {
    EXPECT_THAT(WordsAfter({"host", flag, ""}), ElementsAre("table", "json", "name"));
  }
  EXPECT_THAT(WordsAfter({"listener", "create", "web", "--policy", ""}),
              ElementsAre("least-connections", "round-robin"));
  EXPECT_THAT(WordsAfter({"socket", "get", "12", "--view", "f"}), ElementsAre("basic", "full"));
}

TEST(CompletionWordsTest, ValueBehindEqualsSignKeepsTheFlag) {
  const Completion enabled =
      CompletionOf(CommandLine(), Words{"listener", "update", "web", "--enabled=f"});
  EXPECT_THAT(enabled.words, ElementsAre("true", "false"));
  EXPECT_EQ(enabled.prefix, "--enabled=");
  EXPECT_EQ(CompletionOf(CommandLine(), Words{"host", "--output="}).prefix, "--output=");
}

TEST(CompletionWordsTest, FiltersAreWordsOfTheApi) {
  EXPECT_THAT(
      WordsAfter({"listener", "list", "--filter", ""}),
      AllOf(Contains("state=ACTIVE"), Contains("state=FAILED"), Each(StartsWith("state="))));
  EXPECT_THAT(WordsAfter({"events", "--filter", ""}),
              AllOf(Contains("kind=SOCKET_CLOSED"), Contains("close_reason=IDLE_TIMEOUT")));
  EXPECT_THAT(WordsAfter({"watch", "--filter", ""}), Contains("role=UPSTREAM"));
  EXPECT_THAT(WordsAfter({"socket", "list", "--filter", ""}), Contains("state=CLOSED"));
  EXPECT_THAT(WordsAfter({"service", "list", "--filter", ""}), Not(IsEmpty()));
}

TEST(CompletionWordsTest, NamesAreThoseOfTheNoun) {
  for (const char* verb : {"get", "update", "pause", "resume", "drain", "delete"}) {
    EXPECT_EQ(NamesAfter({"listener", verb, ""}), "listener") << verb;
  }
  EXPECT_EQ(NamesAfter({"listener", "delete", "--force", "a", ""}), "listener");
  EXPECT_EQ(NamesAfter({"socket", "close", "12", ""}), "socket");
  EXPECT_EQ(NamesAfter({"service", "get", ""}), "service");
  EXPECT_EQ(NamesAfter({"listener", "create", "web", "--service", ""}), "service");
  for (const char* verb : {"create", "list"}) EXPECT_EQ(NamesAfter({"listener", verb, ""}), "");
}

// A listener may have the name of a verb.
TEST(CompletionWordsTest, ArgumentsAreNoVerbs) {
  EXPECT_EQ(NamesAfter({"listener", "delete", "host", ""}), "listener");
  EXPECT_EQ(NamesAfter({"listener", "drain", "web", "--drain-timeout", ""}), "");
}

TEST(CompletionWordsTest, HelpTakesVerbs) {
  EXPECT_THAT(WordsAfter({"help", ""}), Contains("listener"));
  EXPECT_THAT(WordsAfter({"help", "listener", ""}), Contains("create"));
  EXPECT_THAT(WordsAfter({"help", "listener", "create", ""}), IsEmpty());
  EXPECT_THAT(WordsAfter({"completion", ""}), ElementsAre("bash", "zsh", "fish"));
}

TEST(CompletionWordsTest, NonsenseIsNoError) {
  EXPECT_THAT(WordsAfter({"nonsense", "--none", ""}), Contains("listener"));
  EXPECT_THAT(WordsAfter({"host", "--none=", "--none=x"}), IsEmpty());
}

}  // namespace
}  // namespace sockhost::client
