#include "sockhost/socket_address.h"

#include <gmock/gmock.h>
#include <net/if.h>
#include <sys/un.h>

#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using testing::HasSubstr;

SocketAddress Address(absl::string_view text) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(SocketAddress());
}

std::string LoopbackInterface() {
  char name[IF_NAMESIZE] = "";
  for (unsigned i = 1; i < 64; ++i) {
    if (if_indextoname(i, name) && std::strncmp(name, "lo", 2) == 0) break;
  }
  return name;
}

struct ValidCase {
  const char* text;
  const char* printed;
  Protocol protocol;
  int family;
  int port;

  friend void PrintTo(const ValidCase& c, std::ostream* out) { *out << '"' << c.text << '"'; }
};

class ValidAddressTest : public testing::TestWithParam<ValidCase> {};

TEST_P(ValidAddressTest, IsParsedAndPrintedCanonically) {
  const ValidCase& expected = GetParam();
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(expected.text);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->ToString(), expected.printed);
  EXPECT_EQ(address->protocol(), expected.protocol);
  EXPECT_EQ(address->family(), expected.family);
  EXPECT_EQ(address->port(), expected.port);
  EXPECT_EQ(address->is_datagram(),
            expected.protocol == Protocol::kUdp || expected.protocol == Protocol::kUnixDatagram);
  EXPECT_EQ(address->is_unix(), expected.family == AF_UNIX);
  EXPECT_FALSE(address->empty());
}

TEST_P(ValidAddressTest, SurvivesPrintingAndTheKernelsForm) {
  const SocketAddress address = Address(GetParam().text);
  EXPECT_EQ(Address(address.ToString()), address);
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  EXPECT_EQ(storage.ss_family, address.family());
  EXPECT_EQ(SocketAddress::From(address.protocol(), reinterpret_cast<sockaddr*>(&storage), length),
            address);
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, ValidAddressTest,
    testing::Values(
        ValidCase{"tcp://127.0.0.1:8080", "tcp://127.0.0.1:8080", Protocol::kTcp, AF_INET, 8080},
        ValidCase{"udp://0.0.0.0:0", "udp://0.0.0.0:0", Protocol::kUdp, AF_INET, 0},
        ValidCase{"tcp://255.255.255.255:65535", "tcp://255.255.255.255:65535", Protocol::kTcp,
                  AF_INET, 65535},
        ValidCase{"tcp://10.0.0.1:00080", "tcp://10.0.0.1:80", Protocol::kTcp, AF_INET, 80},
        ValidCase{"udp://[::1]:7", "udp://[::1]:7", Protocol::kUdp, AF_INET6, 7},
        ValidCase{"tcp://[::]:0", "tcp://[::]:0", Protocol::kTcp, AF_INET6, 0},
        ValidCase{"tcp://[2001:DB8:0:0:0:0:0:1]:443", "tcp://[2001:db8::1]:443", Protocol::kTcp,
                  AF_INET6, 443},
        ValidCase{"tcp://[::ffff:192.0.2.1]:1", "tcp://[::ffff:192.0.2.1]:1", Protocol::kTcp,
                  AF_INET6, 1},
        ValidCase{"unix:///run/x.sock", "unix:///run/x.sock", Protocol::kUnixStream, AF_UNIX, 0},
        ValidCase{"unix:///run/it's \"x\".sock", "unix:///run/it's \"x\".sock",
                  Protocol::kUnixStream, AF_UNIX, 0},
        ValidCase{"unix:/run/x y.sock", "unix:///run/x y.sock", Protocol::kUnixStream, AF_UNIX, 0},
        ValidCase{"unixgram:///run/x:1", "unixgram:///run/x:1", Protocol::kUnixDatagram, AF_UNIX,
                  0},
        ValidCase{"unix:@name", "unix:@name", Protocol::kUnixStream, AF_UNIX, 0},
        ValidCase{"unixgram:@/@", "unixgram:@/@", Protocol::kUnixDatagram, AF_UNIX, 0}));

struct InvalidCase {
  const char* text;
  const char* complaint;

  friend void PrintTo(const InvalidCase& c, std::ostream* out) { *out << '"' << c.text << '"'; }
};

class InvalidAddressTest : public testing::TestWithParam<InvalidCase> {};

