#include "server/address_reach.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/core/process_limits.h"

namespace sockhost {
namespace {

bool DoesReach(const std::string& upstream, const std::string& listening, bool ipv6_only = false) {
  return Reaches(SocketAddress::Parse(upstream).value(), SocketAddress::Parse(listening).value(),
                 ipv6_only);
}

TEST(AddressReachTest, WildcardStandsForAddressesOfThisMachineAndItsFamilies) {
  EXPECT_TRUE(DoesReach("tcp://127.9.9.9:80", "tcp://0.0.0.0:80"));
  EXPECT_TRUE(DoesReach("tcp://[::ffff:127.0.0.1]:80", "tcp://0.0.0.0:80"));
  EXPECT_TRUE(DoesReach("tcp://127.0.0.1:80", "tcp://[::]:80"));
  EXPECT_FALSE(DoesReach("tcp://127.0.0.1:80", "tcp://[::]:80", /*ipv6_only=*/true));
  EXPECT_FALSE(DoesReach("tcp://[::1]:80", "tcp://0.0.0.0:80"));
  EXPECT_FALSE(DoesReach("tcp://127.0.0.1:80", "tcp://0.0.0.0:81"));
  EXPECT_FALSE(DoesReach("udp://127.0.0.1:80", "tcp://0.0.0.0:80"));
}

TEST(AddressReachTest, OtherMachinesAreNotThisOne) {
  EXPECT_FALSE(DoesReach("tcp://192.0.2.7:80", "tcp://0.0.0.0:80"));
  EXPECT_FALSE(DoesReach("tcp://192.0.2.7:80", "tcp://[::]:80"));
  EXPECT_FALSE(DoesReach("tcp://[2001:db8::7]:80", "tcp://[::]:80"));
}

// Rather a refusal too many than a listener that forwards to itself.
TEST(AddressReachTest, CountsAsOwnWhileTheKernelCannotBeAsked) {
  {
    const NoMoreFds none;
    EXPECT_TRUE(DoesReach("tcp://192.0.2.8:80", "tcp://0.0.0.0:80"));
  }
  EXPECT_FALSE(DoesReach("tcp://192.0.2.8:80", "tcp://0.0.0.0:80"));
}

}  // namespace
}  // namespace sockhost
