/*
 * Zephyr's sockets on Linux: zsock_ functions and ZSOCK_ constants.
 *
 * The types and constants are the C library's: struct zsock_pollfd is struct
 * pollfd, an fd of one family works with the other. What the functions add:
 *   - bytes, messages, and closing of registered sockets are counted;
 *   - a peer that went away is EPIPE, never SIGPIPE;
 *   - TCP sockets bind with SO_REUSEADDR: Zephyr can restart a server on its port
 *     at once, Linux only so;
 *   - IPv6 sockets have IPV6_V6ONLY set: in Zephyr a server of IPv4 and one of IPv6
 *     share a port. Set it to 0 before binding to take both with one socket;
 *   - new sockets are not inherited by programs that the process starts;
 *   - signals that the host takes interrupt no call: EINTR comes from others only.
 * All fds block unless O_NONBLOCK is set, as on Zephyr.
 *
 * The plain names (close, recv, send, FD_SET, ...) are routed to these functions in every
 * source that includes this file: see sockhost/posix_routes.h. A source that
 * defines SOCKHOST_PLAIN_POSIX gets the declarations below and nothing else: no
 * routes, no kernel names.
 *
 * Thread rule: any thread and inside handlers. Errors: -1 and errno, as the
 * POSIX call of the same name, unless said otherwise.
 *
 * Source: Zephyr API documentation, "BSD Sockets"; POSIX.1-2008.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_NET_SOCKET_H_
#define ZEPHYR_NET_SOCKET_H_

#include <zephyr/types.h>
#ifndef SOCKHOST_PLAIN_POSIX
#include <sockhost/posix_routes.h>
#include <zephyr/kernel.h>
#endif
/* After the routes, not before. */
#include <fcntl.h>
#include <netdb.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/net/socket_options.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Types ------------------------------------------------------------------- */

#define zsock_pollfd pollfd
#define zsock_addrinfo addrinfo
#define zsock_fd_set fd_set
#define zsock_timeval timeval

/* <netdb.h> may not have it: see zephyr/toolchain.h. */
struct addrinfo;

/* ---- Life of a socket -------------------------------------------------------- */

int zsock_socket(int family, int type, int proto);
int zsock_socketpair(int family, int type, int proto, int *sv);
int zsock_bind(int sock, const struct sockaddr *addr, socklen_t addrlen);
int zsock_connect(int sock, const struct sockaddr *addr, socklen_t addrlen);
int zsock_listen(int sock, int backlog);
int zsock_accept(int sock, struct sockaddr *addr, socklen_t *addrlen);
/* accept4(2); SOCK_CLOEXEC is always set. */
int sockhost_accept4(int sock, struct sockaddr *addr, socklen_t *addrlen, int flags);
int zsock_shutdown(int sock, int how);

/* Unregisters a socket that is still registered. One of a listener is closed by the
 * host when the handler returns, or soon if another thread calls this. */
int zsock_close(int sock);

/* ---- Data -------------------------------------------------------------------- */

ssize_t zsock_send(int sock, const void *buf, size_t len, int flags);
ssize_t zsock_sendto(int sock, const void *buf, size_t len, int flags,
                     const struct sockaddr *dest_addr, socklen_t addrlen);
ssize_t zsock_sendmsg(int sock, const struct msghdr *msg, int flags);
ssize_t zsock_recv(int sock, void *buf, size_t max_len, int flags);

/* At the end of a stream `src_addr` is the peer's address, or has the family
 * AF_UNSPEC if that is not known any more. (During a stream Linux leaves it
 * alone, as Zephyr does.) */
ssize_t zsock_recvfrom(int sock, void *buf, size_t max_len, int flags, struct sockaddr *src_addr,
                       socklen_t *addrlen);
ssize_t zsock_recvmsg(int sock, struct msghdr *msg, int flags);

/* read(2), write(2), readv(2) and writev(2); `fd` need not be a socket. */
ssize_t sockhost_read(int fd, void *buf, size_t size);
ssize_t sockhost_write(int fd, const void *buf, size_t size);
ssize_t sockhost_readv(int fd, const struct iovec *parts, int count);
ssize_t sockhost_writev(int fd, const struct iovec *parts, int count);

/* ---- State and options -------------------------------------------------------- */

int zsock_getsockopt(int sock, int level, int optname, void *optval, socklen_t *optlen);
int zsock_setsockopt(int sock, int level, int optname, const void *optval, socklen_t optlen);
int zsock_getsockname(int sock, struct sockaddr *addr, socklen_t *addrlen);
int zsock_getpeername(int sock, struct sockaddr *addr, socklen_t *addrlen);
int zsock_fcntl(int sock, int cmd, int flags);
int zsock_ioctl(int sock, unsigned long request, ...);

/* ---- Waiting ------------------------------------------------------------------ */

int zsock_poll(struct zsock_pollfd *fds, int nfds, int timeout_ms);
int zsock_select(int nfds, zsock_fd_set *readfds, zsock_fd_set *writefds, zsock_fd_set *exceptfds,
                 struct zsock_timeval *timeout);

/* A set holds the fds below this number, and a process may have more: others are
 * never in it. zsock_poll() takes any fd. */
#define ZSOCK_FD_SETSIZE FD_SETSIZE

static inline void ZSOCK_FD_ZERO(zsock_fd_set *set) { FD_ZERO(set); }
static inline void ZSOCK_FD_SET(int fd, zsock_fd_set *set) {
  if (fd >= 0 && fd < ZSOCK_FD_SETSIZE) FD_SET(fd, set);
}
static inline void ZSOCK_FD_CLR(int fd, zsock_fd_set *set) {
  if (fd >= 0 && fd < ZSOCK_FD_SETSIZE) FD_CLR(fd, set);
}
static inline int ZSOCK_FD_ISSET(int fd, const zsock_fd_set *set) {
  return fd >= 0 && fd < ZSOCK_FD_SETSIZE && FD_ISSET(fd, set);
}

#ifndef SOCKHOST_PLAIN_POSIX
#undef FD_ZERO
#undef FD_SET
#undef FD_CLR
#undef FD_ISSET
#define FD_ZERO(set) ZSOCK_FD_ZERO(set)
#define FD_SET(fd, set) ZSOCK_FD_SET(fd, set)
#define FD_CLR(fd, set) ZSOCK_FD_CLR(fd, set)
#define FD_ISSET(fd, set) ZSOCK_FD_ISSET(fd, set)
#endif

/* ---- Names and addresses ------------------------------------------------------ */

int zsock_inet_pton(sa_family_t family, const char *src, void *dst);

/* As inet_ntop(3); when that fails, `dst` is an empty string. */
char *zsock_inet_ntop(sa_family_t family, const void *src, char *dst, size_t size);
/* The same, with the types of inet_ntop(3). */
const char *sockhost_inet_ntop(int family, const void *src, char *dst, socklen_t size);

/* 0, or an EAI_ code. */
int zsock_getaddrinfo(const char *host, const char *service, const struct zsock_addrinfo *hints,
                      struct zsock_addrinfo **res);
void zsock_freeaddrinfo(struct zsock_addrinfo *ai);
const char *zsock_gai_strerror(int errcode);
int zsock_getnameinfo(const struct sockaddr *addr, socklen_t addrlen, char *host, socklen_t hostlen,
                      char *serv, socklen_t servlen, int flags);
int zsock_gethostname(char *buf, size_t len);

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_NET_SOCKET_H_ */
