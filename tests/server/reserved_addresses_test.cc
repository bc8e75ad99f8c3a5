#include "server/reserved_addresses.h"

#include <gtest/gtest.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "absl/strings/str_cat.h"
#include "server/admin_address.h"
#include "tests/core/sockets.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

class ReservedAddressesTest : public testing::Test {
 protected:
  void Reserve(const std::string& text) {
    addresses_.Add(AdminAddress::Parse(text).value().ToSocketAddress(), text);
  }
  bool IsReserved(const std::string& text) const {
    return addresses_.ReachedBy(SocketAddress::Parse(text).value()).has_value();
  }

  ReservedAddresses addresses_;
};

TEST_F(ReservedAddressesTest, SocketFileIsKnownByEveryName) {
  const TemporaryFolder folder;
  const std::string path = folder.Path("admin.sock");
  const UniqueFd socket_fd(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  const socklen_t length = SocketAddress::Parse("unix://" + path).value().ToSockaddr(storage);
  ASSERT_EQ(bind(socket_fd.get(), reinterpret_cast<sockaddr*>(&storage), length), 0);
  Reserve("unix:" + path);
  std::filesystem::create_symlink(path, folder.Path("link"));
  std::filesystem::create_hard_link(path, folder.Path("hard"));
  std::filesystem::create_directory_symlink(folder.Path("."), folder.Path("folder"));
  for (const char* name : {"admin.sock", "./admin.sock", "/admin.sock", "link", "hard",
                           "folder/admin.sock", "folder/link"}) {
    EXPECT_TRUE(IsReserved(absl::StrCat("unix://", folder.Path(name)))) << name;
  }
  std::filesystem::remove(path);
  EXPECT_TRUE(IsReserved("unix://" + path)) << "by its name";
  EXPECT_TRUE(IsReserved("unix://" + folder.Path("hard"))) << "the socket is still there";
  EXPECT_FALSE(IsReserved("unix://" + folder.Path("other.sock")));
  EXPECT_FALSE(IsReserved("unixgram://" + path)) << "nobody takes datagrams there";
  EXPECT_FALSE(IsReserved("unix:@admin"));
}

TEST_F(ReservedAddressesTest, PortIsKnownByEveryAddressThatLeadsThere) {
  Reserve("tcp://127.0.0.1:7001");
  for (const char* text :
       {"tcp://127.0.0.1:7001", "tcp://0.0.0.0:7001", "tcp://[::ffff:127.0.0.1]:7001"}) {
    EXPECT_TRUE(IsReserved(text)) << text;
  }
  for (const char* text : {"tcp://127.0.0.1:7002", "tcp://127.0.0.2:7001", "tcp://[::1]:7001",
                           "udp://127.0.0.1:7001", "tcp://192.0.2.1:7001"}) {
    EXPECT_FALSE(IsReserved(text)) << text;
  }
}

TEST_F(ReservedAddressesTest, WildcardStandsForEveryAddressOfThisMachine) {
  Reserve("tls://[::]:7001");
  for (const char* text : {"tcp://127.0.0.1:7001", "tcp://127.9.9.9:7001", "tcp://[::1]:7001",
                           "tcp://0.0.0.0:7001", "tcp://[::]:7001"}) {
    EXPECT_TRUE(IsReserved(text)) << text;
  }
  EXPECT_FALSE(IsReserved("tcp://192.0.2.1:7001")) << "another machine";
  EXPECT_EQ(addresses_.ReachedBy(SocketAddress::Parse("tcp://127.0.0.1:7001").value()),
            "tls://[::]:7001")
      << "as the operator wrote it";
}

}  // namespace
}  // namespace sockhost
