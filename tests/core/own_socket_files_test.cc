// Which paths lead to the unix sockets of this process.
#include "sockhost/own_socket_files.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "service_core/open_socket.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

class OwnSocketFilesTest : public testing::Test {
 protected:
  OwnSocketFilesTest() {
    std::string pattern = (std::filesystem::temp_directory_path() / "sockhost-XXXXXX").string();
    EXPECT_NE(mkdtemp(pattern.data()), nullptr);
    folder_ = pattern;
  }
  ~OwnSocketFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Path(absl::string_view name) const { return absl::StrCat(folder_, "/", name); }
  SocketAddress Address(absl::string_view name, absl::string_view scheme = "unix://") const {
    return *SocketAddress::Parse(absl::StrCat(scheme, Path(name)));
  }
  // The text form of the own socket to which the path leads.
  std::string OwnAt(absl::string_view name, absl::string_view scheme = "unix://") const {
    return OwnSocketAt(Address(name, scheme)).value_or(SocketAddress()).ToString();
  }

  std::string folder_;
};

TEST_F(OwnSocketFilesTest, OpenSocketIsFoundByEveryNameOfItsFile) {
  const OpenedSocket own = *OpenSocket(Address("own"), {});
  std::filesystem::create_symlink(Path("own"), Path("link"));
  std::filesystem::create_hard_link(Path("own"), Path("hard"));
  std::filesystem::create_directory_symlink(folder_, Path("folder"));
  for (const char* name : {"own", "./own", "/own", "link", "hard", "folder/own", "folder/link"}) {
    EXPECT_EQ(OwnAt(name), own.address.ToString()) << name;
  }
  std::filesystem::remove(Path("own"));
  EXPECT_EQ(OwnAt("hard"), own.address.ToString()) << "the socket is still there";
  EXPECT_EQ(OwnAt("own"), "");
}

TEST_F(OwnSocketFilesTest, OtherSocketsAreNotOwn) {
  const OpenedSocket own = *OpenSocket(Address("own"), {});
  const UniqueFd foreign = NewSocket(AF_UNIX, SOCK_STREAM);
  sockaddr_storage storage;
  const socklen_t length = Address("foreign").ToSockaddr(storage);
  ASSERT_EQ(bind(foreign.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  EXPECT_EQ(OwnAt("foreign"), "");
  EXPECT_EQ(OwnAt("missing"), "");
  EXPECT_EQ(OwnAt("own", "unixgram://"), "") << "nobody takes datagrams there";
  EXPECT_FALSE(OwnSocketAt(*SocketAddress::Parse("unix:@own")).has_value());
  EXPECT_FALSE(OwnSocketAt(*SocketAddress::Parse("tcp://127.0.0.1:1")).has_value());
}

TEST_F(OwnSocketFilesTest, ClosedSocketIsNoLongerOwn) {
  OpenedSocket own = *OpenSocket(Address("own"), {});
  std::filesystem::create_hard_link(Path("own"), Path("hard"));
  own = {};
  EXPECT_EQ(OwnAt("hard"), "");
}

TEST_F(OwnSocketFilesTest, AdoptedSocketIsOwnAsLongAsOneCopyIs) {
  UniqueFd passed = NewSocket(AF_UNIX, SOCK_STREAM);
  sockaddr_storage storage;
  const socklen_t length = Address("passed").ToSockaddr(storage);
  ASSERT_EQ(bind(passed.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  UniqueFd twice(dup(passed.get()));
  OpenedSocket first = *AdoptSocket(std::move(passed), {});
  OpenedSocket second = *AdoptSocket(std::move(twice), {});
  first = {};
  EXPECT_EQ(OwnAt("passed"), Address("passed").ToString());
  second = {};
  EXPECT_EQ(OwnAt("passed"), "");
}

}  // namespace
}  // namespace sockhost
