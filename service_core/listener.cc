#include "listener.h"

#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "service_loop.h"
#include "socket_table.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// Connections taken in one wake-up before other sockets have their turn.
constexpr int kMaxAcceptsPerTurn = 64;

// How long accepting rests when the process or the system is out of fds or
// memory: accept(2) would fail at once, again and again.
constexpr int64_t kAcceptPauseNanos = 100'000'000;

}  // namespace

Listener::Listener(ListenerConfig config, std::shared_ptr<Service> service,
                   const OpenedSocket& socket)
    : config_(std::make_shared<const ListenerConfig>(std::move(config))),
      name_(config_, &config_->name),
      service_(std::move(service)),
      address_(socket.address),
      effective_backlog_(socket.effective_backlog),
      own_port_(socket.own_port) {}

ListenerSnapshot Listener::Snapshot() const {
  ListenerSnapshot out;
  out.config = config_;
  out.effective_address = address_;
  out.effective_backlog = effective_backlog_;
  out.state = state_;
  out.counters = counters.Read();
  if (out.state == ListenerState::kPaused) {
    MutexLock lock(reason_mutex_);
    out.state_reason = state_reason_;
  }
  return out;
}

void Listener::Record(HostEventKind kind, const SocketTable& table) const {
  if (!table.events()) return;
  table.events()->Record([&] {
    HostEvent event;
    event.kind = kind;
    event.service = service_->name;
    event.listener = std::make_shared<const ListenerSnapshot>(Snapshot());
    return event;
  });
}

void Listener::Accept(SocketSlot& slot, ServiceLoop& loop) {
  int taken = 0;
  while (taken < accept_budget_ && AcceptOne(slot, loop)) ++taken;
  counters.Max(Counter::max_accepts_per_wakeup, taken);
  service_->counters.Max(Counter::max_accepts_per_wakeup, taken);
  slot.counters.Max(Counter::max_accepts_per_wakeup, taken);
  accept_budget_ = taken == accept_budget_ ? std::min(accept_budget_ * 2, kMaxAcceptsPerTurn)
                                           : std::max(accept_budget_ / 2, 1);
}

bool Listener::AcceptOne(SocketSlot& slot, ServiceLoop& loop) {
  SocketTable& table = loop.table();
  if (table.size() >= table.max_sockets()) {
    Pause(absl::StrCat("socket limit of ", table.max_sockets(), " reached"), slot, loop);
    return false;
  }
  sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  UniqueFd fd(
      accept4(slot.fd, reinterpret_cast<sockaddr*>(&peer), &length, SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return HandleAcceptError(errno, slot, loop);

  const int limit = config_->max_connections;
  if (limit > 0 && counters.Get(Counter::active_connections) >= limit) {
    ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::rejected_connections); });
    return true;
  }
  SocketSpec spec;
  spec.fd = fd.get();
  spec.events = service_->connection_events;
  spec.role = Role::kConnection;
  spec.protocol = slot.protocol;
  spec.service = service_.get();
  spec.listener = this;
  spec.remote = SocketAddress::From(slot.protocol, reinterpret_cast<sockaddr*>(&peer), length);
  SocketId id;
  if (const int result = table.Add(spec, &id); result != 0) {
    return HandleAcceptError(-result, slot, loop);
  }
  fd.release();
  ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::accepted_connections); });
  // Not of the listening socket: it may be gone before its connections.
  for (CounterBlock* block : {&counters, &service_->counters}) {
    block->Add(Counter::active_connections);
    block->Max(Counter::max_active_connections, block->Get(Counter::active_connections));
  }
  return true;
}

bool Listener::HandleAcceptError(int error_number, SocketSlot& slot, ServiceLoop& loop) {
  if (error_number == EAGAIN) return false;
  if (error_number == EINTR) return true;
  ForEachBlock(slot, [error_number](CounterBlock& block) {
    block.Add(Counter::accept_errors);
    block.AddError(error_number);
  });
  switch (error_number) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
      Pause(absl::StrCat("accept: ", DescribeErrno(error_number)), slot, loop);
      return false;
    case ENOENT:  // the listener is being deleted
      return false;
    default:
      // Errors of the connection that was waiting, e.g. ECONNABORTED; accept(2)
      // says to go on. The budget bounds how many are taken at a time.
      return true;
  }
}

void Listener::Pause(std::string reason, SocketSlot& slot, ServiceLoop& loop) {
  accept_log_.Log(LogLevel::kWarning, "a listener pauses accepting for 100 ms",
                  {{"listener", *name_}, {"address", address_.ToString()}, {"error", reason}});
  SocketTable& table = loop.table();
  const RegistrationKey key = slot.key();
  // First what can run out of memory: a listener that pauses must have its timer.
  loop.RunAt(loop.now() + kAcceptPauseNanos, [this, &table, key] {
    SocketSlot* paused = table.Lookup(key);
    // Gone, and the listener with it.
    if (!paused) return;
    ListenerState expected = ListenerState::kPaused;
    const bool changed = state_.compare_exchange_strong(expected, ListenerState::kActive);
    if (changed) Record(HostEventKind::kListenerStateChanged, table);
    table.SetPolling(*paused, Polling::kLevel);
  });
  {
    MutexLock lock(reason_mutex_);
    state_reason_ = std::move(reason);
  }
  ListenerState expected = ListenerState::kActive;
  const bool changed = state_.compare_exchange_strong(expected, ListenerState::kPaused);
  if (changed) Record(HostEventKind::kListenerStateChanged, table);
  ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::accept_pauses); });
  table.SetPolling(slot, Polling::kMasked);
}

}  // namespace sockhost