TEST_P(InvalidAddressTest, IsRefusedWithTheCause) {
  const InvalidCase& expected = GetParam();
  const absl::Status status = SocketAddress::Parse(expected.text).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr(expected.complaint));
  // What to write instead.
  EXPECT_THAT(std::string(status.message()), HasSubstr("tcp://127.0.0.1:8080"));
  const std::optional<ErrorDetail> detail = DetailOf(status);
  ASSERT_TRUE(detail.has_value());
  EXPECT_EQ(detail->reason, Reason::kADDRESS_INVALID);
  EXPECT_EQ(detail->metadata, (ErrorMetadata{{"address", expected.text}}));
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, InvalidAddressTest,
    testing::Values(InvalidCase{"", "empty"},                                   //
                    InvalidCase{"127.0.0.1:80", "protocol"},                    //
                    InvalidCase{"TCP://127.0.0.1:80", "protocol"},              //
                    InvalidCase{"sctp://127.0.0.1:80", "protocol"},             //
                    InvalidCase{"tcp:/127.0.0.1:80", "protocol"},               //
                    InvalidCase{" tcp://127.0.0.1:80", "protocol"},             //
                    InvalidCase{"tcp://", "no port"},                           //
                    InvalidCase{"tcp://127.0.0.1", "no port"},                  //
                    InvalidCase{"tcp://127.0.0.1:", "port \"\""},               //
                    InvalidCase{"tcp://127.0.0.1:65536", "port \"65536\""},     //
                    InvalidCase{"tcp://127.0.0.1:4294967376", "port"},          //
                    InvalidCase{"tcp://127.0.0.1:-1", "port \"-1\""},           //
                    InvalidCase{"tcp://127.0.0.1:+80", "port \"+80\""},         //
                    InvalidCase{"tcp://127.0.0.1:0x50", "port \"0x50\""},       //
                    InvalidCase{"tcp://127.0.0.1: 80", "port \" 80\""},         //
                    InvalidCase{"tcp://127.0.0.1:80/", "port \"80/\""},         //
                    InvalidCase{"tcp://127.0.0.1:http", "port \"http\""},       //
                    InvalidCase{"tcp://:80", "no host"},                        //
                    InvalidCase{"tcp://localhost:80", "host \"localhost\""},    //
                    InvalidCase{"tcp://256.0.0.1:80", "host \"256.0.0.1\""},    //
                    InvalidCase{"tcp://127.1:80", "host \"127.1\""},            //
                    InvalidCase{"tcp://0177.0.0.1:80", "host \"0177.0.0.1\""},  //
                    InvalidCase{"tcp://::1:80", "host \"::1\""},                //
                    InvalidCase{"tcp://[::1]", "port"},                         //
                    InvalidCase{"tcp://[::1:80", "no closing bracket"},         //
                    InvalidCase{"tcp://[:80", "no closing bracket"},            //
                    InvalidCase{"tcp://[]:80", "host \"\""},                    //
                    InvalidCase{"tcp://[127.0.0.1]:80", "host \"127.0.0.1\""},  //
                    InvalidCase{"tcp://[::g]:80", "host \"::g\""},              //
                    InvalidCase{"tcp://[fe80::1%]:80", "interface \"\""},       //
                    InvalidCase{"tcp://[fe80::1%+1]:80", "interface \"+1\""},   //
                    InvalidCase{"tcp://[fe80::1% 1]:80", "interface \" 1\""},   //
                    InvalidCase{"tcp://[fe80::1%0]:80", "interface \"0\""},     //
                    InvalidCase{"tcp://[fe80::1%4294967296]:80", "interface \"4294967296\""},
                    InvalidCase{"tcp://[fe80::1%nosuchif]:80", "interface \"nosuchif\""},
                    InvalidCase{"unix:", "no name"},                     //
                    InvalidCase{"unix:@", "no name"},                    //
                    InvalidCase{"unix://", "no name"},                   //
                    InvalidCase{"unix:relative", "not absolute"},        //
                    InvalidCase{"unixgram://relative", "not absolute"},  //
                    InvalidCase{"unixdgram:///x", "protocol"}));

