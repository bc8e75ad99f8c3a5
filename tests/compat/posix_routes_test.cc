// Sources that call close, send, recv and so on are counted if they include a Zephyr
// header, whatever else they include, and whatever they call their members.
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/select.h>
#include <sys/socket.h>

#include <cstring>
#include <ostream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "service_core/unique_fd.h"
#include "tests/compat/traffic_record.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"

extern "C" {
int use_zephyr_headers_first(int fd);
int use_zephyr_headers_last(int fd);
int use_system_headers_only(int fd);
int use_plain_posix(int fd);
int use_fortified_zephyr_headers_first(int fd);
int use_fortified_zephyr_headers_last(int fd);
int use_zephyr_headers_last_cxx(int fd);
int accept_with_zephyr_headers(int fd);
int open_ipv6_with_zephyr_headers(void);
int select_behind_the_set_with_zephyr_headers(fd_set* set);
}

namespace sockhost {
namespace {

using testing::IsEmpty;

enum class Routed { kAll, kAllButRead, kNothing };

struct Source {
  std::string name;
  int (*use)(int fd);
  Routed routed;
};

void PrintTo(const Source& source, std::ostream* out) { *out << source.name; }

class PosixRoutesTest : public testing::TestWithParam<Source> {
 protected:
  void SetUp() override { Traffic() = {}; }
};

TEST_P(PosixRoutesTest, CallsAreReported) {
  // A datagram socket that talks to itself.
  UniqueFd socket = BoundUdp();
  sockaddr_storage self;
  const socklen_t length = LocalAddress(socket.get(), Protocol::kUdp).ToSockaddr(self);
  ASSERT_EQ(connect(socket.get(), reinterpret_cast<sockaddr*>(&self), length), 0);
  const int fd = socket.release();

  EXPECT_EQ(GetParam().use(fd), 0);
  EXPECT_FALSE(IsOpen(fd));

  std::vector<ReceiveReport> received;
  std::vector<TransmitReport> transmitted;
  for (ssize_t size = 1; size <= 6; ++size) {
    transmitted.push_back({fd, size, static_cast<size_t>(size), 1});
    if (size != 4 || GetParam().routed == Routed::kAll) received.push_back({fd, size, 1, 0});
  }
  if (GetParam().routed == Routed::kNothing) {
    EXPECT_THAT(Traffic().received, IsEmpty());
    EXPECT_THAT(Traffic().transmitted, IsEmpty());
    EXPECT_THAT(Traffic().closed, IsEmpty());
  } else {
    EXPECT_EQ(Traffic().received, received);
    EXPECT_EQ(Traffic().transmitted, transmitted);
    EXPECT_EQ(Traffic().closed, std::vector<int>{fd});
  }
}

INSTANTIATE_TEST_SUITE_P(
    Sources, PosixRoutesTest,
    testing::Values(Source{"ZephyrHeadersFirst", use_zephyr_headers_first, Routed::kAll},
                    Source{"ZephyrHeadersLast", use_zephyr_headers_last, Routed::kAll},
                    Source{"SystemHeadersOnly", use_system_headers_only, Routed::kNothing},
                    Source{"PlainPosix", use_plain_posix, Routed::kNothing},
                    Source{"FortifiedZephyrHeadersFirst", use_fortified_zephyr_headers_first,
                           Routed::kAll},
                    Source{"FortifiedZephyrHeadersLast", use_fortified_zephyr_headers_last,
                           Routed::kAllButRead},
                    Source{"ZephyrHeadersLastCxx", use_zephyr_headers_last_cxx, Routed::kAll}),
    [](const testing::TestParamInfo<Source>& info) { return info.param.name; });

TEST(Accept4RouteTest, IsRouted) {
  const UniqueFd listening = NewSocket(AF_INET, SOCK_STREAM);
  BindToLoopback(listening.get());
  ASSERT_EQ(listen(listening.get(), 1), 0);
  const UniqueFd client = ConnectTo(LocalAddress(listening.get(), Protocol::kTcp));
  ASSERT_TRUE(WaitReadable(listening.get()));
  const UniqueFd accepted(accept_with_zephyr_headers(listening.get()));
  EXPECT_EQ(fcntl(accepted.get(), F_GETFD), FD_CLOEXEC);
  EXPECT_NE(fcntl(accepted.get(), F_GETFL) & O_NONBLOCK, 0);
}

TEST(SocketRouteTest, IsRouted) {
  const UniqueFd opened(open_ipv6_with_zephyr_headers());
  int is_v6_only = 0;
  socklen_t length = sizeof(is_v6_only);
  ASSERT_EQ(getsockopt(opened.get(), IPPROTO_IPV6, IPV6_V6ONLY, &is_v6_only, &length), 0);
  EXPECT_EQ(is_v6_only, 1);
}

TEST(FdSetRouteTest, FdsThatNoSetHoldsAreIgnored) {
  const FdLimit limit(2 * FD_SETSIZE);
  const UniqueFd high(fcntl(BoundUdp().get(), F_DUPFD_CLOEXEC, 2 * FD_SETSIZE - 1));
  ASSERT_TRUE(high.valid());
  fd_set sets[2];
  std::memset(sets, 0x55, sizeof(sets));
  FD_ZERO(&sets[0]);
  const fd_set behind = sets[1];
  EXPECT_EQ(select_behind_the_set_with_zephyr_headers(sets), 0);
  EXPECT_EQ(std::memcmp(&sets[1], &behind, sizeof(behind)), 0);
}

}  // namespace
}  // namespace sockhost
