#include "server/admin_address.h"

#include <gtest/gtest.h>

#include <string>

#include "sockhost/error.h"

namespace sockhost {
namespace {

TEST(AdminAddressTest, UnixPath) {
  const auto address = AdminAddress::Parse("unix:/run/sockhost/admin.sock");
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_TRUE(address->is_unix());
  EXPECT_EQ(address->path, "/run/sockhost/admin.sock");
  EXPECT_EQ(address->ToString(), "unix:/run/sockhost/admin.sock");
}

TEST(AdminAddressTest, Tcp) {
  for (const char* text : {"tcp://127.0.0.1:0", "tcp://[::1]:7070"}) {
    const auto address = AdminAddress::Parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_FALSE(address->is_unix());
    EXPECT_FALSE(address->tls);
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(AdminAddressTest, Tls) {
  for (const char* text : {"tls://127.0.0.1:0", "tls://[::1]:7070"}) {
    const auto address = AdminAddress::Parse(text);
    ASSERT_TRUE(address.ok()) << address.status();
    EXPECT_FALSE(address->is_unix());
    EXPECT_TRUE(address->tls);
    EXPECT_EQ(address->ToString(), text);
  }
}

TEST(AdminAddressTest, PathHasTheLengthThatTheKernelTakes) {
  // sun_path has 108 bytes, one of them for the end.
  EXPECT_TRUE(AdminAddress::Parse("unix:/" + std::string(106, 'x')).ok());
  EXPECT_FALSE(AdminAddress::Parse("unix:/" + std::string(107, 'x')).ok());
}

TEST(AdminAddressTest, OtherTextIsRefused) {
  for (const std::string& text :
       {std::string(), std::string("unix:"), std::string("unix:relative"),
        std::string("unix:@name"), std::string("/run/admin.sock"), std::string("udp://127.0.0.1:1"),
        std::string("tcp://localhost:1"), std::string("tls://localhost:1"),
        std::string("tls://udp://127.0.0.1:1"), std::string("tls:127.0.0.1:1"),
        std::string("127.0.0.1:1"), std::string("tcp://127.0.0.1"), std::string(100'000, 'x')}) {
    const absl::Status status = AdminAddress::Parse(text).status();
    const auto detail = DetailOf(status);
    ASSERT_TRUE(detail) << text.substr(0, 40);
    EXPECT_EQ(detail->reason, Reason::kADDRESS_INVALID);
    EXPECT_LT(status.message().size(), 1000u);
  }
}

TEST(AdminAddressTest, LoopbackIsWhatOnlyThisMachineReaches) {
  const auto is_loopback = [](const char* text) {
    return IsLoopback(SocketAddress::Parse(text).value());
  };
  EXPECT_TRUE(is_loopback("tcp://127.0.0.1:0"));
  EXPECT_TRUE(is_loopback("tcp://127.255.255.254:0"));
  EXPECT_TRUE(is_loopback("tcp://[::1]:0"));
  EXPECT_FALSE(is_loopback("tcp://0.0.0.0:0"));
  EXPECT_FALSE(is_loopback("tcp://[::]:0"));
  EXPECT_FALSE(is_loopback("tcp://126.0.0.1:0"));
  EXPECT_FALSE(is_loopback("tcp://128.0.0.1:0"));
  EXPECT_FALSE(is_loopback("tcp://[::2]:0"));
  EXPECT_FALSE(is_loopback("tcp://10.0.0.1:0"));
}

}  // namespace
}  // namespace sockhost
