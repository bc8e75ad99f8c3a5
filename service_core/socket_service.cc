// The C API: argument checks and translation; the work is the socket table's.
#include "sockhost/socket_service.h"

#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <condition_variable>
#include <cstring>
#include <memory>
#include <optional>

#include "c_border.h"
#include "forked_child.h"
#include "host_parts.h"
#include "log.h"
#include "program_call.h"
#include "sockhost/error.h"
#include "sockhost/socket_close.h"
#include "sockhost/socket_service_ext.h"

using sockhost::Counter;
using sockhost::CounterBlock;
using sockhost::Fate;
using sockhost::OrOutOfMemory;
using sockhost::ProcessParts;
using sockhost::Role;
using sockhost::Service;
using sockhost::ServiceHost;
using sockhost::ServiceLoop;
using sockhost::SocketSlot;

namespace {

// Finds the service and makes sure that somebody will poll for it: -EINVAL,
// -ENOENT or -EIO otherwise.
int FindService(const net_socket_service_desc* descriptor, std::shared_ptr<Service>* service) {
  if (!descriptor) return -EINVAL;
  if (sockhost::IsForkedChild()) return -EIO;
  ServiceHost::Parts& host = ProcessParts();
  *service = host.registry.Find(descriptor);
  if (!*service) return -ENOENT;
  const ServiceLoop::State state = host.loop.state();
  const bool serves =
      state == ServiceLoop::State::kNotStarted || state == ServiceLoop::State::kRunning;
  return serves && host.opened.ok() ? 0 : -EIO;
}

// The slot of `fd` if the caller may change it: it belongs to a listener, and
// this is the service thread, where no handler of another service runs.
SocketSlot* OwnedSlot(int fd) {
  if (sockhost::IsForkedChild()) return nullptr;
  SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot || slot->role == Role::kRegistered) return nullptr;
  const ServiceLoop& loop = *ServiceLoop::Current();
  const bool in_handler = loop.call_number() % 2 == 1;
  return !in_handler || loop.call_service() == slot->service ? slot : nullptr;
}

// True for a socket that was removed in the handler call for it, and will be closed when
// that returns.
bool IsRemoved(const SocketSlot& slot) { return slot.id.load(std::memory_order_relaxed) == 0; }

// Removes the sockets of `service` and lets the service thread close them. If that
// thread has ended since FindService, nobody else would.
void CloseSet(Service& service, absl::AnyInvocable<void()> done) {
  ServiceHost::Parts& host = ProcessParts();
  host.table.RemoveSet(service, Fate::kClose, std::move(done));
  const ServiceLoop::State state = host.loop.state();
  if (state == ServiceLoop::State::kFailed || state == ServiceLoop::State::kStopped) {
    host.table.Reap();
  }
}

std::optional<Counter> CounterOf(sockhost_drop_reason reason) {
  switch (reason) {
    case SOCKHOST_DROP_SOURCE:
      return Counter::dropped_sources;
    case SOCKHOST_DROP_LOOP:
      return Counter::dropped_loops;
    case SOCKHOST_DROP_RATE:
      return Counter::dropped_over_rate;
    case SOCKHOST_DROP_AMPLIFICATION:
      return Counter::dropped_amplifications;
    case SOCKHOST_DROP_UNSENT:
      return Counter::dropped_unsent;
    case SOCKHOST_DROP_FLOWS:
      return Counter::dropped_over_flows;
    case SOCKHOST_DROP_OTHER:
      break;
  }
  return std::nullopt;
}

// How long unloading waits for a handler in progress.
constexpr int kWithdrawTimeoutMs = 2000;

// Lets one thread wait for the service thread. Shared, because the waiter may
// give up first.
struct Completion {
  sockhost::Mutex mutex;
  std::condition_variable_any changed;
  bool done ABSL_GUARDED_BY(mutex) = false;

  void Set() {
    sockhost::MutexLock lock(mutex);
    done = true;
    changed.notify_all();
  }

  bool Wait(int timeout_ms) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
    sockhost::MutexLock lock(mutex);
    while (!done) {
      if (timeout_ms < 0) {
        changed.wait(mutex);
      } else if (changed.wait_until(mutex, deadline) == std::cv_status::timeout) {
        return done;
      }
    }
    return true;
  }
};

}  // namespace

