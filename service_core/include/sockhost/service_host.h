// The service core for a program that embeds it: services, listeners, sockets
// and the thread that runs them.
#ifndef SOCKHOST_SERVICE_HOST_H_
#define SOCKHOST_SERVICE_HOST_H_

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/counters.h"
#include "sockhost/event_ring.h"
#include "sockhost/listener_config.h"
#include "sockhost/loop_statistics.h"
#include "sockhost/socket_service_ext.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

enum class ServiceKind : uint8_t { kBuiltIn, kModule };

// A copy; plain data.
struct ServiceSnapshot {
  std::shared_ptr<const std::string> name;
  ServiceKind kind = ServiceKind::kModule;
  std::string owner;
  int capacity = 0;
  int registered = 0;
  int sockets = 0;
  // Handler calls that lasted 25 ms or longer, the present one included, and the longest.
  int64_t stalls = 0;
  int64_t max_stall_nanos = 0;
  CounterValues counters;
};

// The handler that holds the service thread. Empty texts: none does, or its service was
// undefined meanwhile.
struct StalledHandler {
  std::string service;
  std::string owner;
};

struct HostOptions {
  // Sockets at the same time; 0: as many as the limit of open files allows.
  size_t max_sockets = 0;
  size_t max_listeners = 65536;
  // Closed sockets that are remembered; some 650 bytes each.
  size_t closed_sockets = 1024;
  // Events that are kept for readers.
  size_t event_history = EventRing::kDefaultCapacity;
  // Ends the process with SIGABRT when one handler call has used 2 s of CPU time: it
  // computes for ever, and a supervisor can start anew. Waiting uses none.
  bool abort_on_stall = false;
};

// One service thread with its services, listeners and sockets.
//
// Thread rule: any thread, unless said otherwise. No call waits for a handler.
class ServiceHost {
 public:
  // The host behind the C API: one in each process, made on first use, never
  // destroyed (services announce themselves before main and withdraw after it).
  static ServiceHost& OfProcess();

  ServiceHost();
  ~ServiceHost();
  ServiceHost(const ServiceHost&) = delete;
  ServiceHost& operator=(const ServiceHost&) = delete;

  // Starts the service thread. Sockets that are registered already are polled
  // from now on. Once. Errors: INTERNAL, FD_LIMIT; registering fails with -EIO
  // from then on.
  absl::Status Start(const HostOptions& options);

  // Closes every listening and datagram socket and refuses new listeners.
  // Connections live on until CloseConnections or Stop, which comes after `drain_timeout`:
  // listeners show that as the end of their drain.
  void StopAccepting(absl::Duration drain_timeout);
  // After StopAccepting: closes the connections that are left. `done` as in AfterClosing: then
  // the events of all of them are there.
  void CloseConnections(absl::AnyInvocable<void()> done);

  // Lets the handler in progress finish, closes every listener with its
  // connections, and ends the service thread. Not on the service thread.
  void Stop();

  // Makes a service known. Errors: SERVICE_INVALID, ALREADY_EXISTS.
  absl::Status DefineService(const sockhost_service_definition& definition, ServiceKind kind);
  // In the order in which they became known.
  std::vector<ServiceSnapshot> ListServices() const;

  // Opens a listener: bound and polled on return. Errors: LISTENER_ID_INVALID,
  // FIELD_INVALID, SERVICE_NOT_FOUND, LISTENER_EXISTS, LISTENER_LIMIT,
  // SOCKET_LIMIT, ADDRESS_IN_USE, BIND_NOT_PERMITTED, ADDRESS_NOT_AVAILABLE,
  // FD_LIMIT, SHUTTING_DOWN, INTERNAL.
  // With Keep::kNo it is only tried.
  absl::StatusOr<ListenerSnapshot> CreateListener(const ListenerConfig& config,
                                                  Keep keep = Keep::kYes);

  // As CreateListener, with a socket that somebody else has bound, whose address
  // becomes the listener's; lets it listen. Takes the fd over, also on error. Error,
  // too: ADDRESS_INVALID, it is no such socket.
  absl::StatusOr<ListenerSnapshot> AdoptListener(const ListenerConfig& config, int fd);

