// The services known to this process.
#ifndef SOCKHOST_SERVICE_CORE_SERVICE_REGISTRY_H_
#define SOCKHOST_SERVICE_CORE_SERVICE_REGISTRY_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "mutex.h"
#include "sockhost/counters.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {

// One service: what it is, and its totals. Never moves. The registry, listeners
// and callers share it; table slots hold plain pointers, which is safe because
// a service is withdrawn only together with its sockets.
struct Service {
  // Constant after construction.
  std::shared_ptr<const std::string> name;
  std::string owner;
  ServiceKind kind = ServiceKind::kModule;
  net_socket_service_handler_t handler = nullptr;
  void (*free_user_data)(void* user_data) = nullptr;
  uint32_t connection_events = 0;
  bool keeps_connections = false;
  const net_socket_service_desc* descriptor = nullptr;

  // Storage of `descriptor` if it was defined at run time.
  struct Storage {
    std::vector<net_socket_service_event> events;
    int index = -1;
    std::string owner;
    net_socket_service_desc descriptor{};
  };
  std::unique_ptr<Storage> storage;

  // Guarded by the socket table's mutex, like descriptor->pev.
  int sockets = 0;
  int registered = 0;
  bool withdrawn = false;
  // Free entries of descriptor->pev, a stack.
  std::vector<int> free_entries;

  // Written by the service thread.
  CounterBlock counters;
  // Written by the watchdog: handler calls that it saw for 25 ms or longer, also those
  // that never return.
  std::atomic<int64_t> stalls{0};
  std::atomic<int64_t> max_stall_nanos{0};
};

// Thread rule: any thread.
class ServiceRegistry {
 public:
  // Announces a service that a macro defined. A second one with a taken name
  // gets "-2", "-3", ... appended, because file-local services of different
  // files may share a name. Returns the service.
  std::shared_ptr<Service> Announce(const net_socket_service_desc* descriptor,
                                    absl::string_view name, net_socket_service_handler_t handler);

  // Defines a service at run time. Errors: SERVICE_INVALID, ALREADY_EXISTS.
  absl::StatusOr<std::shared_ptr<Service>> Define(const sockhost_service_definition& definition,
                                                  ServiceKind kind);

  // Forgets a service: it is found and listed no more.
  void Withdraw(const Service& service);

  // nullptr if there is none.
  std::shared_ptr<Service> Find(absl::string_view name) const;
  std::shared_ptr<Service> Find(const net_socket_service_desc* descriptor) const;

  // In the order in which they became known.
  std::vector<std::shared_ptr<Service>> List() const;
  // The first of those that became known as number `index` or later; nullptr if there is
  // none. Takes no memory.
  std::shared_ptr<Service> FirstFrom(int index) const;
  // The number of the service that becomes known next.
  int next_index() const;

 private:
  std::shared_ptr<Service> FindLocked(absl::string_view name) const
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void AddLocked(std::shared_ptr<Service> service) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable Mutex mutex_;
  std::vector<std::shared_ptr<Service>> services_ ABSL_GUARDED_BY(mutex_);
  int next_index_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SERVICE_REGISTRY_H_