namespace sockhost {

int CloseSocket(int fd, CloseReason reason) {
  SocketSlot* slot = OwnedSlot(fd);
  if (!slot || IsRemoved(*slot)) return -ENOENT;
  if (slot->is_of_listener_itself()) return -EPERM;
  ServiceLoop::Current()->table().RemoveSlot(*slot, Fate::kClose, reason);
  return 0;
}

}  // namespace sockhost

extern "C" {

int net_socket_service_register(const struct net_socket_service_desc* descriptor,
                                struct pollfd* fds, int len, void* user_data) {
  if (!descriptor || len < 0 || (!fds && len > 0)) return -EINVAL;
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return OrOutOfMemory([&] {
    return ProcessParts().table.ReplaceSet(*service, {fds, static_cast<size_t>(len)}, user_data);
  });
}

int net_socket_service_unregister(const struct net_socket_service_desc* descriptor) {
  return net_socket_service_register(descriptor, nullptr, 0, nullptr);
}

int net_socket_service_close(const struct net_socket_service_desc* descriptor) {
  return sockhost_service_close(descriptor, nullptr, nullptr);
}

void net_socket_service_foreach(net_socket_service_cb_t cb, void* user_data) {
  if (!cb) return;
  const sockhost::ServiceRegistry& registry = ProcessParts().registry;
  // One after the other: `cb` may define, undefine and load services, and memory for a copy
  // of the list may not be there. Those that `cb` defines are not visited: it would not end.
  const int end = registry.next_index();
  for (int next = 0; next < end;) {
    const std::shared_ptr<Service> service = registry.FirstFrom(next);
    if (!service || *service->descriptor->idx >= end) return;
    next = *service->descriptor->idx + 1;
    cb(service->descriptor, user_data);
  }
}

void sockhost_service_announce(const struct net_socket_service_desc* descriptor, const char* name,
                               net_socket_service_handler_t handler) {
  ProcessParts().registry.Announce(descriptor, name, handler);
}

void sockhost_service_withdraw(const struct net_socket_service_desc* descriptor) {
  if (sockhost::IsForkedChild()) return;
  ServiceHost::Parts& host = ProcessParts();
  const std::shared_ptr<Service> service = host.registry.Find(descriptor);
  if (!service) return;
  host.registry.Withdraw(*service);
  // From then on no socket is added for it.
  host.table.WithdrawService(service, {});
  host.listeners.DeleteOf(*service);
  auto completion = std::make_shared<Completion>();
  host.table.RunBetweenHandlers([] {}, [completion] { completion->Set(); });
  // The code of the handler is about to be unmapped (or the process ends): the one
  // place that waits for a handler in progress, but not for ever.
  const ServiceLoop::State state = host.loop.state();
  const bool runs = state == ServiceLoop::State::kRunning || state == ServiceLoop::State::kStopping;
  if (!runs || host.loop.OnServiceThread() || completion->Wait(kWithdrawTimeoutMs)) return;
  sockhost::Log(sockhost::LogLevel::kError, "a service is unloaded while its handler runs",
                {{"service", *service->name}, {"owner", service->owner}});
}

int sockhost_service_define(const struct sockhost_service_definition* definition,
                            const struct net_socket_service_desc** descriptor) {
  if (!definition || !descriptor) return -EINVAL;
  return OrOutOfMemory([&] {
    const auto service =
        ProcessParts().registry.Define(*definition, sockhost::ServiceKind::kModule);
    if (service.ok()) {
      *descriptor = (*service)->descriptor;
      return 0;
    }
    sockhost::Log(sockhost::LogLevel::kError, service.status().message());
    return service.status().code() == absl::StatusCode::kAlreadyExists ? -EEXIST : -EINVAL;
  });
}

int sockhost_service_undefine(const struct net_socket_service_desc* descriptor) {
  if (!descriptor) return -EINVAL;
  ServiceHost::Parts& host = ProcessParts();
  const std::shared_ptr<Service> service = host.registry.Find(descriptor);
  if (!service) return -ENOENT;
  if (!service->storage) return -EINVAL;
  return OrOutOfMemory([&] {
    const auto withdraw = [&] {
      // First what memory is needed for: sockets must not outlive their service.
      host.table.WithdrawService(service, {});
      host.registry.Withdraw(*service);
    };
    return host.listeners.WithdrawUnlessUsed(*service, withdraw) ? 0 : -EBUSY;
  });
}

int sockhost_service_add(const struct net_socket_service_desc* descriptor, int fd, short events,
                         void* user_data) {
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return OrOutOfMemory(
      [&] { return ProcessParts().table.AddOne(*service, fd, events, user_data); });
}

int sockhost_service_modify(const struct net_socket_service_desc* descriptor, int fd,
                            short events) {
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return ProcessParts().table.ModifyOne(*service, fd, events);
}

int sockhost_service_set_user_data(const struct net_socket_service_desc* descriptor, int fd,
                                   void* user_data) {
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return ProcessParts().table.SetUserData(*service, fd, user_data);
}

int sockhost_service_remove(const struct net_socket_service_desc* descriptor, int fd) {
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return ProcessParts().table.RemoveOne(*service, fd);
}

int sockhost_service_close(const struct net_socket_service_desc* descriptor,
                           void (*done)(void* arg), void* arg) {
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return OrOutOfMemory([&] {
    absl::AnyInvocable<void()> after;
    if (done) {
      after = [service, done, arg] { sockhost::CallProgram(*service, "done", [&] { done(arg); }); };
    }
    CloseSet(*service, std::move(after));
    return 0;
  });
}

int sockhost_service_close_wait(const struct net_socket_service_desc* descriptor, int timeout_ms) {
  if (ProcessParts().loop.OnServiceThread()) return -EDEADLK;
  std::shared_ptr<Service> service;
  if (const int error = FindService(descriptor, &service)) return error;
  return OrOutOfMemory([&] {
    auto completion = std::make_shared<Completion>();
    CloseSet(*service, [completion] { completion->Set(); });
    return completion->Wait(timeout_ms) ? 0 : -ETIMEDOUT;
  });
}

int sockhost_socket_set_events(int fd, short events) {
  SocketSlot* slot = OwnedSlot(fd);
  if (!slot || IsRemoved(*slot)) return -ENOENT;
  const uint32_t wanted = static_cast<uint16_t>(events);
  if (slot->events.load(std::memory_order_relaxed) == wanted) return 0;
  ServiceLoop::Current()->table().SetEvents(*slot, wanted);
  return 0;
}

int sockhost_socket_set_user_data(int fd, void* user_data) {
  SocketSlot* slot = OwnedSlot(fd);
  if (!slot) return -ENOENT;
  slot->user_data.store(user_data, std::memory_order_relaxed);
  return 0;
}

int sockhost_socket_close(int fd) {
  return sockhost::CloseSocket(fd, sockhost::CloseReason::kClosedByService);
}

int sockhost_socket_peer(int fd, struct sockaddr* address, unsigned int* length) {
  const SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot || !slot->has_peer_address()) return -ENOENT;
  sockaddr_storage storage;
  const socklen_t size = slot->address.ToSockaddr(storage);
  std::memcpy(address, &storage, std::min(size, *length));
  *length = size;
  return 0;
}

int sockhost_may_listen_on(unsigned short port) {
  ServiceLoop* loop = ServiceLoop::Current();
  return !loop || loop->table().MayListenOn(port);
}

int sockhost_socket_is_datagram(int fd) {
  const SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  return slot && slot->role == Role::kDatagram;
}

void sockhost_socket_count_dropped(int fd, size_t messages, enum sockhost_drop_reason reason) {
  SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot) return;
  const auto count = static_cast<int64_t>(messages);
  sockhost::ForEachBlock(*slot, [reason, count](CounterBlock& block) {
    block.Add(Counter::dropped_messages, count);
    if (const auto counter = CounterOf(reason)) block.Add(*counter, count);
  });
}

void sockhost_socket_count_connect_failure(int fd) {
  SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot) return;
  sockhost::ForEachBlock(*slot, [](CounterBlock& block) { block.Add(Counter::connect_failures); });
}

void sockhost_socket_count_skipped(int fd, size_t upstreams) {
  SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot || upstreams == 0) return;
  sockhost::ForEachBlock(*slot, [upstreams](CounterBlock& block) {
    block.Add(Counter::skipped_upstreams, static_cast<int64_t>(upstreams));
  });
}

}  // extern "C"
