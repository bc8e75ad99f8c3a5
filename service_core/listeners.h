// The listeners of this host, by name.
#ifndef SOCKHOST_SERVICE_CORE_LISTENERS_H_
#define SOCKHOST_SERVICE_CORE_LISTENERS_H_

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/functional/any_invocable.h"
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "listener.h"
#include "listener_thread.h"
#include "mutex.h"
#include "service_registry.h"
#include "socket_table.h"

namespace sockhost {

// Thread rule: any thread. Nothing waits for a handler. No lock is held while
// the kernel opens a socket.
class Listeners {
 public:
  // None is owned; all outlive this, and `tasks` is stopped before.
  Listeners(SocketTable& table, const ServiceRegistry& registry, ListenerThread& tasks);

  void SetLimit(size_t max_listeners) { max_listeners_ = max_listeners; }
  size_t limit() const { return max_listeners_; }
  size_t size() const;

  // Opens a listener: bound and polled on return, unless it is not enabled. With
  // Keep::kNo it is only tried, and gone on return. Errors: LISTENER_ID_INVALID,
  // FIELD_INVALID, SERVICE_NOT_FOUND, LISTENER_EXISTS, LISTENER_LIMIT,
  // SOCKET_LIMIT, and those of OpenSocket.
  absl::StatusOr<ListenerSnapshot> Create(const ListenerConfig& config, Keep keep = Keep::kYes);
  // As Create, with a socket that somebody else has bound; its address becomes the
  // listener's. Takes the fd over, also on error. Errors: those of AdoptSocket, too.
  absl::StatusOr<ListenerSnapshot> Adopt(ListenerConfig config, UniqueFd fd);

  // Each returns the listener as it is afterwards, or LISTENER_NOT_FOUND, or an
  // error of the method of Listener. `only` is not nullptr: ETAG_MISMATCH unless it is in force.
  absl::StatusOr<ListenerSnapshot> Update(const ListenerConfig* only, const ListenerConfig& next,
                                          Keep keep);
  absl::StatusOr<ListenerSnapshot> Pause(absl::string_view name,
                                         const ListenerConfig* only = nullptr);
  absl::StatusOr<ListenerSnapshot> Resume(absl::string_view name,
                                          const ListenerConfig* only = nullptr);
  // `timeout`: the listener's drain_timeout unless given.
  absl::StatusOr<ListenerSnapshot> Drain(absl::string_view name,
                                         std::optional<absl::Duration> timeout,
                                         const ListenerConfig* only = nullptr);

  // Removes the listener and its connections; `done` runs with no lock when all is closed
  // and the name is free, before the return or on a thread of the host, and must not
  // block. Errors, with `done` never called: LISTENER_NOT_FOUND, LISTENER_BUSY.
  // `only` is not nullptr: no other listener that has taken the name since.
  absl::Status Delete(absl::string_view name, const ListenerConfig* only, bool force,
                      absl::AnyInvocable<void()> done);

  // Closes every listening and datagram socket; connections live on, and each
  // listener is DRAINING until it is deleted. The caller closes them after `drain_timeout`.
  void StopAccepting(absl::Duration drain_timeout);

  // Removes the listeners of `service`, which takes no more sockets, with their connections;
  // also those that are being opened.
  void DeleteOf(const Service& service);

  // After StopAccepting: removes the connections that are left.
  void CloseConnections();

  std::optional<ListenerSnapshot> Find(absl::string_view name) const;
  // In the order of names.
  std::vector<ListenerSnapshot> List() const;
  // Name of the listener that is bound to `address`, however that is spelled, or "".
  std::string OwnerOf(const SocketAddress& address) const;
  // Calls `withdraw`, which forgets `service`, unless a listener is bound to it or is about to
  // be: then false. In between nobody finds the service for another one.
  bool WithdrawUnlessUsed(const Service& service, absl::FunctionRef<void()> withdraw);

 private:
  // One on its way. An object of its own, so that what carries it needs no memory.
  struct Deletion {
    std::shared_ptr<Listener> listener;
    absl::AnyInvocable<void()> done;
  };
  // As Delete. Returns how many connections there were; without `force` nothing is done if
  // there are any.
  size_t Remove(const std::shared_ptr<Listener>& listener, bool force,
                absl::AnyInvocable<void()> done);
  void Finish(Deletion& deletion);

  // Makes a listener that has the name and its service. Others find it once it is announced.
  absl::StatusOr<std::shared_ptr<Listener>> Reserve(const ListenerConfig& config);
  // Frees the name of `listener`. False if that is another one's.
  bool Release(const Listener& listener);
  absl::StatusOr<ListenerSnapshot> Add(const ListenerConfig& config, Keep keep,
                                       absl::FunctionRef<absl::Status(Listener&)> open);
  absl::StatusOr<ListenerSnapshot> Change(absl::string_view name,
                                          absl::FunctionRef<absl::Status(Listener&)> change);
  absl::Status ExplainOpenError(const absl::Status& status, const ListenerConfig& config) const;
  std::vector<std::shared_ptr<Listener>> All() const;
  // nullptr if there is none.
  std::shared_ptr<Listener> Get(absl::string_view name) const;

  SocketTable& table_;
  const ServiceRegistry& registry_;
  ListenerThread& tasks_;
  std::atomic<size_t> max_listeners_{0};

  // Before the registry's and the table's.
  mutable Mutex mutex_;
  // Those too that are being opened.
  std::map<std::string, std::shared_ptr<Listener>, std::less<>> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_LISTENERS_H_
