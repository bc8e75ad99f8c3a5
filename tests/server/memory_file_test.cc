#include "server/memory_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

#include "sockhost/error.h"
#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

using testing::HasSubstr;

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

void Replace(MemoryFile& file, const std::string& content, int64_t version) {
  auto made = MemoryContent::Make(content, version);
  ASSERT_TRUE(made.ok()) << made.status();
  file.Replace(*std::move(made));
}

TEST(MemoryFileTest, ContentIsReplacedUnderTheSamePath) {
  MemoryFile file;
  Replace(file, "a longer first content", 1);
  const std::string path = file.path();
  EXPECT_EQ(ContentOf(path), "a longer first content");
  Replace(file, "second", 2);
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(ContentOf(path), "second");
}

TEST(MemoryFileTest, WhoHasOpenedItReadsOnInWhatItWas) {
  MemoryFile file;
  Replace(file, "first", 1);
  std::ifstream before(file.path());
  Replace(file, "second", 2);
  std::string content;
  before >> content;
  EXPECT_EQ(content, "first");
}

TEST(MemoryFileTest, EachVersionHasItsModificationTime) {
  MemoryFile file;
  for (const int64_t version : {7, 8}) {
    Replace(file, "x", version);
    struct stat status;
    ASSERT_EQ(stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, version);
  }
}

TEST(MemoryFileTest, ContentThatNoFileTakesChangesNothing) {
  MemoryFile file;
  Replace(file, "first", 1);
  { ASSERT_TRUE(MemoryContent::Make("second", 2).ok()); }
  EXPECT_EQ(ContentOf(file.path()), "first");
}

TEST(MemoryFileTest, WithoutAFreeFdTheErrorTellsWhatToDo) {
  MemoryFile file;
  Replace(file, "first", 1);
  {
    const NoMoreFds no_fds;
    const absl::Status status = MemoryContent::Make("second", 2).status();
    ASSERT_TRUE(DetailOf(status).has_value());
    EXPECT_EQ(DetailOf(status)->reason, Reason::kFD_LIMIT);
    EXPECT_EQ(DetailOf(status)->metadata.at("setting"), "RLIMIT_NOFILE");
    EXPECT_THAT(std::string(status.message()), HasSubstr("raise the limit of open files"));
  }
  EXPECT_EQ(ContentOf(file.path()), "first");
}

}  // namespace
}  // namespace sockhost
