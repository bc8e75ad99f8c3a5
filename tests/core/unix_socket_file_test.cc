// The files of unix sockets: who may remove which.
#include "service_core/unix_socket_file.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <latch>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "service_core/open_socket.h"
#include "sockhost/error.h"
#include "sockhost/unix_socket_lock.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

class UnixSocketFileTest : public testing::Test {
 protected:
  UnixSocketFileTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sockhost-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
    path_ = folder_ + "/x.sock";
  }
  ~UnixSocketFileTest() override { std::filesystem::remove_all(folder_); }

  SocketAddress Address(absl::string_view scheme = "unix://") const {
    return *SocketAddress::Parse(absl::StrCat(scheme, path_));
  }

  OpenedSocket Open(const SocketOptions& options = {}) const {
    absl::StatusOr<OpenedSocket> opened = OpenSocket(Address(), options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return opened.ok() ? *std::move(opened) : OpenedSocket();
  }

  // A socket file that a process left behind that was killed.
  void LeaveStaleFile(int type = SOCK_STREAM) const {
    const UniqueFd fd = NewSocket(AF_UNIX, type);
    sockaddr_storage storage;
    const socklen_t length = Address().ToSockaddr(storage);
    ASSERT_EQ(bind(fd.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  }

  unsigned Mode() const {
    struct stat status;
    return lstat(path_.c_str(), &status) == 0 ? status.st_mode & 07777 : 0;
  }

  std::optional<Reason> FailureOf(absl::string_view scheme = "unix://") const {
    const auto detail = DetailOf(OpenSocket(Address(scheme), {}).status());
    return detail ? std::optional(detail->reason) : std::nullopt;
  }

  std::string folder_;
  std::string path_;
};

TEST_F(UnixSocketFileTest, FileGoesWithItsSocket) {
  {
    const OpenedSocket opened = Open();
    EXPECT_TRUE(ConnectTo(opened.address).valid());
  }
  EXPECT_FALSE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketFileTest, FileOfAnotherSocketAtThePathStays) {
  OpenedSocket first = Open();
  // Somebody cleans up, and another process takes the path.
  std::filesystem::remove(path_);
  LeaveStaleFile();
  first = {};
  EXPECT_TRUE(std::filesystem::exists(path_));
}

TEST_F(UnixSocketFileTest, StaleFileIsReplaced) {
  for (const int type : {SOCK_STREAM, SOCK_DGRAM}) {
    LeaveStaleFile(type);
    EXPECT_TRUE(ConnectTo(Open().address).valid()) << type;
  }
}

TEST_F(UnixSocketFileTest, SocketThatAnswersIsInUse) {
  const OpenedSocket first = Open();
  EXPECT_EQ(FailureOf(), Reason::kADDRESS_IN_USE);
  // Of another type, too: there is one file.
  EXPECT_EQ(FailureOf("unixgram://"), Reason::kADDRESS_IN_USE);
  EXPECT_TRUE(ConnectTo(first.address).valid());
}

TEST_F(UnixSocketFileTest, FullQueueIsInUse) {
  SocketOptions options;
  options.backlog = 1;
  const OpenedSocket first = Open(options);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 2; ++i) clients.push_back(ConnectTo(first.address));
  EXPECT_EQ(FailureOf(), Reason::kADDRESS_IN_USE);
}

TEST_F(UnixSocketFileTest, FileThatIsNoSocketStays) {
  std::ofstream(path_) << "precious";
  EXPECT_EQ(FailureOf(), Reason::kADDRESS_IN_USE);
  EXPECT_EQ(std::filesystem::file_size(path_), 8u);
}

TEST_F(UnixSocketFileTest, LinkIsNotFollowed) {
  const std::string target = folder_ + "/target";
  std::filesystem::create_symlink(target, path_);
  EXPECT_EQ(FailureOf(), Reason::kADDRESS_IN_USE);
  EXPECT_FALSE(std::filesystem::exists(target));
}

TEST_F(UnixSocketFileTest, MissingFolderIsNoAddress) {
  path_ = folder_ + "/none/x.sock";
  EXPECT_EQ(FailureOf(), Reason::kADDRESS_NOT_AVAILABLE);
}

TEST_F(UnixSocketFileTest, OneOfManyThatFindAStaleFileTakesItsPlace) {
  constexpr int kOpeners = 4;
  for (int round = 0; round < 300; ++round) {
    LeaveStaleFile();
    std::latch start(kOpeners);
    std::array<absl::StatusOr<OpenedSocket>, kOpeners> opened;
    std::vector<std::thread> openers;
    for (absl::StatusOr<OpenedSocket>& result : opened) {
      openers.emplace_back([this, &start, &result] {
        start.arrive_and_wait();
        result = OpenSocket(Address(), {});
      });
    }
    for (std::thread& opener : openers) opener.join();
    const auto is_ok = [](const auto& result) { return result.ok(); };
    ASSERT_EQ(std::count_if(opened.begin(), opened.end(), is_ok), 1) << "round " << round;
    for (const auto& result : opened) {
      if (result.ok()) continue;
      ASSERT_EQ(DetailOf(result.status())->reason, Reason::kADDRESS_IN_USE);
    }
    ASSERT_TRUE(ConnectTo(Address()).valid());
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
}

TEST_F(UnixSocketFileTest, LockHasOneOwnerAndLeavesNothing) {
  {
    const UnixSocketLock first(path_);
    EXPECT_FALSE(first.is_taken());
    EXPECT_TRUE(UnixSocketLock(path_).is_taken());
    EXPECT_TRUE(UnixSocketLock(path_).is_taken());
    EXPECT_FALSE(UnixSocketLock(path_ + "2").is_taken());
    EXPECT_EQ(FailureOf(), Reason::kADDRESS_IN_USE);
  }
  EXPECT_TRUE(std::filesystem::is_empty(folder_));
  EXPECT_FALSE(UnixSocketLock(path_).is_taken());
}

TEST_F(UnixSocketFileTest, LockOfADeadProcessMeansNothing) {
  std::ofstream(path_ + ".lock").flush();
  EXPECT_TRUE(ConnectTo(Open().address).valid());
}

TEST_F(UnixSocketFileTest, ModeHoldsWhateverTheUmask) {
  for (const unsigned umask_bits : {0u, 0077u}) {
    const mode_t before = umask(umask_bits);
    SocketOptions options;
    {
      const OpenedSocket by_default = Open(options);
      EXPECT_EQ(Mode(), 0660u);
    }
    options.unix_access.mode = 0602;
    const OpenedSocket wanted = Open(options);
    EXPECT_EQ(Mode(), 0602u);
    umask(before);
  }
}

}  // namespace
}  // namespace sockhost
