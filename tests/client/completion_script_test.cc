#include "client/completion_script.h"

#include <gmock/gmock.h>

#include <array>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace sockhost::client {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::Not;

// Runs the script in bash with `words` typed and the last of them to be
// completed. `names` is what sockctl would print as the names that exist.
std::vector<std::string> Complete(const std::vector<std::string>& words,
                                  const std::string& names = "") {
  std::string path = (std::filesystem::temp_directory_path() / "completion.XXXXXX").string();
  close(mkstemp(path.data()));
  std::ofstream(path) << BashCompletion(CommandLine()) << "sockctl() { [[ $* == *'-o name'* ]] && "
                      << "printf '" << names << "'; }\nCOMP_WORDS=('" << absl::StrJoin(words, "' '")
                      << "'); COMP_CWORD=" << words.size() - 1
                      << "\n_sockctl\nprintf '%s\\n' \"${COMPREPLY[@]}\"\n";
  FILE* bash = popen(absl::StrCat("bash ", path).c_str(), "r");
  std::string output;
  std::array<char, 4096> buffer;
  while (const size_t size = fread(buffer.data(), 1, buffer.size(), bash)) {
    output.append(buffer.data(), size);
  }
  EXPECT_EQ(pclose(bash), 0);
  std::filesystem::remove(path);
  return absl::StrSplit(output, '\n', absl::SkipEmpty());
}

TEST(BashCompletionTest, CompletesVerbs) {
  EXPECT_THAT(Complete({"sockctl", "li"}), ElementsAre("listener"));
  EXPECT_THAT(Complete({"sockctl", "listener", "c"}), ElementsAre("create"));
  EXPECT_THAT(Complete({"sockctl", ""}), AllOf(Contains("watch"), Contains("host")));
}

TEST(BashCompletionTest, CompletesFlagsOfVerbAndGlobalFlags) {
  EXPECT_THAT(Complete({"sockctl", "watch", "--"}),
              AllOf(Contains("--interval"), Contains("--host"), Not(Contains("--service"))));
  EXPECT_THAT(Complete({"sockctl", "--no-headers", "listener", "create", "--ser"}),
              ElementsAre("--service"));
}

TEST(BashCompletionTest, CompletesNamesThatExist) {
  EXPECT_THAT(Complete({"sockctl", "listener", "delete", "w"}, "listeners/web\\nlisteners/dns\\n"),
              ElementsAre("web"));
  EXPECT_THAT(Complete({"sockctl", "socket", "get", ""}, "sockets/12\\n"), Contains("12"));
}

}  // namespace
}  // namespace sockhost::client
