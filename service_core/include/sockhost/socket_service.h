/*
 * The Zephyr socket service API, hosted on Linux.
 *
 * A service is a handler that the service thread calls when one of the
 * service's sockets is ready. Sources written for Zephyr include it as
 * <zephyr/net/socket_service.h>, which adds Zephyr's socket names; this header
 * alone adds no other name.
 *
 * Thread rule of every function here: any thread, and inside a handler. None of
 * them waits for a handler, so the caller may hold a lock that a handler wants.
 *
 * Source: Zephyr Project documentation, "Socket Services"; poll(2), epoll(7).
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef SOCKHOST_SOCKET_SERVICE_H_
#define SOCKHOST_SOCKET_SERVICE_H_

#include <poll.h>
#include <sockhost/abi.h>

#ifdef __cplusplus
extern "C" {
#endif

struct net_socket_service_desc;
struct net_socket_service_event;

/*
 * Called on the service thread for one ready socket. `pev` and what it points
 * to are a copy that is valid during the call: changing it changes nothing.
 * Must not block: every other service waits meanwhile.
 */
typedef void (*net_socket_service_handler_t)(struct net_socket_service_event *pev);

/* One ready socket, as a handler sees it. */
struct net_socket_service_event {
  /* The handler being called. */
  net_socket_service_handler_t callback;
  /* fd, the events asked for, and in `revents` what is ready. POLLERR, POLLHUP
   * and POLLNVAL come even if not asked for. */
  struct pollfd event;
  /* As given when the socket was registered. */
  void *user_data;
  /* The service. */
  struct net_socket_service_desc *svc;
};

/* A service. Defined by the macros below; the fields are read only. */
struct net_socket_service_desc {
  /* "file:line" of the definition. */
  const char *owner;
  /* The registered sockets; free entries have event.fd == -1. Another thread
   * that registers changes entries while they are read. */
  struct net_socket_service_event *pev;
  /* Capacity: number of entries of `pev`. */
  int pev_len;
  /* Number of the service in this process; -1 until it is known. */
  int *idx;
};

/*
 * Replaces the whole set of sockets that programs have registered with `service`.
 * Sockets of its listeners are no part of it, here and in the functions below.
 * Entries with fd == -1 are free slots. Every handler call that begins after the
 * return sees the new set; a call in progress finishes. Before the service thread
 * runs, sockets are queued and polled from its start. On error the old set stays in
 * force.
 *
 * The caller keeps ownership of the fds: unregister before closing one. An fd
 * that was closed all the same is found, counted and reported, and its handler
 * is called a last time, with POLLNVAL.
 *
 * In a handler it takes effect at once, for the socket that is being served and
 * for those of every other service: an event that the kernel reported together
 * with this one is dropped if its socket is not registered any more, and checked
 * against the new mask if it is. The socket being served is polled again only if
 * the set has it.
 *
 * Polling is level-triggered: a handler that leaves what its socket is ready for
 * is called again. After some hundred calls in vain the socket is not polled for
 * a pause, which grows from 1 ms to 100 ms; the log names the service. A TCP
 * socket that is registered before it listens or connects is served from then on.
 *
 * `user_data` is what every handler call for these sockets gets; the caller keeps
 * what it points to, and what it pointed to at an earlier registration. Services
 * with free_user_data (sockhost/socket_service_ext.h) have it freed for each
 * socket that goes: register one socket at a time there, with sockhost_service_add().
 *
 * Returns 0 or
 *   -EINVAL  service is NULL, len < 0, fds is NULL with len > 0, an fd < -1, or
 *            events hold a bit that poll(2) does not know
 *   -ENOENT  the service is not known in this process
 *   -ENOMEM  len is larger than the capacity of the service; or there is no memory
 *   -EBADF   an fd is not open
 *   -EPERM   an fd cannot be polled (a regular file or a directory)
 *   -EEXIST  an fd is twice in `fds`, registered with another service, or of a
 *            listener (the log names it)
 *   -ENOSPC  the kernel's limit of epoll watches, or the host's socket limit, which
 *            the old and the new sockets share during the call
 *   -EIO     the service thread could not start, or the host stops or has stopped
 */
int net_socket_service_register(const struct net_socket_service_desc *service, struct pollfd *fds,
                                int len, void *user_data);

/*
 * Removes every registered socket of `service` from polling; the caller may close them
 * after the return: the host does not touch their numbers again. (A handler call
 * in progress may. If it could read from a number that is somebody else's by
 * then, let the host close it: sockhost_service_close() waits for that call.)
 * Returns as net_socket_service_register().
 */
int net_socket_service_unregister(const struct net_socket_service_desc *service);

/*
 * Unregisters `service` and hands its registered sockets to the service thread, which
 * closes them: in a handler, when that has returned. The caller must not use the
 * fds any more. sockhost_service_close() tells when they are closed.
 * Returns as net_socket_service_register(); after an error the fds are still the
 * caller's.
 */
int net_socket_service_close(const struct net_socket_service_desc *service);

/* Called for one service; `svc` is valid during the call. */
typedef void (*net_socket_service_cb_t)(const struct net_socket_service_desc *svc, void *user_data);

