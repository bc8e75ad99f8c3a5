/*
 * The prefixed socket names of Zephyr 4.4 (net_sockaddr, NET_AF_INET, ...) as
 * other spellings of the POSIX ones. Names with the ZSOCK_ prefix are in
 * zephyr/net/socket.h.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_NET_NAMES_H_
#define ZEPHYR_NET_NET_NAMES_H_

/* ---- Types ------------------------------------------------------------------ */

#define net_sa_family_t sa_family_t
#define net_socklen_t socklen_t
#define net_sockaddr sockaddr
#define net_sockaddr_in sockaddr_in
#define net_sockaddr_in6 sockaddr_in6
#define net_sockaddr_un sockaddr_un
#define net_sockaddr_ll sockaddr_ll
#define net_sockaddr_storage sockaddr_storage
#define net_in_addr in_addr
#define net_in6_addr in6_addr
#define net_iovec iovec
#define net_msghdr msghdr
#define net_cmsghdr cmsghdr
#define net_ip_mreq ip_mreq
#define net_ip_mreqn ip_mreqn
#define net_ipv6_mreq ipv6_mreq
#define net_in_pktinfo in_pktinfo
#define net_in6_pktinfo in6_pktinfo
#define net_ifreq ifreq
/* The member that names the interface of struct ipv6_mreq. */
#define ipv6mr_ifindex ipv6mr_interface

/* ---- Constants --------------------------------------------------------------- */

#define NET_AF_UNSPEC AF_UNSPEC
#define NET_AF_INET AF_INET
#define NET_AF_INET6 AF_INET6
#define NET_AF_UNIX AF_UNIX
#define NET_AF_LOCAL AF_LOCAL
#define NET_AF_PACKET AF_PACKET
#define NET_PF_UNSPEC PF_UNSPEC
#define NET_PF_INET PF_INET
#define NET_PF_INET6 PF_INET6
#define NET_PF_UNIX PF_UNIX
#define NET_PF_LOCAL PF_LOCAL
#define NET_PF_PACKET PF_PACKET

#define NET_SOCK_STREAM SOCK_STREAM
#define NET_SOCK_DGRAM SOCK_DGRAM
#define NET_SOCK_RAW SOCK_RAW

#define NET_IPPROTO_IP IPPROTO_IP
#define NET_IPPROTO_ICMP IPPROTO_ICMP
#define NET_IPPROTO_IGMP IPPROTO_IGMP
#define NET_IPPROTO_TCP IPPROTO_TCP
#define NET_IPPROTO_UDP IPPROTO_UDP
#define NET_IPPROTO_IPV6 IPPROTO_IPV6
#define NET_IPPROTO_ICMPV6 IPPROTO_ICMPV6
#define NET_IPPROTO_RAW IPPROTO_RAW

#define NET_INADDR_ANY INADDR_ANY
#define NET_INADDR_LOOPBACK INADDR_LOOPBACK
#define NET_INADDR_BROADCAST INADDR_BROADCAST
#define NET_INADDR_ANY_INIT INADDR_ANY_INIT
#define NET_INADDR_LOOPBACK_INIT INADDR_LOOPBACK_INIT
#define NET_IN6ADDR_ANY_INIT IN6ADDR_ANY_INIT
#define NET_IN6ADDR_LOOPBACK_INIT IN6ADDR_LOOPBACK_INIT
#define net_in6addr_any in6addr_any
#define net_in6addr_loopback in6addr_loopback
#define NET_INET_ADDRSTRLEN INET_ADDRSTRLEN
#define NET_INET6_ADDRSTRLEN INET6_ADDRSTRLEN
#define NET_IFNAMSIZ IFNAMSIZ

/* ---- Functions --------------------------------------------------------------- */

#define net_htons(x) htons(x)
#define net_htonl(x) htonl(x)
#define net_htonll(x) htonll(x)
#define net_ntohs(x) ntohs(x)
#define net_ntohl(x) ntohl(x)
#define net_ntohll(x) ntohll(x)

#define NET_CMSG_FIRSTHDR(message) CMSG_FIRSTHDR(message)
#define NET_CMSG_NXTHDR(message, header) CMSG_NXTHDR(message, header)
#define NET_CMSG_DATA(header) CMSG_DATA(header)
#define NET_CMSG_LEN(length) CMSG_LEN(length)
#define NET_CMSG_SPACE(length) CMSG_SPACE(length)

#endif /* ZEPHYR_NET_NET_NAMES_H_ */