  // Puts `next` in force, of the same name and service, if `now` still is as it was
  // found. Limits and parameters hold at once; a new address is opened before the
  // old one is closed; connections live on. Errors: as above, and
  // LISTENER_NOT_FOUND, ETAG_MISMATCH, STATE_INVALID; then nothing has changed.
  absl::StatusOr<ListenerSnapshot> UpdateListener(const ListenerSnapshot& now,
                                                  const ListenerConfig& next,
                                                  Keep keep = Keep::kYes);
  // Stops polling the listener's socket, which stays bound: what comes waits in its
  // queue. `only` is not nullptr: if it still is as it was found. Errors:
  // LISTENER_NOT_FOUND, ETAG_MISMATCH, STATE_INVALID.
  absl::StatusOr<ListenerSnapshot> PauseListener(absl::string_view name,
                                                 const ListenerSnapshot* only = nullptr);
  // Ends a pause, or a drain: then the socket is opened anew, and if it cannot be,
  // the listener is kFailed and tried again. `only` and errors: as above.
  absl::StatusOr<ListenerSnapshot> ResumeListener(absl::string_view name,
                                                  const ListenerSnapshot* only = nullptr);
  // Closes the listener's socket, and what connections are left after `timeout`,
  // which is the listener's drain_timeout unless given. `only` and errors: as above, and
  // FIELD_INVALID.
  absl::StatusOr<ListenerSnapshot> DrainListener(absl::string_view name,
                                                 std::optional<absl::Duration> timeout,
                                                 const ListenerSnapshot* only = nullptr);

  // Removes a listener. With `force` its connections are closed; without it they
  // make the call fail. `done` runs when everything is closed and the name is
  // free: before the return, or on a thread of the host. It must not block. Errors,
  // with `done` never called: LISTENER_NOT_FOUND, LISTENER_BUSY.
  absl::Status DeleteListener(absl::string_view name, bool force, absl::AnyInvocable<void()> done);
  // As above, and fails if the name belongs to another listener by now.
  absl::Status DeleteListener(const ListenerSnapshot& listener, bool force,
                              absl::AnyInvocable<void()> done);

  // Runs `done` when the sockets are closed that were removed before. It runs on the
  // service thread and must not block.
  void AfterClosing(absl::AnyInvocable<void()> done);

  std::optional<ListenerSnapshot> FindListener(absl::string_view name) const;
  // In the order of names.
  std::vector<ListenerSnapshot> ListListeners() const;
  size_t listeners() const;
  size_t max_listeners() const;

  // Calls `visit` for each socket, in no particular order. No handler waits for
  // it longer than a few microseconds.
  // With `after`, only those whose ids are greater: the others cost nothing.
  void ForEachSocket(const std::function<void(SocketSnapshot&&)>& visit, SocketId after = 0) const;
  // The `most` sockets with the lowest ids beyond `after`, in the order of ids; fewer only if
  // there are no more. Costs a microsecond for each of them, next to nothing for others.
  std::vector<SocketSnapshot> SocketsAfter(SocketId after, size_t most) const;
  std::optional<SocketSnapshot> FindSocket(SocketId id) const;
  size_t sockets() const;
  // Those of listeners: not what programs have registered.
  size_t sockets_of_listeners() const;
  size_t max_sockets() const;

  // The last closed sockets, in the order in which they were closed.
  void ForEachClosedSocket(const std::function<void(SocketSnapshot&&)>& visit) const;
  std::optional<SocketSnapshot> FindClosedSocket(SocketId id) const;
  size_t closed_sockets() const;
  size_t max_closed_sockets() const;

  // Closes a connection, or a socket towards an upstream, whose service is told that its user_data
  // is gone. `done` runs on the service thread when the fd is closed, and must not block. Errors,
  // with `done` never called: SOCKET_NOT_FOUND, STATE_INVALID (it is neither).
  absl::Status CloseSocket(SocketId id, absl::AnyInvocable<void()> done);

  // Calls `inspect` with the fd of `socket`. False if that is closed, perhaps meanwhile: then
  // what `inspect` has seen may be another file's. Nobody waits for it.
  bool InspectSocket(const SocketSnapshot& socket, absl::FunctionRef<void(int fd)> inspect) const;

  // What happened last. Readers come and go as they like.
  const EventRing& events() const;

  LoopStatistics Statistics() const;

  // True while one handler call has lasted 200 ms or longer.
  bool IsStalled() const;
  StalledHandler Stalled() const;

  // What the core's own files see.
  struct Parts;

 private:
  friend Parts& ProcessParts();
  // SHUTTING_DOWN or INTERNAL unless listeners can be opened.
  absl::Status CheckOpen(absl::string_view listener) const;

  const std::unique_ptr<Parts> parts_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_HOST_H_
