#include "listener.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "service_loop.h"
#include "socket_table.h"
#include "sockhost/error.h"
#include "system_calls.h"

namespace sockhost {
namespace {

// Connections taken in one wake-up before other sockets have their turn. Not more: where each
// makes work for another process, as those of a forwarder do, its upstream is woken up for every
// single one if many come in a row, and is awake still when they come between others.
constexpr int kDefaultAcceptsPerTurn = 16;

// After so many wake-ups in a row in which nobody waited the socket is looked at. Processes that
// share it are woken up in vain, too.
constexpr uint32_t kIdleAccepts = 64;

// How long accepting rests when the process or the system is out of fds or
// memory: accept(2) would fail at once, again and again.
constexpr int64_t kAcceptPauseNanos = 100'000'000;

// accept(2) does not tell: it looks for an fd first.
bool HasWaiting(int fd) {
  pollfd look{fd, POLLIN, 0};
  return poll(&look, 1, 0) == 1 && (look.revents & POLLIN) != 0;
}

// It listens no more. accept(2) does not say so of a unix socket.
bool IsShutDown(int fd) {
  pollfd look{fd, POLLRDHUP, 0};
  return poll(&look, 1, 0) == 1;
}

}  // namespace

Listener::Listener(ListenerConfig config, std::shared_ptr<Service> service, SocketTable& table,
                   ListenerThread& tasks)
    : name_(std::make_shared<const std::string>(config.name)),
      service_(std::move(service)),
      table_(table),
      tasks_(tasks),
      config_(std::make_shared<const ListenerConfig>(std::move(config))),
      live_config_(config_.get()) {
  if (!config_->enabled) status_.state = ListenerState::kDisabled;
}

void Listener::Accept(SocketSlot& slot, ServiceLoop& loop) {
  const int wanted = config().max_accepts_per_event;
  const int budget = accept_budget_.Next(wanted > 0 ? wanted : kDefaultAcceptsPerTurn);
  int taken = 0;
  Taken last = Taken::kOne;
  while (taken < budget && (last = AcceptOne(slot, loop)) == Taken::kOne) ++taken;
  // One that was taken says little: the next may find no room.
  if (is_short_ && last == Taken::kNone) EndShortage();
  idle_accepts_ = taken > 0 ? 0 : idle_accepts_ + 1;
  if (last == Taken::kNone && idle_accepts_ % kIdleAccepts == kIdleAccepts - 1 &&
      IsShutDown(slot.fd)) {
    ReplaceSocket("shut down", slot);
  }
  accept_budget_.Note(taken);
  counters.Max(Counter::max_accepts_per_wakeup, taken);
  service_->counters.Max(Counter::max_accepts_per_wakeup, taken);
  slot.counters.Max(Counter::max_accepts_per_wakeup, taken);
}

Listener::Taken Listener::AcceptOne(SocketSlot& slot, ServiceLoop& loop) {
  if (table_.size() >= table_.max_sockets()) {
    return PauseForShortage(absl::StrCat("socket limit of ", table_.max_sockets(), " reached"),
                            slot, loop);
  }
  sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  UniqueFd fd(sockhost::Accept(slot.fd, reinterpret_cast<sockaddr*>(&peer), &length,
                               SOCK_NONBLOCK | SOCK_CLOEXEC));
  if (!fd.valid()) return HandleAcceptError(errno, slot, loop);

  const SocketAddress remote =
      SocketAddress::From(slot.protocol, reinterpret_cast<sockaddr*>(&peer), length);
  if (IsOverLimit(remote, slot)) return Taken::kOne;
  SocketSpec spec;
  spec.fd = fd.get();
  spec.events = service_->connection_events;
  // It can be written to: no need to ask the kernel.
  const bool is_ready = spec.events & EPOLLOUT;
  spec.polling = is_ready ? Polling::kOpening : FirstPolling(*service_, slot.protocol);
  spec.role = Role::kConnection;
  spec.protocol = slot.protocol;
  spec.service = service_.get();
  spec.listener = this;
  spec.address = remote;
  spec.wall_time = loop.wall_time();
  spec.monotonic_time = loop.now();
  spec.accepted_by = &slot;
  // First what can run out of memory: a connection that is in the table is begun.
  if (sources_) sources_->Add(remote);
  loop.connection_timeouts().Watch(config());
  SocketId id;
  SocketSlot* connection = nullptr;
  if (const int result = table_.Add(spec, &id, &connection); result != 0) {
    ForgetConnection(remote);
    return HandleAcceptError(-result, slot, loop);
  }
  fd.release();
  ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::accepted_connections); });
  // Not of the listening socket: it may be gone before its connections.
  for (CounterBlock* block : {&counters, &service_->counters}) {
    block->Add(Counter::active_connections);
    block->Max(Counter::max_active_connections, block->Get(Counter::active_connections));
  }
  const int begun = is_ready ? loop.BeginConnection(*connection, id) : 0;
  return begun == 0 ? Taken::kOne : HandleAcceptError(-begun, slot, loop);
}