TEST(SocketAddressTest, LongTextIsRefusedAndShortenedInTheMessage) {
  const std::string text = "tcp://" + std::string(100'000, '1') + ":80";
  const absl::Status status = SocketAddress::Parse(text).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("too long"));
  EXPECT_LT(status.message().size(), 1000u);
  EXPECT_EQ(DetailOf(status)->metadata.at("address").size(), 128u);
}

TEST(SocketAddressTest, LongestTextIsStillReported) {
  const std::string text = "tcp://" + std::string(119, 'h') + ":80";
  ASSERT_EQ(text.size(), 128u);
  EXPECT_THAT(std::string(SocketAddress::Parse(text).status().message()),
              HasSubstr("no literal IPv4 address"));
}

TEST(SocketAddressTest, NulByteIsRefusedAndKeptOutOfTheMessage) {
  const absl::string_view text("tcp://127.0.0.1\0:80", 19);
  const absl::Status status = SocketAddress::Parse(text).status();
  EXPECT_THAT(std::string(status.message()), HasSubstr("NUL"));
  EXPECT_EQ(status.message().find('\0'), absl::string_view::npos);
  EXPECT_EQ(DetailOf(status)->metadata.at("address"), "tcp://127.0.0.1\\x00:80");
}

TEST(SocketAddressTest, ControlCharactersAreEscapedInTheMessage) {
  const absl::Status status = SocketAddress::Parse("tcp://\033[2J:80").status();
  EXPECT_EQ(status.message().find('\033'), absl::string_view::npos) << status;
}

TEST(SocketAddressTest, ZoneIsAnInterfaceNameOrNumber) {
  const std::string name = LoopbackInterface();
  const unsigned index = if_nametoindex(name.c_str());
  ASSERT_NE(index, 0u);
  const SocketAddress by_name = Address(absl::StrCat("tcp://[fe80::1%", name, "]:80"));
  const SocketAddress by_number = Address(absl::StrCat("tcp://[fe80::1%", index, "]:80"));
  EXPECT_EQ(by_name, by_number);
  EXPECT_EQ(by_name.ToString(), absl::StrCat("tcp://[fe80::1%", name, "]:80"));
  EXPECT_NE(by_name, Address("tcp://[fe80::1]:80"));

  sockaddr_storage storage;
  by_name.ToSockaddr(storage);
  sockaddr_in6 in6;
  std::memcpy(&in6, &storage, sizeof(in6));
  EXPECT_EQ(in6.sin6_scope_id, index);
}

TEST(SocketAddressTest, ZoneOfAnInterfaceThatIsGoneIsANumber) {
  sockaddr_in6 in6{};
  in6.sin6_family = AF_INET6;
  in6.sin6_addr.s6_addr[0] = 0xfe;
  in6.sin6_addr.s6_addr[1] = 0x80;
  in6.sin6_scope_id = 4'000'000;
  const SocketAddress address =
      SocketAddress::From(Protocol::kUdp, reinterpret_cast<sockaddr*>(&in6), sizeof(in6));
  EXPECT_EQ(address.ToString(), "udp://[fe80::%4000000]:0");
  EXPECT_EQ(Address(address.ToString()), address);
}

TEST(SocketAddressTest, DefaultIsEmpty) {
  const SocketAddress address;
  EXPECT_TRUE(address.empty());
  EXPECT_EQ(address.ToString(), "");
  EXPECT_EQ(address.protocol(), Protocol::kNone);
  sockaddr_storage storage;
  EXPECT_EQ(address.ToSockaddr(storage), 0u);
}

TEST(SocketAddressTest, OtherFamilyIsEmptyButKeepsItsProtocol) {
  sockaddr_storage other{};
  other.ss_family = AF_NETLINK;
  const SocketAddress address =
      SocketAddress::From(Protocol::kNone, reinterpret_cast<sockaddr*>(&other), sizeof(other));
  EXPECT_TRUE(address.empty());
  EXPECT_EQ(address.ToString(), "");
}

// ---- Unix sockets -----------------------------------------------------------------

SocketAddress FromUnix(absl::string_view name, size_t counted) {
  sockaddr_un un{};
  un.sun_family = AF_UNIX;
  std::memcpy(un.sun_path, name.data(), name.size());
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + counted);
  return SocketAddress::From(Protocol::kUnixStream, reinterpret_cast<sockaddr*>(&un), length);
}

