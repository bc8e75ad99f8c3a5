/*
 * Extensions to the Zephyr socket service API, for C and C++. They never change
 * what the functions of sockhost/socket_service.h do.
 *
 * Thread rule: any thread and inside handlers, unless said otherwise. No
 * function waits for a handler, except sockhost_service_close_wait().
 *
 * Functions return 0 or a negative errno; on error nothing has changed, unless said
 * otherwise. Those that take a service return what net_socket_service_register()
 * returns for the same fault. -ENOMEM: there is no memory.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SOCKHOST_SOCKET_SERVICE_EXT_H_
#define SOCKHOST_SOCKET_SERVICE_EXT_H_

#include <sockhost/socket_service.h>
#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- Services defined at run time ---------------------------------------- */

#define sockhost_service_define SOCKHOST_ABI_NAME(service_define)

/* What a service is. Copied by sockhost_service_define(). */
struct sockhost_service_definition {
  /* ^[a-z]([a-z0-9_-]{0,61}[a-z0-9])?$, or a C identifier. Required. */
  const char *name;
  /* "file:line" for people; NULL: unknown. */
  const char *owner;
  /* Required. */
  net_socket_service_handler_t handler;
  /* fds that programs can register with it, up to 1048576; 0: only listeners use
   * it. */
  int capacity;
  /* Events that a connection is first polled for. 0: POLLIN. POLLOUT lets a
   * service speak first: its handler is called as soon as the connection is there. */
  short connection_events;
  /* Called on the service thread when a socket of this service that carries
   * user_data other than NULL goes away; frees it. Not for a socket that was
   * refused: its user_data is still the caller's. NULL: nothing to free.
   * Once for each socket: two with one user_data free it twice, unless it counts its
   * users. What is replaced is never freed here: whoever sets another user_data, or
   * registers the socket again with another one, owns the old one. A C++ exception of
   * it is logged and counted, no more. */
  void (*free_user_data)(void *user_data);
  /* Nonzero: the service closes its connections itself, in every case. The host
   * does not look for peers that have closed, and POLLHUP and POLLERR of a
   * connection that is asked for neither POLLIN nor POLLOUT are reported once. */
  int keeps_connections;
};

/*
 * Makes a service known. `*service` is valid until sockhost_service_undefine().
 * -EINVAL: no or bad name, no handler, capacity out of range; -EEXIST: name is taken.
 */
int sockhost_service_define(const struct sockhost_service_definition *definition,
                            const struct net_socket_service_desc **service);

/*
 * Unregisters and forgets a service that was defined at run time. Its memory is
 * freed when no handler call can be in progress any more.
 * -ENOENT: unknown; -EBUSY: a listener is bound to it, or is being opened
 * for it; -EINVAL: it was defined by a macro.
 */
int sockhost_service_undefine(const struct net_socket_service_desc *service);

/* ---- One socket of a set, O(1) ------------------------------------------- */

/* These are for fds that programs have registered. An fd of a listener, of the same service
 * too, is -EEXIST for the first function and -ENOENT for the others. */

/* Adds one fd with its own user_data; the others are not touched. -ENOMEM: no entry is
 * free. */
int sockhost_service_add(const struct net_socket_service_desc *service, int fd, short events,
                         void *user_data);

/* Changes the events of one fd. -ENOENT: not registered with `service`, or its number is
 * another file's by now; -EBADF: it was closed. */
int sockhost_service_modify(const struct net_socket_service_desc *service, int fd, short events);

/* Changes the user_data of one fd. The old one is the caller's again: it is not freed.
 * -ENOENT as above. */
int sockhost_service_set_user_data(const struct net_socket_service_desc *service, int fd,
                                   void *user_data);

/* Removes one fd from polling; the caller may close it. -ENOENT as above. */
int sockhost_service_remove(const struct net_socket_service_desc *service, int fd);

/* ---- Close, with completion ---------------------------------------------- */

/*
 * As net_socket_service_close(); `done` is called with `arg` on the service
 * thread when every fd is closed and no handler call of them is in progress.
 * `done` may be NULL. On error `done` is never called.
 */
int sockhost_service_close(const struct net_socket_service_desc *service, void (*done)(void *arg),
                           void *arg);

/*
 * As above, and waits up to `timeout_ms` milliseconds (-1: without limit).
 * -EDEADLK: called on the service thread (nothing changed); -ETIMEDOUT: the
 * sockets are unregistered, and closed as soon as the thread comes back.
 */
int sockhost_service_close_wait(const struct net_socket_service_desc *service, int timeout_ms);

struct sockaddr;

/* ---- Connections of listeners, inside a handler -------------------------- */

