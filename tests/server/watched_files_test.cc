#include "server/watched_files.h"

#include <gmock/gmock.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>

#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using testing::HasSubstr;

class WatchedFilesTest : public testing::Test {
 protected:
  void Write(const std::string& path, const std::string& text) {
    std::ofstream(path, std::ios::trunc) << text;
  }

  const TemporaryFolder folder_;
  const std::string first_ = folder_.Path("first");
  const std::string second_ = folder_.Path("second");
};

TEST_F(WatchedFilesTest, ChangeIsTakenOnceWhenItHasSettled) {
  Write(first_, "a");
  WatchedFiles files({first_, "", second_});
  EXPECT_FALSE(files.TakeChange());
  Write(first_, "ab");
  EXPECT_FALSE(files.TakeChange()) << "the writer may not have finished";
  EXPECT_TRUE(files.TakeChange());
  EXPECT_FALSE(files.TakeChange());
}

TEST_F(WatchedFilesTest, FileThatChangesOnIsWaitedFor) {
  WatchedFiles files({first_});
  for (int i = 1; i < 5; ++i) {
    Write(first_, std::string(static_cast<size_t>(i), 'x'));
    EXPECT_FALSE(files.TakeChange());
  }
  EXPECT_TRUE(files.TakeChange());
}

TEST_F(WatchedFilesTest, ReplacedAndRemovedFilesHaveChanged) {
  Write(first_, "a");
  Write(second_, "b");
  std::filesystem::create_symlink(first_, folder_.Path("link"));
  WatchedFiles files({folder_.Path("link")});
  std::filesystem::rename(second_, first_);
  files.TakeChange();
  EXPECT_TRUE(files.TakeChange());
  std::filesystem::remove(first_);
  files.TakeChange();
  EXPECT_TRUE(files.TakeChange());
}

class FollowedFilesTest : public WatchedFilesTest {
 protected:
  // Looks until the reload was called; after how many times.
  int LooksToReload() {
    const int before = reloads_;
    int looks = 0;
    while (reloads_ == before && looks < 100) {
      ++looks;
      said_ = files_.Follow([this] {
        ++reloads_;
        return outcome_;
      });
    }
    return looks;
  }

  WatchedFiles files_{{first_}};
  int reloads_ = 0;
  absl::Status outcome_ = absl::InternalError("no fd");
  std::optional<absl::Status> said_;
};

TEST_F(FollowedFilesTest, AreReadAgainUntilThatWorks) {
  Write(first_, "a");
  EXPECT_EQ(LooksToReload(), 2);
  EXPECT_EQ(said_, outcome_);
  for (const int looks : {1, 2, 4, 8, 16, 32, 32}) {
    EXPECT_EQ(LooksToReload(), looks);
    EXPECT_EQ(said_, std::nullopt) << "it is said once";
  }
  outcome_ = absl::OkStatus();
  EXPECT_EQ(LooksToReload(), 32);
  EXPECT_EQ(said_, absl::OkStatus());
  EXPECT_EQ(LooksToReload(), 100) << "no more";
}

TEST_F(FollowedFilesTest, AreReadAtOnceWhenTheyHaveChangedAgain) {
  Write(first_, "a");
  for (const int looks : {2, 1, 2, 4, 8}) EXPECT_EQ(LooksToReload(), looks);
  Write(first_, "ab");
  EXPECT_EQ(LooksToReload(), 2);
  EXPECT_EQ(said_, outcome_) << "said of each change";
  EXPECT_EQ(LooksToReload(), 1);
  outcome_ = absl::InternalError("a bad line");
  EXPECT_EQ(LooksToReload(), 2);
  EXPECT_EQ(said_, outcome_) << "another reason";
}

TEST_F(WatchedFilesTest, SmallFilesAreReadAndOthersRefused) {
  Write(first_, "text\n");
  EXPECT_EQ(ReadSmallFile(first_).value(), "text\n");
  EXPECT_THAT(std::string(ReadSmallFile(second_).status().message()), HasSubstr(second_));
  EXPECT_FALSE(ReadSmallFile(folder_.Path("")).ok()) << "a folder";
  Write(first_, std::string(2 << 20, 'x'));
  EXPECT_THAT(std::string(ReadSmallFile(first_).status().message()), HasSubstr("1 MiB"));
  ASSERT_EQ(mkfifo(second_.c_str(), 0600), 0);
  EXPECT_THAT(std::string(ReadSmallFile(second_).status().message()), HasSubstr("no regular file"));
  EXPECT_FALSE(ReadSmallFile("/dev/null").ok());
  Write(first_, "behind a link");
  std::filesystem::create_symlink(first_, folder_.Path("link"));
  EXPECT_EQ(ReadSmallFile(folder_.Path("link")).value(), "behind a link");
}

}  // namespace
}  // namespace sockhost