TEST(SocketAddressTest, UnixSocketWithoutANameIsEmptyButKeepsItsProtocol) {
  const SocketAddress address = FromUnix("", 0);
  EXPECT_TRUE(address.empty());
  EXPECT_EQ(address.ToString(), "");
  EXPECT_EQ(address.protocol(), Protocol::kUnixStream);
}

TEST(SocketAddressTest, PathFromTheKernelMayCountItsNulOrNot) {
  EXPECT_EQ(FromUnix("/a", 2), Address("unix:///a"));
  EXPECT_EQ(FromUnix("/a", 3), Address("unix:///a"));
  EXPECT_EQ(FromUnix("/a", 108), Address("unix:///a"));
}

TEST(SocketAddressTest, BytesThatAreNotPrintableAreEscaped) {
  EXPECT_EQ(FromUnix(absl::string_view("\0a\0\xff", 4), 4).ToString(), "unix:@a\\x00\\xff");
  EXPECT_EQ(FromUnix("/a\n", 4).ToString(), "unix:///a\\n");
}

TEST(SocketAddressTest, LongestNames) {
  const std::string longest(106, 'x');
  for (const std::string& head : {std::string("unix:///"), std::string("unix:@x")}) {
    const SocketAddress address = Address(head + longest);
    sockaddr_storage storage;
    const socklen_t length = address.ToSockaddr(storage);
    EXPECT_LE(length, sizeof(sockaddr_un));
    EXPECT_EQ(
        SocketAddress::From(Protocol::kUnixStream, reinterpret_cast<sockaddr*>(&storage), length),
        address);
    EXPECT_FALSE(SocketAddress::Parse(head + longest + "x").ok());
  }
  // A path that fills the array has no NUL.
  const SocketAddress full = FromUnix("/" + std::string(107, 'x'), 108);
  sockaddr_storage storage;
  EXPECT_EQ(full.ToSockaddr(storage), sizeof(sockaddr_un));
}

TEST(SocketAddressTest, CopiesOfUnixAddressesShareNothingThatChanges) {
  SocketAddress a = Address("unix:///a");
  SocketAddress b = a;
  a = Address("tcp://127.0.0.1:1");
  EXPECT_EQ(b.ToString(), "unix:///a");
  b = a;
  EXPECT_EQ(b, a);
  const SocketAddress& self = b;
  b = self;
  EXPECT_EQ(b.ToString(), "tcp://127.0.0.1:1");
  a = Address("unix:@x");
  b = a;
  a = SocketAddress();
  EXPECT_EQ(b, Address("unix:@x"));
}

// ---- Sources ----------------------------------------------------------------------

TEST(SocketAddressTest, SourceIsAnAddressOfIpv4OrA64OfIpv6) {
  const auto key = [](const char* text) { return Address(text).SourceKey(); };
  EXPECT_EQ(key("tcp://192.0.2.1:1"), key("tcp://192.0.2.1:2"));
  EXPECT_EQ(key("tcp://192.0.2.1:1"), key("tcp://[::ffff:192.0.2.1]:1"));
  EXPECT_NE(key("tcp://192.0.2.1:1"), key("tcp://192.0.2.2:1"));
  EXPECT_EQ(key("tcp://[2001:db8::1]:1"), key("tcp://[2001:db8::ffff:0:0:2]:1"));
  EXPECT_NE(key("tcp://[2001:db8::1]:1"), key("tcp://[2001:db8:0:1::1]:1"));
  EXPECT_NE(key("tcp://[::1]:1"), key("tcp://0.0.0.1:1"));
}

TEST(SocketAddressTest, TruncatedKernelFormIsEmpty) {
  sockaddr_in in{};
  in.sin_family = AF_INET;
  EXPECT_TRUE(SocketAddress::From(Protocol::kTcp, reinterpret_cast<sockaddr*>(&in), sizeof(in) - 1)
                  .empty());
  EXPECT_TRUE(SocketAddress::From(Protocol::kTcp, reinterpret_cast<sockaddr*>(&in), 0).empty());
}

struct OverlapCase {
  const char* a;
  const char* b;
  bool overlap;

  friend void PrintTo(const OverlapCase& c, std::ostream* out) { *out << c.a << " and " << c.b; }
};

