#include "service_core/open_socket.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>

#include <cerrno>
#include <fstream>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Contains;
using testing::HasSubstr;
using testing::Pair;

SocketAddress Address(absl::string_view text) {
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(text);
  EXPECT_TRUE(address.ok()) << address.status();
  return address.value_or(SocketAddress());
}

OpenedSocket Open(absl::string_view address, const SocketOptions& options = {}) {
  absl::StatusOr<OpenedSocket> opened = OpenSocket(Address(address), options);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : OpenedSocket();
}

int Option(int fd, int level, int option) {
  int value = -1;
  socklen_t length = sizeof(value);
  EXPECT_EQ(getsockopt(fd, level, option, &value, &length), 0);
  return value;
}

int ReadNumber(const char* path) {
  int number = -1;
  std::ifstream(path) >> number;
  return number;
}

// The same host, with the port that `opened` got.
std::string WithPortOf(const OpenedSocket& opened, absl::string_view scheme_and_host) {
  return absl::StrCat(scheme_and_host, ":", opened.address.port());
}

void ExpectFailure(absl::string_view address, Reason reason, absl::string_view errno_name) {
  const int64_t fds_before = CountOpenFds();
  const absl::Status status = OpenSocket(Address(address), {}).status();
  const std::optional<ErrorDetail> detail = DetailOf(status);
  ASSERT_TRUE(detail.has_value()) << status;
  EXPECT_EQ(ReasonName(detail->reason), ReasonName(reason)) << status;
  EXPECT_THAT(detail->metadata, Contains(Pair("address", address)));
  EXPECT_THAT(detail->metadata, Contains(Pair("errno", errno_name)));
  EXPECT_THAT(std::string(status.message()), HasSubstr(std::string(address)));
  EXPECT_EQ(CountOpenFds(), fds_before);
}

class OpenSocketTest : public testing::TestWithParam<const char*> {};

TEST_P(OpenSocketTest, SocketIsBoundToAPortAndDoesNotBlock) {
  const OpenedSocket opened = Open(GetParam());
  EXPECT_NE(opened.address.port(), 0);
  EXPECT_EQ(opened.address, LocalAddress(opened.fd.get(), Address(GetParam()).protocol()));
  EXPECT_TRUE(fcntl(opened.fd.get(), F_GETFL) & O_NONBLOCK);
  EXPECT_TRUE(fcntl(opened.fd.get(), F_GETFD) & FD_CLOEXEC);
}

TEST_P(OpenSocketTest, SocketTakesTraffic) {
  const OpenedSocket opened = Open(GetParam());
  const UniqueFd client = ConnectTo(opened.address);
  if (opened.address.is_datagram()) SendText(client.get(), "x");
  EXPECT_TRUE(WaitReadable(opened.fd.get()));
}

TEST_P(OpenSocketTest, OnlyStreamSocketsListen) {
  const OpenedSocket opened = Open(GetParam());
  EXPECT_EQ(Option(opened.fd.get(), SOL_SOCKET, SO_ACCEPTCONN),
            opened.address.is_datagram() ? 0 : 1);
}

TEST_P(OpenSocketTest, SecondSocketFindsTheAddressInUse) {
  const OpenedSocket first = Open(GetParam());
  ExpectFailure(first.address.ToString(), Reason::kADDRESS_IN_USE, "EADDRINUSE");
}

TEST_P(OpenSocketTest, PortIsFreeAgainAfterTheClose) {
  OpenedSocket first = Open(GetParam());
  const std::string address = first.address.ToString();
  first.fd.reset();
  EXPECT_EQ(Open(address).address.ToString(), address);
}

TEST_P(OpenSocketTest, NothingStaysOpenAtTheFdLimit) {
  const absl::Status status = [] {
    const NoMoreFds limit;
    return OpenSocket(Address(GetParam()), {}).status();
  }();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  const std::optional<ErrorDetail> detail = DetailOf(status);
  ASSERT_TRUE(detail.has_value()) << status;
  EXPECT_EQ(detail->reason, Reason::kFD_LIMIT);
  EXPECT_THAT(detail->metadata, Contains(Pair("setting", "RLIMIT_NOFILE")));
}

INSTANTIATE_TEST_SUITE_P(Protocols, OpenSocketTest,
                         testing::Values("tcp://127.0.0.1:0", "udp://127.0.0.1:0", "tcp://[::1]:0",
                                         "udp://[::1]:0"));

TEST(OpenSocketErrorTest, AddressOfAnotherHostIsNotAvailable) {
  ExpectFailure("tcp://192.0.2.1:0", Reason::kADDRESS_NOT_AVAILABLE, "EADDRNOTAVAIL");
  ExpectFailure("udp://192.0.2.1:0", Reason::kADDRESS_NOT_AVAILABLE, "EADDRNOTAVAIL");
  ExpectFailure("tcp://[2001:db8::1]:0", Reason::kADDRESS_NOT_AVAILABLE, "EADDRNOTAVAIL");
}

