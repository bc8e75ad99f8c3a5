#include <zephyr/net/net_ip.h>

#include <cerrno>
#include <string>

#include "gtest/gtest.h"

namespace {

// What net_ipaddr_parse makes of `text`, printed again.
std::string Parsed(const std::string& text) {
  sockaddr_storage storage = {};
  if (!net_ipaddr_parse(text.data(), text.size(), net_sad(&storage))) return "refused";
  char host[NET_IPV6_ADDR_LEN];
  if (storage.ss_family == AF_INET) {
    const sockaddr_in* const v4 = net_sin(net_sad(&storage));
    return std::string(net_addr_ntop(AF_INET, &v4->sin_addr, host, sizeof(host))) + " port " +
           std::to_string(ntohs(v4->sin_port));
  }
  const sockaddr_in6* const v6 = net_sin6(net_sad(&storage));
  return std::string(net_addr_ntop(AF_INET6, &v6->sin6_addr, host, sizeof(host))) + " port " +
         std::to_string(ntohs(v6->sin6_port));
}

TEST(NetAddressTest, ParsesEveryForm) {
  EXPECT_EQ(Parsed("192.0.2.1"), "192.0.2.1 port 0");
  EXPECT_EQ(Parsed("192.0.2.1:80"), "192.0.2.1 port 80");
  EXPECT_EQ(Parsed("2001:db8::1"), "2001:db8::1 port 0");
  EXPECT_EQ(Parsed("[2001:db8::1]"), "2001:db8::1 port 0");
  EXPECT_EQ(Parsed("[2001:db8::1]:65535"), "2001:db8::1 port 65535");
}

TEST(NetAddressTest, RefusesTheRest) {
  for (const char* text :
       {"", "example.org", "192.0.2.1:", "192.0.2.1:65536", "192.0.2.1:8o", "192.0.2.256",
        "[2001:db8::1", "[2001:db8::1]80", "[]", "2001:db8:::1"}) {
    EXPECT_EQ(Parsed(text), "refused") << text;
  }
}

TEST(NetAddressTest, ReadsNoFurtherThanTold) {
  sockaddr_storage storage = {};
  EXPECT_TRUE(net_ipaddr_parse("192.0.2.12", 9, net_sad(&storage)));
  EXPECT_EQ(ntohl(net_sin(net_sad(&storage))->sin_addr.s_addr), 0xc0000201u);
}

TEST(NetAddressTest, DefaultPortIsSetOnce) {
  sockaddr_storage storage = {};
  EXPECT_EQ(net_port_set_default(net_sad(&storage), 1), -EINVAL);
  storage.ss_family = AF_INET6;
  EXPECT_EQ(net_port_set_default(net_sad(&storage), 123), 0);
  EXPECT_EQ(net_port_set_default(net_sad(&storage), 456), 0);
  EXPECT_EQ(ntohs(net_sin6(net_sad(&storage))->sin6_port), 123);
}

TEST(NetAddressTest, ClassesOfAddresses) {
  in_addr v4;
  EXPECT_EQ(net_addr_pton(AF_INET, "no address", &v4), -EINVAL);
  EXPECT_EQ(net_addr_pton(AF_INET, "127.1.2.3", &v4), 0);
  EXPECT_TRUE(net_ipv4_is_addr_loopback(&v4));
  net_addr_pton(AF_INET, "239.1.2.3", &v4);
  EXPECT_TRUE(net_ipv4_is_addr_mcast(&v4));
  net_addr_pton(AF_INET, "169.254.2.3", &v4);
  EXPECT_TRUE(net_ipv4_is_ll_addr(&v4));
  for (const char* text : {"10.1.2.3", "172.31.2.3", "192.168.2.3"}) {
    net_addr_pton(AF_INET, text, &v4);
    EXPECT_TRUE(net_ipv4_is_private_addr(&v4)) << text;
  }
  net_addr_pton(AF_INET, "172.32.2.3", &v4);
  EXPECT_FALSE(net_ipv4_is_private_addr(&v4));

  in6_addr v6 = IN6ADDR_ANY_INIT;
  EXPECT_TRUE(net_ipv6_is_addr_unspecified(&v6));
  net_addr_pton(AF_INET6, "::1", &v6);
  EXPECT_TRUE(net_ipv6_is_addr_loopback(&v6));
  net_addr_pton(AF_INET6, "fe80::1", &v6);
  EXPECT_TRUE(net_ipv6_is_ll_addr(&v6));
  net_addr_pton(AF_INET6, "ff02::1", &v6);
  EXPECT_TRUE(net_ipv6_is_addr_mcast(&v6));
  net_ipv6_addr_create_v4_mapped(&v4, &v6);
  EXPECT_TRUE(net_ipv6_addr_is_v4_mapped(&v6));
  char text[NET_IPV6_ADDR_LEN];
  EXPECT_STREQ(net_addr_ntop(AF_INET6, &v6, text, sizeof(text)), "::ffff:172.32.2.3");
  EXPECT_EQ(net_addr_ntop(AF_INET6, &v6, text, 3), nullptr);
}

TEST(NetAddressTest, Families) {
  EXPECT_STREQ(net_family2str(AF_INET6), "AF_INET6");
  EXPECT_STREQ(net_family2str(4711), "unknown");
  EXPECT_EQ(net_family2size(AF_INET), sizeof(sockaddr_in));
  EXPECT_EQ(net_family2size(4711), 0u);
}

}  // namespace