class OverlapTest : public testing::TestWithParam<OverlapCase> {};

// What the kernel does with two sockets without SO_REUSEPORT, bind(2).
TEST_P(OverlapTest, IsSymmetricAndAsTheKernelSeesIt) {
  const OverlapCase& expected = GetParam();
  const SocketAddress a = Address(expected.a);
  const SocketAddress b = Address(expected.b);
  EXPECT_EQ(a.Overlaps(b), expected.overlap);
  EXPECT_EQ(b.Overlaps(a), expected.overlap);
}

INSTANTIATE_TEST_SUITE_P(
    Addresses, OverlapTest,
    testing::Values(OverlapCase{"tcp://127.0.0.1:80", "tcp://127.0.0.1:80", true},
                    OverlapCase{"tcp://127.0.0.1:80", "tcp://127.0.0.2:80", false},
                    OverlapCase{"tcp://127.0.0.1:80", "tcp://127.0.0.1:81", false},
                    OverlapCase{"tcp://127.0.0.1:80", "udp://127.0.0.1:80", false},
                    OverlapCase{"tcp://0.0.0.0:80", "tcp://127.0.0.1:80", true},
                    OverlapCase{"tcp://0.0.0.0:80", "udp://127.0.0.1:80", false},
                    OverlapCase{"tcp://[::]:80", "tcp://[::1]:80", true},
                    OverlapCase{"tcp://[::]:80", "tcp://127.0.0.1:80", true},
                    OverlapCase{"tcp://[::]:80", "tcp://0.0.0.0:80", true},
                    OverlapCase{"tcp://[::1]:80", "tcp://[::1]:80", true},
                    OverlapCase{"tcp://[::1]:80", "tcp://[::2]:80", false},
                    OverlapCase{"tcp://[::1]:80", "tcp://127.0.0.1:80", false},
                    OverlapCase{"tcp://0.0.0.0:80", "tcp://[::1]:80", false},
                    OverlapCase{"udp://0.0.0.0:53", "udp://[fe80::1]:53", false},
                    OverlapCase{"tcp://[::ffff:127.0.0.1]:80", "tcp://127.0.0.1:80", true},
                    OverlapCase{"tcp://[::ffff:127.0.0.1]:80", "tcp://127.0.0.2:80", false},
                    OverlapCase{"tcp://[::ffff:127.0.0.1]:80", "tcp://0.0.0.0:80", true},
                    OverlapCase{"tcp://[::ffff:0.0.0.0]:80", "tcp://127.0.0.1:80", true},
                    OverlapCase{"tcp://[::ffff:0.0.0.0]:80", "tcp://[::1]:80", false},
                    OverlapCase{"tcp://[::ffff:127.0.0.1]:80", "tcp://[::]:80", true},
                    OverlapCase{"tcp://[::ffff:127.0.0.1]:80", "tcp://[::1]:80", false},
                    OverlapCase{"unix:///a", "unix:///a", true},
                    OverlapCase{"unix:///a", "unixgram:///a", true},
                    OverlapCase{"unix:///a", "unix:///b", false},
                    OverlapCase{"unix:@a", "unixgram:@a", false},
                    OverlapCase{"unix:@a", "unix:@a", true},
                    OverlapCase{"unix:@/a", "unix:///a", false},
                    OverlapCase{"unix:///a", "tcp://127.0.0.1:80", false}));

TEST(SocketAddressTest, SameLinkLocalAddressInTwoZonesDoesNotOverlap) {
  const auto in_zone = [](uint32_t zone) {
    sockaddr_in6 in6{};
    in6.sin6_family = AF_INET6;
    in6.sin6_port = htons(80);
    in6.sin6_addr.s6_addr[0] = 0xfe;
    in6.sin6_addr.s6_addr[1] = 0x80;
    in6.sin6_addr.s6_addr[15] = 1;
    in6.sin6_scope_id = zone;
    return SocketAddress::From(Protocol::kTcp, reinterpret_cast<sockaddr*>(&in6), sizeof(in6));
  };
  EXPECT_FALSE(in_zone(1).Overlaps(in_zone(2)));
  EXPECT_TRUE(in_zone(2).Overlaps(in_zone(2)));
}

}  // namespace
}  // namespace sockhost
