#include "server/proxy_header.h"

#include <gtest/gtest.h>
#include <sys/un.h>

#include <string>

#include "absl/strings/escaping.h"
#include "sockhost/socket_address.h"

namespace sockhost {
namespace {

constexpr char kSignatureAndVersion[] = "0d0a0d0a000d0a515549540a21";

std::string Hex(const std::string& source, const std::string& destination) {
  sockaddr_storage from;
  sockaddr_storage to;
  SocketAddress::Parse(source).value().ToSockaddr(from);
  SocketAddress::Parse(destination).value().ToSockaddr(to);
  return absl::BytesToHexString(ProxyHeader(from, to));
}

TEST(ProxyHeaderTest, TcpOverIpv4) {
  EXPECT_EQ(
      Hex("tcp://192.0.2.1:258", "tcp://198.51.100.2:443"),
      std::string(kSignatureAndVersion) + "11000c" + "c0000201" + "c6336402" + "0102" + "01bb");
}

TEST(ProxyHeaderTest, TcpOverIpv6) {
  EXPECT_EQ(Hex("tcp://[2001:db8::1]:1", "tcp://[2001:db8::2]:2"),
            std::string(kSignatureAndVersion) + "210024" + "20010db8000000000000000000000001" +
                "20010db8000000000000000000000002" + "0001" + "0002");
}

TEST(ProxyHeaderTest, Ipv4InIpv6FormIsSentAsIpv4) {
  EXPECT_EQ(Hex("tcp://[::ffff:192.0.2.1]:258", "tcp://[::ffff:198.51.100.2]:443"),
            Hex("tcp://192.0.2.1:258", "tcp://198.51.100.2:443"));
}

TEST(ProxyHeaderTest, OtherFamiliesAreUnspecified) {
  sockaddr_storage unix_address{};
  unix_address.ss_family = AF_UNIX;
  EXPECT_EQ(absl::BytesToHexString(ProxyHeader(unix_address, unix_address)),
            std::string(kSignatureAndVersion) + "000000");
}

}  // namespace
}  // namespace sockhost