/*
 * A socket that belongs to a listener: the host opened it and closes it. These
 * functions are for handlers, on the service thread, and for fds of their own
 * service. They return -ENOENT for another fd, and on another thread, unless said
 * otherwise.
 *
 * A handler that leaves the work to another thread:
 *   - The program registers an eventfd with the same service, by sockhost_service_add().
 *   - The handler of the connection asks for no more, sockhost_socket_set_events(fd, 0),
 *     and hands the worker a request; user_data points to it, too.
 *   - The worker does not touch the fd: the connection can go at any time, and its number
 *     be somebody else's. It puts the result into a queue and writes the eventfd.
 *   - The handler, called for the eventfd, takes results from the queue, sends each, and
 *     asks for POLLIN again.
 *   - free_user_data marks the request as gone; what the worker still has it frees when
 *     its result comes back. Both happen on the service thread, so a flag is enough.
 * zsock_close() works on a worker too, if it is sure of the number.
 *
 * The host closes a connection by itself when its handler returns and the peer
 * has closed and everything was read, or the connection has failed, as long as
 * POLLIN is asked for. A handler that still wants to send asks for POLLOUT only.
 */

/* Changes what the socket is polled for. */
int sockhost_socket_set_events(int fd, short events);

/* Stores state of the service; freed by free_user_data when the socket goes. What was stored
 * before is the caller's again: it is not freed. */
int sockhost_socket_set_user_data(int fd, void *user_data);

/* Closes the socket when the handler returns. -EPERM: it is the datagram socket of a listener,
 * which ends with the listener; close(2) answers EPERM, too. */
int sockhost_socket_close(int fd);

/*
 * Opens a socket of `type` (SOCK_STREAM or SOCK_DGRAM) for the listener of
 * `of_fd`, connects it to `address` without waiting, and polls it for `events`
 * with the same service. The host owns it as it owns a connection; it is shown
 * with role UPSTREAM and goes with the listener. POLLOUT tells that a connect has
 * ended, SO_ERROR how.
 *
 * Returns the fd, or a negative errno: that of socket(2) or connect(2); -EINVAL:
 * `of_fd` is of no listener, or this is another thread; -ECANCELED: its listener is being deleted;
 * -ENOSPC: the host's limit of sockets. On error `user_data` is not freed and nothing stays open.
 */
int sockhost_socket_connect(int of_fd, int type, const struct sockaddr *address,
                            unsigned int address_length, short events, void *user_data);

/* The address of the peer of a connection or of an upstream, as getpeername(2) tells it, but
 * without a system call: `*length` is the room for it, then its size; 0: it has no name.
 * -ENOENT also for a socket without a peer. */
int sockhost_socket_peer(int fd, struct sockaddr *address, unsigned int *length);

/* 0: no listener of this host listens on this TCP port, in host order, at any address. Nonzero:
 * one may, or this is another thread. No system call. */
int sockhost_may_listen_on(unsigned short port);

/* Nonzero if the socket is that of a listener for datagrams; 0 for every other fd, and on
 * another thread. */
int sockhost_socket_is_datagram(int fd);

/* Why a service drops a datagram; each has a counter of its own. */
enum sockhost_drop_reason {
  SOCKHOST_DROP_OTHER = 0,
  /* Its source address or port is none that a client has. */
  SOCKHOST_DROP_SOURCE = 1,
  /* Its source is another responder: the two would answer each other for ever. */
  SOCKHOST_DROP_LOOP = 2,
  /* Its sender, or all senders together, are over their rate. */
  SOCKHOST_DROP_RATE = 3,
  /* The answer would be larger than the request. */
  SOCKHOST_DROP_AMPLIFICATION = 4,
  /* The kernel did not take the answer. */
  SOCKHOST_DROP_UNSENT = 5,
  /* Its source host has as many flows (exchanges with an upstream) as it may have. */
  SOCKHOST_DROP_FLOWS = 6,
};

/* Counts datagrams that the service dropped on purpose. */
void sockhost_socket_count_dropped(int fd, size_t messages, enum sockhost_drop_reason reason);

/* Counts a connection to an upstream that failed. */
void sockhost_socket_count_connect_failure(int fd);

/* Counts upstreams that were passed over because they failed lately. */
void sockhost_socket_count_skipped(int fd, size_t upstreams);

/* ---- Datagrams in batches -------------------------------------------------- */

struct mmsghdr;

/* recvmmsg(2) without a time-out, counted as the zsock_ calls are. Like these, the calls
 * from here on return -1 and set errno. */
int sockhost_recvmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

/* sendmmsg(2), counted as the zsock_ calls are. */
int sockhost_sendmmsg(int fd, struct mmsghdr *messages, unsigned int count, int flags);

/* ---- Streams without copying ------------------------------------------------ */

/* splice(2) from the socket into `pipe`, without waiting; counted as zsock_recv(). */
long sockhost_splice_from(int fd, int pipe, size_t size);

/* splice(2) from `pipe` into the socket, without waiting; counted as zsock_send(). */
long sockhost_splice_to(int pipe, int fd, size_t size);

#ifdef __cplusplus
}
#endif

#endif /* SOCKHOST_SOCKET_SERVICE_EXT_H_ */
