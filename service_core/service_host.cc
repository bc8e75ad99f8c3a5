#include "sockhost/service_host.h"

#include <algorithm>
#include <cerrno>
#include <condition_variable>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "host_parts.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"

namespace sockhost {

// The one global of the core. The C API has no handle to pass, and services
// announce themselves from constructors that run before main.
ServiceHost& ServiceHost::OfProcess() {
  static auto* host = new ServiceHost;
  return *host;
}

ServiceHost::Parts& ProcessParts() { return *ServiceHost::OfProcess().parts_; }

ServiceHost::ServiceHost() : parts_(std::make_unique<Parts>()) {}

ServiceHost::~ServiceHost() { Stop(); }

absl::Status ServiceHost::Start(const HostOptions& options) {
  if (!parts_->opened.ok()) return parts_->opened;
  const int64_t fds = RaiseFdLimit();
  const auto possible = static_cast<size_t>(std::max<int64_t>(fds - kReservedFds, fds / 2));
  parts_->table.SetLimit(options.max_sockets > 0 ? std::min(options.max_sockets, possible)
                                                 : possible);
  parts_->table.SetClosedLimit(options.closed_sockets);
  parts_->listeners.SetLimit(options.max_listeners);
  parts_->events.SetCapacity(options.event_history);
  if (absl::Status status = parts_->loop.Start(); !status.ok()) {
    // Somebody may be waiting for the thread to close what is queued.
    parts_->table.Reap();
    return status;
  }
  if (absl::Status status = parts_->listener_thread.Start(); !status.ok()) return status;
  parts_->watchdog.emplace(parts_->loop, parts_->registry, options.abort_on_stall);
  return absl::OkStatus();
}

void ServiceHost::StopAccepting(absl::Duration drain_timeout) {
  parts_->stopping = true;
  parts_->listeners.StopAccepting(drain_timeout);
}

void ServiceHost::CloseConnections(absl::AnyInvocable<void()> done) {
  if (sockets_of_listeners() > 0) parts_->listeners.CloseConnections();
  AfterClosing(std::move(done));
}

void ServiceHost::Stop() {
  parts_->stopping = true;
  const auto delete_listeners = [this] {
    for (const ListenerSnapshot& listener : parts_->listeners.List()) {
      // NOT_FOUND if somebody else deletes it at the same time.
      parts_->listeners.Delete(listener.config->name, nullptr, /*force=*/true, {}).IgnoreError();
    }
  };
  delete_listeners();
  // The loop's last turn closes what was removed. The watchdog looks at the last handlers too,
  // but at no thread that is gone. Not destroyed: other threads may be asking it.
  parts_->loop.Stop([this] {
    if (parts_->watchdog) parts_->watchdog->Stop();
  });
  // There is no service thread any more: what other threads did since the first
  // pass is finished here.
  delete_listeners();
  parts_->table.Reap();
  // With the files that are still to be removed.
  parts_->listener_thread.Stop();
}

absl::Status ServiceHost::DefineService(const sockhost_service_definition& definition,
                                        ServiceKind kind) {
  return parts_->registry.Define(definition, kind).status();
}

std::vector<ServiceSnapshot> ServiceHost::ListServices() const {
  std::vector<ServiceSnapshot> out;
  for (const std::shared_ptr<Service>& service : parts_->registry.List()) {
    ServiceSnapshot& snapshot = out.emplace_back();
    snapshot.name = service->name;
    snapshot.kind = service->kind;
    snapshot.owner = service->owner;
    snapshot.capacity = service->descriptor->pev_len;
    std::tie(snapshot.registered, snapshot.sockets) = parts_->table.CountSockets(*service);
    snapshot.stalls = service->stalls.load(std::memory_order_relaxed);
    snapshot.max_stall_nanos = service->max_stall_nanos.load(std::memory_order_relaxed);
    snapshot.counters = service->counters.Read();
  }
  return out;
}

absl::StatusOr<ListenerSnapshot> ServiceHost::CreateListener(const ListenerConfig& config,
                                                             Keep keep) {
  if (absl::Status status = CheckOpen(config.name); !status.ok()) return status;
  return parts_->listeners.Create(config, keep);
}

absl::StatusOr<ListenerSnapshot> ServiceHost::AdoptListener(const ListenerConfig& config, int fd) {
  UniqueFd owned(fd);
  if (absl::Status status = CheckOpen(config.name); !status.ok()) return status;
  return parts_->listeners.Adopt(config, std::move(owned));
}

absl::StatusOr<ListenerSnapshot> ServiceHost::UpdateListener(const ListenerSnapshot& now,
                                                             const ListenerConfig& next,
                                                             Keep keep) {
  if (absl::Status status = CheckOpen(next.name); !status.ok()) return status;
  return parts_->listeners.Update(now.config.get(), next, keep);
}

absl::StatusOr<ListenerSnapshot> ServiceHost::PauseListener(absl::string_view name,
                                                            const ListenerSnapshot* only) {
  if (absl::Status status = CheckOpen(name); !status.ok()) return status;
  return parts_->listeners.Pause(name, only ? only->config.get() : nullptr);
}

absl::StatusOr<ListenerSnapshot> ServiceHost::ResumeListener(absl::string_view name,
                                                             const ListenerSnapshot* only) {
  if (absl::Status status = CheckOpen(name); !status.ok()) return status;
  return parts_->listeners.Resume(name, only ? only->config.get() : nullptr);
}

absl::StatusOr<ListenerSnapshot> ServiceHost::DrainListener(absl::string_view name,
                                                            std::optional<absl::Duration> timeout,
                                                            const ListenerSnapshot* only) {
  if (absl::Status status = CheckOpen(name); !status.ok()) return status;
  return parts_->listeners.Drain(name, timeout, only ? only->config.get() : nullptr);
}

absl::Status ServiceHost::CheckOpen(absl::string_view listener) const {
  if (parts_->stopping) {
    return Error(Reason::kSHUTTING_DOWN,
                 absl::StrCat("cannot open or change listener \"", listener,
                              "\": the host is stopping; try again when it is back"));
  }
  if (parts_->loop.state() != ServiceLoop::State::kRunning) {
    return Error(Reason::kINTERNAL,
                 absl::StrCat("cannot open listener \"", listener, "\": the host does not run"));
  }
  return absl::OkStatus();
}

absl::Status ServiceHost::DeleteListener(absl::string_view name, bool force,
                                         absl::AnyInvocable<void()> done) {
  return parts_->listeners.Delete(name, nullptr, force, std::move(done));
}

absl::Status ServiceHost::DeleteListener(const ListenerSnapshot& listener, bool force,
                                         absl::AnyInvocable<void()> done) {
  const ListenerConfig& config = *listener.config;
  return parts_->listeners.Delete(config.name, &config, force, std::move(done));
}

void ServiceHost::AfterClosing(absl::AnyInvocable<void()> done) {
  parts_->table.RunBetweenHandlers([] {}, std::move(done));
}

std::optional<ListenerSnapshot> ServiceHost::FindListener(absl::string_view name) const {
  return parts_->listeners.Find(name);
}

std::vector<ListenerSnapshot> ServiceHost::ListListeners() const {
  return parts_->listeners.List();
}

size_t ServiceHost::listeners() const { return parts_->listeners.size(); }
size_t ServiceHost::max_listeners() const { return parts_->listeners.limit(); }

void ServiceHost::ForEachSocket(const std::function<void(SocketSnapshot&&)>& visit,
                                SocketId after) const {
  parts_->table.ForEach(visit, after);
}

std::vector<SocketSnapshot> ServiceHost::SocketsAfter(SocketId after, size_t most) const {
  std::vector<SocketSnapshot> out;
  out.reserve(std::min(most, sockets()));
  while (out.size() < most) {
    const size_t wanted = most - out.size();
    const std::vector<SocketId> ids = parts_->table.IdsAfter(after, wanted);
    for (const SocketId id : ids) {
      if (std::optional<SocketSnapshot> socket = parts_->table.Find(id)) {
        out.push_back(*std::move(socket));
      }
    }
    if (ids.size() < wanted) break;
    // Those that went since make room for others.
    after = ids.back();
  }
  return out;
}

std::optional<SocketSnapshot> ServiceHost::FindSocket(SocketId id) const {
  return parts_->table.Find(id);
}

void ServiceHost::ForEachClosedSocket(const std::function<void(SocketSnapshot&&)>& visit) const {
  parts_->table.ForEachClosed(visit);
}

std::optional<SocketSnapshot> ServiceHost::FindClosedSocket(SocketId id) const {
  return parts_->table.FindClosed(id);
}

size_t ServiceHost::closed_sockets() const { return parts_->table.CountClosed().first; }
size_t ServiceHost::max_closed_sockets() const { return parts_->table.CountClosed().second; }

absl::Status ServiceHost::CloseSocket(SocketId id, absl::AnyInvocable<void()> done) {
  const int result =
      parts_->table.CloseConnection(id, CloseReason::kClosedByAdmin, std::move(done));
  if (result == 0) return absl::OkStatus();
  const std::string name = absl::StrCat("sockets/", id);
  if (result == -ENOENT) {
    return Error(Reason::kSOCKET_NOT_FOUND, absl::StrCat("socket \"", name, "\" does not exist"),
                 {{"socket", name}}, "name");
  }
  return Error(Reason::kSTATE_INVALID,
               absl::StrCat("socket \"", name,
                            "\" is neither CONNECTION nor UPSTREAM: delete its listener to close "
                            "it, or let the program that registered it close it"),
               {{"socket", name}}, "name");
}

bool ServiceHost::InspectSocket(const SocketSnapshot& socket,
                                absl::FunctionRef<void(int fd)> inspect) const {
  return parts_->table.Inspect(socket.id, socket.fd, inspect);
}

size_t ServiceHost::sockets() const { return parts_->table.size(); }
size_t ServiceHost::sockets_of_listeners() const {
  const size_t registered = parts_->table.registered();
  const size_t all = parts_->table.size();
  // Two reads: a socket may have come or gone in between.
  return all > registered ? all - registered : 0;
}
size_t ServiceHost::max_sockets() const { return parts_->table.max_sockets(); }

const EventRing& ServiceHost::events() const { return parts_->events; }

LoopStatistics ServiceHost::Statistics() const {
  LoopStatistics out = parts_->loop.Statistics();
  if (parts_->watchdog) {
    out.stalls = parts_->watchdog->stalls();
    out.max_stall_nanos = parts_->watchdog->max_stall_nanos();
  }
  return out;
}

bool ServiceHost::IsStalled() const { return parts_->watchdog && parts_->watchdog->IsStalled(); }

StalledHandler ServiceHost::Stalled() const {
  return parts_->watchdog ? parts_->watchdog->Stalled() : StalledHandler();
}

}  // namespace sockhost