TEST(OpenSocketErrorTest, LinkLocalAddressWithoutZoneIsNotAvailable) {
  ExpectFailure("tcp://[fe80::1]:0", Reason::kADDRESS_NOT_AVAILABLE, "EINVAL");
}

TEST(OpenSocketErrorTest, ZoneWithoutInterfaceIsNotAvailable) {
  ExpectFailure("tcp://[fe80::1%4000000]:0", Reason::kADDRESS_NOT_AVAILABLE, "ENODEV");
}

TEST(OpenSocketErrorTest, PrivilegedPortIsNotPermitted) {
  if (ReadNumber("/proc/sys/net/ipv4/ip_unprivileged_port_start") <= 1) {
    GTEST_SKIP() << "every port is unprivileged in this namespace";
  }
  // On a thread of its own: capabilities belong to threads.
  std::thread([] {
    DropCapability(CAP_NET_BIND_SERVICE);
    ExpectFailure("tcp://127.0.0.1:1", Reason::kBIND_NOT_PERMITTED, "EACCES");
    const absl::Status status = OpenSocket(Address("udp://127.0.0.1:1"), {}).status();
    ASSERT_TRUE(DetailOf(status).has_value()) << status;
    EXPECT_THAT(DetailOf(status)->metadata, Contains(Pair("capability", "CAP_NET_BIND_SERVICE")));
  }).join();
}

TEST(OpenSocketBacklogTest, BacklogIsWhatTheKernelGrants) {
  const int most = ReadNumber("/proc/sys/net/core/somaxconn");
  ASSERT_GT(most, 1);
  EXPECT_EQ(Open("tcp://127.0.0.1:0", {.backlog = 1}).effective_backlog, 1);
  EXPECT_EQ(Open("tcp://127.0.0.1:0", {.backlog = most}).effective_backlog, most);
  EXPECT_EQ(Open("tcp://127.0.0.1:0", {.backlog = most + 1}).effective_backlog, most);
  EXPECT_EQ(Open("udp://127.0.0.1:0", {.backlog = 7}).effective_backlog, 0);
}

TEST(OpenSocketBacklogTest, KernelKnowsTheBacklog) {
  const OpenedSocket opened = Open("tcp://127.0.0.1:0", {.backlog = 17});
  tcp_info info{};
  socklen_t length = sizeof(info);
  ASSERT_EQ(getsockopt(opened.fd.get(), IPPROTO_TCP, TCP_INFO, &info, &length), 0);
  // tcp_info of a listening socket: sacked is the limit of its queue.
  EXPECT_EQ(info.tcpi_sacked, 17u);
}

TEST(OpenSocketIpv6Test, WildcardTakesIpv4UnlessToldOtherwise) {
  const OpenedSocket both = Open("tcp://[::]:0", {.ipv6_only = false});
  EXPECT_TRUE(TryConnect(Address(WithPortOf(both, "tcp://127.0.0.1"))).valid());
  EXPECT_TRUE(TryConnect(Address(WithPortOf(both, "tcp://[::1]"))).valid());

  const OpenedSocket only = Open("tcp://[::]:0", {.ipv6_only = true});
  EXPECT_FALSE(TryConnect(Address(WithPortOf(only, "tcp://127.0.0.1"))).valid());
  EXPECT_TRUE(TryConnect(Address(WithPortOf(only, "tcp://[::1]"))).valid());
}

TEST(OpenSocketIpv6Test, Ipv6OnlyLeavesThePortToIpv4) {
  const OpenedSocket ipv6 = Open("udp://[::]:0", {.ipv6_only = true});
  const OpenedSocket ipv4 = Open(WithPortOf(ipv6, "udp://0.0.0.0"));
  EXPECT_EQ(ipv4.address.port(), ipv6.address.port());
}

TEST(OpenSocketReuseTest, TcpPortIsFreeWhileOldConnectionsAreInTimeWait) {
  OpenedSocket first = Open("tcp://127.0.0.1:0");
  const std::string address = first.address.ToString();
  UniqueFd client = ConnectTo(first.address);
  ASSERT_TRUE(WaitReadable(first.fd.get()));
  UniqueFd connection(accept4(first.fd.get(), nullptr, nullptr, SOCK_CLOEXEC));
  // The side that closes first keeps the port in TIME_WAIT.
  connection.reset();
  EXPECT_TRUE(WaitClosed(client.get()));
  client.reset();
  first.fd.reset();
  EXPECT_EQ(Open(address).address.ToString(), address);
}

TEST(OpenSocketReuseTest, UdpPortCannotBeSharedBySettingReuseAddress) {
  const OpenedSocket first = Open("udp://127.0.0.1:0");
  const UniqueFd thief = NewSocket(AF_INET, SOCK_DGRAM);
  const int on = 1;
  ASSERT_EQ(setsockopt(thief.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)), 0);
  sockaddr_storage storage;
  const socklen_t length = first.address.ToSockaddr(storage);
  EXPECT_EQ(bind(thief.get(), reinterpret_cast<sockaddr*>(&storage), length), -1);
  EXPECT_EQ(errno, EADDRINUSE);
}

}  // namespace
}  // namespace sockhost