bool Listener::IsOverLimit(const SocketAddress& peer, SocketSlot& slot) {
  const int limit = config().max_connections;
  if (limit > 0 && counters.Get(Counter::active_connections) >= limit) {
    ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::rejected_connections); });
    LogRejection("max_connections", limit, peer);
    return true;
  }
  const int source_limit = config().max_connections_per_source;
  if (source_limit == 0) {
    sources_.reset();
    return false;
  }
  if (!sources_) {
    // The limit is new: those that are connected count as well.
    sources_ = std::make_unique<ConnectionSources>();
    table_.ForEachPeer(*this, [this](const SocketAddress& from) { sources_->Add(from); });
  }
  if (sources_->Count(peer) < source_limit) return false;
  ForEachBlock(slot, [](CounterBlock& block) {
    block.Add(Counter::rejected_connections);
    block.Add(Counter::rejected_by_source);
  });
  LogRejection("max_connections_per_source", source_limit, peer);
  return true;
}

void Listener::LogRejection(absl::string_view limit, int value, const SocketAddress& peer) {
  if (!rejection_log_.IsDue()) return;
  rejection_log_.Log(LogLevel::kWarning, "a listener is at its limit and closed a new connection",
                     {{"listener", *name_}, {limit, value}, {"peer", peer.ToString()}});
}

void Listener::ForgetConnection(const SocketAddress& peer) {
  if (sources_) sources_->Remove(peer);
}

Listener::Taken Listener::HandleAcceptError(int error_number, SocketSlot& slot, ServiceLoop& loop) {
  // ENOENT: the socket was closed while connections were taken from it.
  if (error_number == EAGAIN || error_number == ENOENT) return Taken::kNone;
  if (error_number == EINTR) return Taken::kOne;
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
      return PauseForShortage(absl::StrCat("accept: ", DescribeErrno(error_number)), slot, loop);
    case EBADF:
    case EINVAL:
    case ENOTSOCK:
      return ReplaceSocket(absl::StrCat("accept: ", DescribeErrno(error_number)), slot);
    default:
      // Errors of the connection that was waiting, e.g. ECONNABORTED; accept(2)
      // says to go on. The budget bounds how many are taken at a time.
      return Taken::kOne;
  }
}

// Whoever else has the socket can end it with shutdown(2): the process that passed it, or
// `ss -K`. It would be reported for ever, and nobody can connect.
Listener::Taken Listener::ReplaceSocket(std::string reason, SocketSlot& slot) {
  const SocketId id = slot.id.load(std::memory_order_relaxed);
  tasks_.RunAfter(absl::ZeroDuration(), [weak = weak_from_this(), id, reason = std::move(reason)] {
    if (const auto listener = weak.lock()) listener->Reopen(id, reason);
  });
  table_.SetPolling(slot, Polling::kMasked);
  return Taken::kNoRoom;
}

// A shortage that lasts is told once, however often accepting is tried meanwhile: many
// listeners that tell of each attempt would push everything else out of the history of events.
Listener::Taken Listener::PauseForShortage(std::string reason, SocketSlot& slot,
                                           ServiceLoop& loop) {
  if (!HasWaiting(slot.fd)) return Taken::kNone;
  // First what can run out of memory: a listener that pauses must have its timer.
  Rest(slot.key(), loop);
  if (!std::exchange(is_short_, true)) {
    accept_log_.Log(LogLevel::kWarning,
                    "a listener pauses accepting; it is tried again every 100 ms",
                    {{"listener", *name_}, {"address", address().ToString()}, {"error", reason}});
  }
  {
    MutexLock lock(status_mutex_);
    const bool is_short = status_.state == ListenerState::kPaused && !status_.paused_by_operator;
    if (status_.state == ListenerState::kActive || is_short) {
      SetStateLocked(ListenerState::kPaused, std::move(reason));
    }
  }
  ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::accept_pauses); });
  table_.SetPolling(slot, Polling::kMasked);
  return Taken::kNoRoom;
}

void Listener::Rest(RegistrationKey key, ServiceLoop& loop) {
  loop.RunAt(loop.now() + kAcceptPauseNanos,
             [weak = weak_from_this(), key, rest = rest_ + 1, &loop] {
               const std::shared_ptr<Listener> listener = weak.lock();
               if (listener && listener->rest_ == rest) listener->TryAgain(key, loop);
             });
  ++rest_;
}

void Listener::TryAgain(RegistrationKey key, ServiceLoop& loop) {
  SocketSlot* const slot = table_.Lookup(key);
  // False: there was room for everybody, since it was polled again 100 ms ago. Or a call has
  // paused it.
  const bool is_masked = slot && slot->polling.load(std::memory_order_relaxed) == Polling::kMasked;
  if (is_masked) table_.SetPolling(*slot, Polling::kLevel);
  if (is_masked && HasWaiting(slot->fd)) return Rest(key, loop);
  // Also if that socket is gone: another one may have come just before the state was set.
  EndShortage();
}

void Listener::EndShortage() {
  is_short_ = false;
  ++rest_;
  MutexLock lock(status_mutex_);
  if (status_.state != ListenerState::kPaused || status_.paused_by_operator) return;
  SetStateLocked(ListenerState::kActive, "");
}

}  // namespace sockhost
