/*
 * Internet addresses under Zephyr's names. Every structure and constant is the
 * C library's, so that addresses pass freely between zsock_ and POSIX calls.
 * One difference follows: struct sockaddr has 16 bytes here and does not hold an
 * IPv6 address; use struct sockaddr_storage (or sockaddr_in6) for that.
 *
 * Thread rule: any thread; nothing here keeps state.
 *
 * Source: Zephyr API documentation, "IPv4/IPv6 primitives and helpers";
 * ip(7), ipv6(7).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_NET_IP_H_
#define ZEPHYR_NET_NET_IP_H_

#include <zephyr/net/net_names.h>
#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <arpa/inet.h>
#include <endian.h>
#include <errno.h>
#include <net/if.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <zephyr/sys/byteorder.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Buffer sizes for net_addr_ntop(). */
#define NET_IPV4_ADDR_LEN INET_ADDRSTRLEN
#define NET_IPV6_ADDR_LEN INET6_ADDRSTRLEN
/* Bytes of an address. */
#define NET_IPV4_ADDR_SIZE 4
#define NET_IPV6_ADDR_SIZE 16
#define NET_IPV4_MTU 576
#define NET_IPV6_MTU 1280

#define INADDR_ANY_INIT \
  { INADDR_ANY }
#define INADDR_LOOPBACK_INIT \
  { sys_cpu_to_be32(INADDR_LOOPBACK) }

#ifndef htonll
#define htonll(x) sys_cpu_to_be64(x)
#endif
#ifndef ntohll
#define ntohll(x) sys_be64_to_cpu(x)
#endif

/* ---- Views of one address --------------------------------------------------- */

static inline struct sockaddr_in *net_sin(const struct sockaddr *addr) {
  return (struct sockaddr_in *)addr;
}
static inline struct sockaddr_in6 *net_sin6(const struct sockaddr *addr) {
  return (struct sockaddr_in6 *)addr;
}
static inline struct sockaddr *net_sad(const struct sockaddr_storage *addr) {
  return (struct sockaddr *)addr;
}

/* ---- Text ------------------------------------------------------------------- */

/* Parses `src` into a struct in_addr or in6_addr. 0, or -EINVAL. */
int net_addr_pton(sa_family_t family, const char *src, void *dst);

/* Prints a struct in_addr or in6_addr. `dst`, or NULL if it does not fit. */
char *net_addr_ntop(sa_family_t family, const void *src, char *dst, size_t size);

/*
 * Parses the first `str_len` bytes of "192.0.2.1", "192.0.2.1:80", "2001:db8::1"
 * or "[2001:db8::1]:80" into `addr`, which has room for the family found (see
 * the note at the top). Without a port sin_port is 0. False if it is none of these.
 */
bool net_ipaddr_parse(const char *str, size_t str_len, struct sockaddr *addr);

/* Sets the port unless one is set. 0, or -EINVAL for an unknown family. */
int net_port_set_default(struct sockaddr *addr, uint16_t default_port);

/* "AF_INET" and the like; never NULL. */
const char *net_family2str(sa_family_t family);

/* Size of the address structure of `family`; 0 if unknown. */
size_t net_family2size(sa_family_t family);

/* ---- IPv4 ------------------------------------------------------------------- */

static inline bool net_ipv4_addr_cmp(const struct in_addr *a, const struct in_addr *b) {
  return a->s_addr == b->s_addr;
}
static inline bool net_ipv4_is_addr_unspecified(const struct in_addr *addr) {
  return addr->s_addr == sys_cpu_to_be32(INADDR_ANY);
}
static inline bool net_ipv4_is_addr_loopback(const struct in_addr *addr) {
  return (sys_be32_to_cpu(addr->s_addr) >> 24) == 127;
}
static inline bool net_ipv4_is_addr_mcast(const struct in_addr *addr) {
  return (sys_be32_to_cpu(addr->s_addr) >> 28) == 0xe;
}
static inline bool net_ipv4_is_ll_addr(const struct in_addr *addr) {
  return (sys_be32_to_cpu(addr->s_addr) >> 16) == 0xa9fe;
}
static inline bool net_ipv4_is_private_addr(const struct in_addr *addr) {
  const uint32_t host = sys_be32_to_cpu(addr->s_addr);
  return (host >> 24) == 10 || (host >> 20) == 0xac1 || (host >> 16) == 0xc0a8;
}

/* ---- IPv6 ------------------------------------------------------------------- */

static inline bool net_ipv6_addr_cmp(const struct in6_addr *a, const struct in6_addr *b) {
  return memcmp(a, b, sizeof(*a)) == 0;
}
static inline bool net_ipv6_is_addr_unspecified(const struct in6_addr *addr) {
  return net_ipv6_addr_cmp(addr, &in6addr_any);
}
static inline bool net_ipv6_is_addr_loopback(const struct in6_addr *addr) {
  return net_ipv6_addr_cmp(addr, &in6addr_loopback);
}
static inline bool net_ipv6_is_addr_mcast(const struct in6_addr *addr) {
  return addr->s6_addr[0] == 0xff;
}
static inline bool net_ipv6_is_ll_addr(const struct in6_addr *addr) {
  return addr->s6_addr[0] == 0xfe && (addr->s6_addr[1] & 0xc0) == 0x80;
}
static inline bool net_ipv6_addr_is_v4_mapped(const struct in6_addr *addr) {
  static const uint8_t prefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  return memcmp(addr, prefix, sizeof(prefix)) == 0;
}
static inline void net_ipv6_addr_create_v4_mapped(const struct in_addr *addr4,
                                                  struct in6_addr *addr6) {
  memset(addr6, 0, sizeof(*addr6));
  addr6->s6_addr[10] = 0xff;
  addr6->s6_addr[11] = 0xff;
  memcpy(&addr6->s6_addr[12], addr4, sizeof(*addr4));
}

/* Copies between two addresses of one type. */
#define net_ipaddr_copy(dst, src) (*(dst) = *(src))
#define net_ipv4_addr_copy_raw(dst, src) memcpy((dst), (src), NET_IPV4_ADDR_SIZE)
#define net_ipv6_addr_copy_raw(dst, src) memcpy((dst), (src), NET_IPV6_ADDR_SIZE)

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_NET_NET_IP_H_ */
