/*
 * Routes the POSIX socket calls of a source to the zsock_ functions, so that the
 * counters see what unmodified applications do. Included by zephyr/net/socket.h
 * and the zephyr/posix/ headers; not for direct use.
 *
 * A route gives the function's declaration another assembler name. Nothing is
 * renamed in the source: structure members, methods and variables called close
 * or send, function pointers (&close), ::send and std::bind mean what they say.
 * GCC takes the name from a further declaration, clang from a pragma (which, other
 * than a declaration, it accepts after a first use as well).
 *
 * With _FORTIFY_SOURCE the C library defines recv, recvfrom and read inline around
 * other symbols, which cannot be routed. So this file reads those headers itself,
 * without fortification. If the source had included <sys/socket.h> before
 * any Zephyr header, C sources get macros for recv and recvfrom instead; what then
 * stays uncounted is read(), and both in C++. Including a Zephyr header first
 * avoids it.
 *
 * Not routed, so never counted: stdio on an fd (fdopen, dprintf), sendfile, splice,
 * recvmmsg and sendmmsg (sockhost/socket_service_ext.h has counted ones), preadv2 and
 * pwritev2, io_uring, and what a library does that includes no Zephyr header.
 *
 * SOCKHOST_PLAIN_POSIX, defined before the first Zephyr header, turns this off.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SOCKHOST_POSIX_ROUTES_H_
#define SOCKHOST_POSIX_ROUTES_H_

#ifndef SOCKHOST_PLAIN_POSIX

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <features.h>

/* Which inline definitions are there already? */
#if defined(__USE_FORTIFY_LEVEL) && __USE_FORTIFY_LEVEL > 0
#ifdef _SYS_SOCKET_H
#define SOCKHOST_RECV_IS_INLINE
#endif
#ifdef _UNISTD_H
#define SOCKHOST_READ_IS_INLINE
#endif
#endif

#pragma push_macro("__USE_FORTIFY_LEVEL")
#undef __USE_FORTIFY_LEVEL
#define __USE_FORTIFY_LEVEL 0
#include <arpa/inet.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>
#pragma pop_macro("__USE_FORTIFY_LEVEL")

#ifdef __cplusplus
extern "C" {
#endif

#ifdef __clang__

#pragma redefine_extname close zsock_close
#pragma redefine_extname socket zsock_socket
#pragma redefine_extname bind zsock_bind
#pragma redefine_extname accept zsock_accept
#pragma redefine_extname accept4 sockhost_accept4
#pragma redefine_extname send zsock_send
#pragma redefine_extname sendto zsock_sendto
#pragma redefine_extname sendmsg zsock_sendmsg
#pragma redefine_extname recvmsg zsock_recvmsg
#pragma redefine_extname write sockhost_write
#pragma redefine_extname select zsock_select
#pragma redefine_extname readv sockhost_readv
#pragma redefine_extname writev sockhost_writev
#pragma redefine_extname inet_ntop sockhost_inet_ntop
#ifndef SOCKHOST_RECV_IS_INLINE
#pragma redefine_extname recv zsock_recv
#pragma redefine_extname recvfrom zsock_recvfrom
#endif
#ifndef SOCKHOST_READ_IS_INLINE
#pragma redefine_extname read sockhost_read
#endif

#else /* GCC */

#ifdef __cplusplus
#define SOCKHOST_NOTHROW noexcept
#else
#define SOCKHOST_NOTHROW
#endif

int close(int) __asm__("zsock_close");
int socket(int, int, int) SOCKHOST_NOTHROW __asm__("zsock_socket");
int bind(int, __CONST_SOCKADDR_ARG, socklen_t)
SOCKHOST_NOTHROW __asm__("zsock_bind");
int accept(int, __SOCKADDR_ARG, socklen_t *__restrict) __asm__("zsock_accept");
#ifdef __USE_GNU
int accept4(int, __SOCKADDR_ARG, socklen_t *__restrict, int) __asm__("sockhost_accept4");
#endif
ssize_t send(int, const void *, size_t, int) __asm__("zsock_send");
ssize_t sendto(int, const void *, size_t, int, __CONST_SOCKADDR_ARG,
               socklen_t) __asm__("zsock_sendto");
ssize_t sendmsg(int, const struct msghdr *, int) __asm__("zsock_sendmsg");
ssize_t recvmsg(int, struct msghdr *, int) __asm__("zsock_recvmsg");
int select(int, fd_set *__restrict, fd_set *__restrict, fd_set *__restrict,
           struct timeval *__restrict) __asm__("zsock_select");
ssize_t write(int, const void *, size_t) __asm__("sockhost_write");
ssize_t readv(int, const struct iovec *, int) __asm__("sockhost_readv");
ssize_t writev(int, const struct iovec *, int) __asm__("sockhost_writev");
const char *inet_ntop(int, const void *__restrict, char *__restrict, socklen_t)
SOCKHOST_NOTHROW __asm__("sockhost_inet_ntop");
#ifndef SOCKHOST_RECV_IS_INLINE
ssize_t recv(int, void *, size_t, int) __asm__("zsock_recv");
ssize_t recvfrom(int, void *__restrict, size_t, int, __SOCKADDR_ARG,
                 socklen_t *__restrict) __asm__("zsock_recvfrom");
#endif
#ifndef SOCKHOST_READ_IS_INLINE
ssize_t read(int, void *, size_t) __asm__("sockhost_read");
#endif
#undef SOCKHOST_NOTHROW

#endif /* __clang__ */

#if defined(SOCKHOST_RECV_IS_INLINE) && !defined(__cplusplus)
ssize_t zsock_recv(int sock, void *buf, size_t max_len, int flags);
ssize_t zsock_recvfrom(int sock, void *buf, size_t max_len, int flags, struct sockaddr *src_addr,
                       socklen_t *addrlen);
#define recv zsock_recv
#define recvfrom zsock_recvfrom
#endif

#ifdef __cplusplus
}
#endif

#endif /* SOCKHOST_PLAIN_POSIX */

#endif /* SOCKHOST_POSIX_ROUTES_H_ */
