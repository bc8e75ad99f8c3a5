#include "server/memory_file.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <fstream>
#include <iterator>
#include <string>

namespace sockhost {
namespace {

std::string ContentOf(const std::string& path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), {}};
}

TEST(MemoryFileTest, ContentIsReplacedUnderTheSamePath) {
  MemoryFile file;
  ASSERT_TRUE(file.Replace("a longer first content", 1).ok());
  const std::string path = file.path();
  EXPECT_EQ(ContentOf(path), "a longer first content");
  ASSERT_TRUE(file.Replace("second", 2).ok());
  EXPECT_EQ(file.path(), path);
  EXPECT_EQ(ContentOf(path), "second");
}

TEST(MemoryFileTest, WhoHasOpenedItReadsOnInWhatItWas) {
  MemoryFile file;
  ASSERT_TRUE(file.Replace("first", 1).ok());
  std::ifstream before(file.path());
  ASSERT_TRUE(file.Replace("second", 2).ok());
  std::string content;
  before >> content;
  EXPECT_EQ(content, "first");
}

TEST(MemoryFileTest, EachVersionHasItsModificationTime) {
  MemoryFile file;
  for (const int64_t version : {7, 8}) {
    ASSERT_TRUE(file.Replace("x", version).ok());
    struct stat status;
    ASSERT_EQ(stat(file.path().c_str(), &status), 0);
    EXPECT_EQ(status.st_mtim.tv_sec, version);
  }
}

}  // namespace
}  // namespace sockhost