/*
 * Calls `cb` for each service known to this process, in the order in which they
 * became known. Safe beside concurrent registrations and the loading of
 * modules; `cb` may call every function of this header. Services that become
 * known meanwhile are not visited, nor those that are forgotten before their turn.
 * Nothing happens if `cb` is NULL.
 */
void net_socket_service_foreach(net_socket_service_cb_t cb, void *user_data);

#define sockhost_service_announce SOCKHOST_ABI_NAME(service_announce)
#define sockhost_service_withdraw SOCKHOST_ABI_NAME(service_withdraw)

/* Not for direct use: announces a service that a macro defined. */
void sockhost_service_announce(const struct net_socket_service_desc *service, const char *name,
                               net_socket_service_handler_t handler);
/* Not for direct use: forgets it when its shared object is unloaded. */
void sockhost_service_withdraw(const struct net_socket_service_desc *service);

#ifdef __cplusplus
}
#endif

#define SOCKHOST_STRINGIFY_(x) #x
#define SOCKHOST_STRINGIFY(x) SOCKHOST_STRINGIFY_(x)

/*
 * The definition announces itself from a constructor, so that it is known in
 * every kind of binary: executables, shared objects, loaded modules and members
 * of archives that are linked in, with --gc-sections too. (An archive member
 * that nothing refers to is never linked; link such archives whole.)
 * The event array is filled on announcement, because its range initialiser is
 * no C++.
 */
#define SOCKHOST_SERVICE_DEFINE_(scope, name_, cb_, count_)                                \
  static int sockhost_idx_##name_ = -1;                                                    \
  static struct net_socket_service_event sockhost_pev_##name_[count_];                     \
  scope struct net_socket_service_desc name_ = {__FILE__ ":" SOCKHOST_STRINGIFY(__LINE__), \
                                                sockhost_pev_##name_, (count_),            \
                                                &sockhost_idx_##name_};                    \
  __attribute__((constructor, used)) static void sockhost_announce_##name_(void) {         \
    sockhost_service_announce(&name_, #name_, cb_);                                        \
  }                                                                                        \
  __attribute__((destructor, used)) static void sockhost_withdraw_##name_(void) {          \
    sockhost_service_withdraw(&name_);                                                     \
  }                                                                                        \
  struct sockhost_require_semicolon_##name_

#ifdef __cplusplus
#define SOCKHOST_SERVICE_DEFINE_PUBLIC_(name, cb, count) \
  extern const struct net_socket_service_desc name;      \
  SOCKHOST_SERVICE_DEFINE_(const, name, cb, count)
#define SOCKHOST_SERVICE_REFUSE_(why) static_assert(false, why)
#else
#define SOCKHOST_SERVICE_DEFINE_PUBLIC_(name, cb, count) \
  SOCKHOST_SERVICE_DEFINE_(const, name, cb, count)
#define SOCKHOST_SERVICE_REFUSE_(why) __extension__ _Static_assert(0, why)
#endif
#define SOCKHOST_SERVICE_DEFINE_PRIVATE_(name, cb, count) \
  SOCKHOST_SERVICE_DEFINE_(static const, name, cb, count)

/* Both macros below say what has changed to a source with the arguments of Zephyr before 4.1. */
#define SOCKHOST_SERVICE_OLD_FORM_(name, work_q, cb, count)                                       \
  extern const struct net_socket_service_desc name;                                               \
  SOCKHOST_SERVICE_REFUSE_(                                                                       \
      "services have no work queue since Zephyr 4.1: write NET_SOCKET_SERVICE_SYNC_DEFINE(" #name \
      ", " #cb ", " #count ") and give the handler the event: void " #cb                          \
      "(struct net_socket_service_event *pev)")
#define SOCKHOST_SERVICE_WRONG_FORM_(...) \
  SOCKHOST_SERVICE_REFUSE_("a service is defined with three arguments: name, handler, count")
#define SOCKHOST_SERVICE_SIXTH_(a1, a2, a3, a4, a5, form, ...) form
#define SOCKHOST_SERVICE_FORM_(three, ...)                                                       \
  SOCKHOST_SERVICE_SIXTH_(__VA_ARGS__, SOCKHOST_SERVICE_WRONG_FORM_, SOCKHOST_SERVICE_OLD_FORM_, \
                          three, SOCKHOST_SERVICE_WRONG_FORM_, SOCKHOST_SERVICE_WRONG_FORM_, _)

/*
 * NET_SOCKET_SERVICE_SYNC_DEFINE(name, cb, count)
 *
 * Defines service `name` with handler `cb` and room for `count` sockets, visible
 * to other files as `extern const struct net_socket_service_desc name;` (in C
 * without `const` as well). The handler is called synchronously: the next
 * service waits until it returns.
 */
#define NET_SOCKET_SERVICE_SYNC_DEFINE(...) \
  SOCKHOST_SERVICE_FORM_(SOCKHOST_SERVICE_DEFINE_PUBLIC_, __VA_ARGS__)(__VA_ARGS__)

/* As above, private to the file. */
#define NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(...) \
  SOCKHOST_SERVICE_FORM_(SOCKHOST_SERVICE_DEFINE_PRIVATE_, __VA_ARGS__)(__VA_ARGS__)

#endif /* SOCKHOST_SOCKET_SERVICE_H_ */
