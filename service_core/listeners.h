// The listeners of this host, by name.
#ifndef SOCKHOST_SERVICE_CORE_LISTENERS_H_
#define SOCKHOST_SERVICE_CORE_LISTENERS_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/btree_map.h"
#include "absl/functional/any_invocable.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "listener.h"
#include "mutex.h"
#include "service_registry.h"
#include "socket_table.h"

namespace sockhost {

// Thread rule: any thread. Nothing waits for a handler. No lock is held while
// the kernel opens a socket.
class Listeners {
 public:
  // Both are not owned and outlive this.
  Listeners(SocketTable& table, const ServiceRegistry& registry);

  void SetLimit(size_t max_listeners) { max_listeners_ = max_listeners; }
  size_t limit() const { return max_listeners_; }
  size_t size() const;

  // Opens a listener: bound and polled on return. Errors: LISTENER_ID_INVALID,
  // FIELD_INVALID, SERVICE_NOT_FOUND, LISTENER_EXISTS, LISTENER_LIMIT,
  // SOCKET_LIMIT, and those of OpenSocket.
  absl::StatusOr<ListenerSnapshot> Create(const ListenerConfig& config);

  // Removes the listener and its connections; `done` runs on the service thread
  // when all is closed and the name is free, and must not block. Errors, with
  // `done` never called: LISTENER_NOT_FOUND, LISTENER_BUSY.
  // `only` is not nullptr: no other listener that has taken the name since.
  absl::Status Delete(absl::string_view name, const ListenerConfig* only, bool force,
                      absl::AnyInvocable<void()> done);

  // Closes every listening and datagram socket; connections live on, and each
  // listener is DRAINING until it is deleted.
  void StopAccepting();

  std::optional<ListenerSnapshot> Find(absl::string_view name) const;
  // In the order of names.
  std::vector<ListenerSnapshot> List() const;
  // Name of the listener that is bound to `address`, or "".
  std::string OwnerOf(const SocketAddress& address) const;
  // True if a listener is bound to `service`.
  bool IsUsed(const Service& service) const;

 private:
  absl::Status Reserve(const std::string& name);
  // Frees a name; with `listener`, only while it is that listener's. False if it is
  // not.
  bool Release(absl::string_view name, const Listener* listener);
  absl::StatusOr<std::shared_ptr<Listener>> Open(const ListenerConfig& config,
                                                 std::shared_ptr<Service> service,
                                                 ListenerSnapshot& snapshot);
  absl::Status ExplainOpenError(const absl::Status& status, const ListenerConfig& config) const;
  std::vector<std::shared_ptr<Listener>> All() const;
  std::shared_ptr<Listener> Get(absl::string_view name) const;

  SocketTable& table_;
  const ServiceRegistry& registry_;
  std::atomic<size_t> max_listeners_{0};

  mutable Mutex mutex_;
  // nullptr: the name is reserved, its listener is being opened.
  absl::btree_map<std::string, std::shared_ptr<Listener>> by_name_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_LISTENERS_H_
