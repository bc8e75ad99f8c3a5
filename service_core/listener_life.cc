// How a listener's socket comes, changes and goes.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "listener.h"
#include "service_loop.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int kDefaultBacklog = 4096;

// An address that is in use is tried again soon, because its owner may be on its
// way out, and then less often: an attempt costs the service thread some 20 us.
constexpr absl::Duration kFirstRetryDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestRetryDelay = absl::Seconds(1);

// How long the service thread lets a change go first that another thread makes.
constexpr absl::Duration kBusyDelay = absl::Milliseconds(5);

constexpr absl::Duration kMaxDrainTimeout = absl::Hours(24);

OpenSocketOptions OptionsOf(const ListenerConfig& config) {
  OpenSocketOptions options;
  options.backlog = config.backlog > 0 ? config.backlog : kDefaultBacklog;
  options.ipv6_only = config.ipv6_only;
  options.reuse_port = config.reuse_port;
  options.unix_access = config.unix_access;
  options.tuning = {config.keepalive,        config.keepalive_idle,   config.keepalive_interval,
                    config.keepalive_count,  config.tcp_user_timeout, config.receive_buffer_bytes,
                    config.send_buffer_bytes};
  return options;
}

absl::Status TableError(const std::string& name, int error_number, const SocketTable& table) {
  if (error_number == ENOSPC) {
    return Error(Reason::kSOCKET_LIMIT,
                 absl::StrCat("cannot open listener \"", name, "\": all ", table.max_sockets(),
                              " sockets are used; raise RLIMIT_NOFILE, or the kernel's "
                              "fs.epoll.max_user_watches"),
                 {{"limit", absl::StrCat(table.max_sockets())},
                  {"used", absl::StrCat(table.size())},
                  {"setting", "RLIMIT_NOFILE"}});
  }
  return Error(Reason::kINTERNAL,
               absl::StrCat("cannot poll listener \"", name, "\": ", DescribeErrno(error_number)));
}

absl::string_view StateName(ListenerState state) {
  switch (state) {
    case ListenerState::kStarting:
      return "STARTING";
    case ListenerState::kActive:
      return "ACTIVE";
    case ListenerState::kPaused:
      return "PAUSED";
    case ListenerState::kDraining:
      return "DRAINING";
    case ListenerState::kFailed:
      return "FAILED";
    case ListenerState::kDisabled:
      return "DISABLED";
  }
  return "";
}

// Runs `task` on the service thread `delay` from now. Dropped if there is no such
// thread (any more).
void RunLater(SocketTable& table, absl::Duration delay, absl::AnyInvocable<void()> task) {
  table.RunBetweenHandlers([delay, task = std::move(task)]() mutable {
    ServiceLoop* loop = ServiceLoop::Current();
    if (loop) loop->RunAt(loop->now() + absl::ToInt64Nanoseconds(delay), std::move(task));
  });
}

}  // namespace

// ---- Opening ----------------------------------------------------------------

absl::Status Listener::Open(SocketTable& table) {
  MutexLock lock(change_mutex_);
  return OpenLocked(table);
}

absl::Status Listener::Adopt(SocketTable& table, UniqueFd fd) {
  absl::StatusOr<OpenedSocket> socket = AdoptSocket(std::move(fd), OptionsOf(config()));
  if (!socket.ok()) return socket.status();
  MutexLock lock(change_mutex_);
  return PlaceLocked(table, *std::move(socket));
}

absl::StatusOr<OpenedSocket> Listener::Probe() const {
  return OpenSocket(config().address, OptionsOf(config()));
}

absl::Status Listener::OpenLocked(SocketTable& table) {
  absl::StatusOr<OpenedSocket> socket = Probe();
  if (!socket.ok()) return socket.status();
  return PlaceLocked(table, *std::move(socket));
}

// Polls `socket`, then lets go of the one before: connections that wait in its
// queue are reset, new ones come in here.
absl::Status Listener::PlaceLocked(SocketTable& table, OpenedSocket socket) {
  bool paused = false;
  {
    MutexLock lock(status_mutex_);
    paused = status_.paused_by_operator;
  }
  SocketSpec spec;
  spec.fd = socket.fd.get();
  spec.events = POLLIN;
  spec.polling = paused ? Polling::kPaused : Polling::kLevel;
  spec.role = socket.address.is_datagram() ? Role::kDatagram : Role::kListening;
  spec.protocol = socket.address.protocol();
  spec.service = service_.get();
  spec.listener = this;
  SocketId id = 0;
  if (const int result = table.Add(spec, &id); result != 0) {
    return TableError(*name_, -result, table);
  }
  socket.fd.release();
  CloseSocketLocked(table);
  socket_id_ = id;
  MutexLock lock(status_mutex_);
  status_.opened = std::move(socket);
  if (!status_.is_going) status_.state = paused ? ListenerState::kPaused : ListenerState::kActive;
  if (!paused) status_.reason.clear();
  return absl::OkStatus();
}

void Listener::CloseSocketLocked(SocketTable& table) {
  const SocketId id = std::exchange(socket_id_, 0);
  if (id != 0) table.Remove(id, Fate::kClose, CloseReason::kListenerStopped);
  MutexLock lock(status_mutex_);
  status_.opened = {};
}

void Listener::StartLocked(SocketTable& table) {
  SetState(ListenerState::kStarting, "");
  ++attempt_;
  const absl::Status status = OpenLocked(table);
  if (status.ok()) {
    retry_delay_ = absl::ZeroDuration();
    return;
  }
  const std::string reason(status.message());
  SetState(ListenerState::kFailed, reason);
  if (retry_delay_ == absl::ZeroDuration()) {
    Log(LogLevel::kWarning, absl::StrCat("listener ", *name_, " is tried again: ", reason));
  }
  retry_delay_ = std::clamp(retry_delay_ * 2, kFirstRetryDelay, kLongestRetryDelay);
  RunLater(table, retry_delay_, [weak = weak_from_this(), &table, attempt = attempt_] {
    if (const std::shared_ptr<Listener> listener = weak.lock()) listener->Retry(table, attempt);
  });
}

void Listener::Retry(SocketTable& table, uint64_t attempt) {
  if (!change_mutex_.TryLock()) {
    return RunLater(table, kBusyDelay, [weak = weak_from_this(), &table, attempt] {
      if (const std::shared_ptr<Listener> listener = weak.lock()) listener->Retry(table, attempt);
    });
  }
  if (attempt == attempt_ && state() == ListenerState::kFailed) {
    StartLocked(table);
    if (state() == ListenerState::kActive) {
      Log(LogLevel::kInfo, absl::StrCat("listener ", *name_, " is open: ", address().ToString()));
    }
  }
  change_mutex_.Unlock();
}

// ---- Changing -----------------------------------------------------------------

absl::Status Listener::Update(SocketTable& table, const ListenerConfig* only, ListenerConfig next,
                              bool probe) {
  MutexLock lock(change_mutex_);
  if (absl::Status status = CheckChangeLocked(only, next); !status.ok()) return status;
  if (probe) return ProbeChangeLocked(next);
  return ApplyLocked(table, std::move(next));
}

absl::Status Listener::CheckChangeLocked(const ListenerConfig* only, const ListenerConfig& next) {
  {
    MutexLock lock(status_mutex_);
    if (status_.is_going) return StateErrorLocked("updated");
  }
  if (only && only != &config()) {
    return Error(Reason::kETAG_MISMATCH,
                 absl::StrCat("listener \"", *name_,
                              "\" was changed by another call meanwhile; "
                              "read it again"),
                 {{"listener", absl::StrCat("listeners/", *name_)}}, "etag");
  }
  const bool stays_open = socket_id_ != 0 && next.enabled && next.address == config().address;
  const auto fixed = [&](absl::string_view field) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat(field,
                              ": cannot be changed while the socket is open; change the "
                              "address too, or disable the listener first"),
                 {{"listener", absl::StrCat("listeners/", *name_)}},
                 absl::StrCat("listener.", field));
  };
  if (stays_open && next.ipv6_only != config().ipv6_only) return fixed("ipv6_only");
  if (stays_open && next.reuse_port != config().reuse_port) return fixed("reuse_port");
  if (stays_open && next.unix_access != config().unix_access) return fixed("unix_access");
  return absl::OkStatus();
}

absl::Status Listener::ProbeChangeLocked(const ListenerConfig& next) {
  const bool opens = next.enabled && (!config().enabled || next.address != config().address);
  if (!opens) return absl::OkStatus();
  return OpenSocket(next.address, OptionsOf(next)).status();
}

absl::Status Listener::ApplyLocked(SocketTable& table, ListenerConfig next) {
  const bool was_enabled = config().enabled;
  if (!next.enabled) {
    const absl::Duration timeout = next.drain_timeout;
    SetConfigLocked(table, std::move(next));
    if (was_enabled) StartDrainLocked(table, ListenerState::kDisabled, timeout);
    return absl::OkStatus();
  }
  if (!was_enabled || state() == ListenerState::kFailed) {
    SetConfigLocked(table, std::move(next));
    ++drain_;
    StartLocked(table);
    return absl::OkStatus();
  }
  // Drained: the next Resume opens it.
  if (socket_id_ == 0) {
    SetConfigLocked(table, std::move(next));
    return absl::OkStatus();
  }
  if (next.address != config().address) {
    absl::StatusOr<OpenedSocket> socket = OpenSocket(next.address, OptionsOf(next));
    if (!socket.ok()) return socket.status();
    if (absl::Status status = PlaceLocked(table, *std::move(socket)); !status.ok()) return status;
  } else if (absl::Status status = RetuneLocked(table, next); !status.ok()) {
    return status;
  }
  SetConfigLocked(table, std::move(next));
  return absl::OkStatus();
}

absl::Status Listener::RetuneLocked(SocketTable& table, const ListenerConfig& next) {
  const OpenSocketOptions options = OptionsOf(next);
  const OpenSocketOptions before = OptionsOf(config());
  if (options.backlog == before.backlog && options.tuning == before.tuning) {
    return absl::OkStatus();
  }
  OpenedSocket opened;
  opened.address = address();
  absl::Status status;
  table.VisitFd(socket_id_, [&](int fd) { status = RetuneSocket(fd, options, opened); });
  if (!status.ok()) return status;
  MutexLock lock(status_mutex_);
  opened.file = std::move(status_.opened.file);
  status_.opened = std::move(opened);
  return absl::OkStatus();
}

void Listener::SetConfigLocked(SocketTable& table, ListenerConfig next) {
  auto fresh = std::make_shared<const ListenerConfig>(std::move(next));
  std::shared_ptr<const ListenerConfig> old;
  {
    MutexLock lock(status_mutex_);
    old = std::exchange(config_, fresh);
    live_config_.store(fresh.get(), std::memory_order_release);
  }
  // A handler may be reading the old one; and connections that are open may have a
  // time-out now.
  table.RunBetweenHandlers([old = std::move(old), fresh = std::move(fresh)] {
    if (ServiceLoop* loop = ServiceLoop::Current()) loop->connection_timeouts().Watch(*fresh);
  });
}

// ---- Pausing and draining -------------------------------------------------------

absl::Status Listener::Pause(SocketTable& table) {
  MutexLock lock(change_mutex_);
  {
    MutexLock status_lock(status_mutex_);
    const bool is_open =
        status_.state == ListenerState::kActive || status_.state == ListenerState::kPaused;
    if (!is_open) return StateErrorLocked("paused");
    status_.state = ListenerState::kPaused;
    status_.paused_by_operator = true;
    status_.reason = "paused by a call";
  }
  table.SetPaused(socket_id_, true);
  return absl::OkStatus();
}

absl::Status Listener::Resume(SocketTable& table) {
  MutexLock lock(change_mutex_);
  ListenerState before;
  {
    MutexLock status_lock(status_mutex_);
    before = status_.state;
    if (status_.is_going || before == ListenerState::kDisabled) return StateErrorLocked("resumed");
    if (before == ListenerState::kPaused && status_.paused_by_operator) {
      status_.state = ListenerState::kActive;
      status_.reason.clear();
    }
    status_.paused_by_operator = false;
    status_.drain_deadline_nanos = 0;
  }
  if (before == ListenerState::kPaused) table.SetPaused(socket_id_, false);
  if (before == ListenerState::kDraining || before == ListenerState::kFailed) {
    ++drain_;
    StartLocked(table);
  }
  return absl::OkStatus();
}

absl::Status Listener::Drain(SocketTable& table, absl::Duration timeout) {
  if (timeout < absl::ZeroDuration() || timeout > kMaxDrainTimeout) {
    return Error(
        Reason::kFIELD_INVALID,
        absl::StrCat("drain_timeout ", absl::FormatDuration(timeout), ": use 0s to 24 hours"),
        {{"value", absl::FormatDuration(timeout)}}, "drain_timeout");
  }
  MutexLock lock(change_mutex_);
  {
    MutexLock status_lock(status_mutex_);
    if (status_.is_going || status_.state == ListenerState::kDisabled) {
      return StateErrorLocked("drained");
    }
  }
  StartDrainLocked(table, ListenerState::kDraining, timeout);
  return absl::OkStatus();
}

void Listener::StartDrainLocked(SocketTable& table, ListenerState state, absl::Duration timeout) {
  CloseSocketLocked(table);
  {
    MutexLock lock(status_mutex_);
    status_.state = state;
    status_.reason.clear();
    status_.paused_by_operator = false;
    status_.drain_deadline_nanos = absl::ToUnixNanos(absl::Now() + timeout);
  }
  RunLater(table, timeout, [weak = weak_from_this(), &table, drain = ++drain_] {
    if (const std::shared_ptr<Listener> listener = weak.lock()) listener->EndDrain(table, drain);
  });
}

void Listener::EndDrain(SocketTable& table, uint64_t drain) {
  if (!change_mutex_.TryLock()) {
    return RunLater(table, kBusyDelay, [weak = weak_from_this(), &table, drain] {
      if (const std::shared_ptr<Listener> listener = weak.lock()) listener->EndDrain(table, drain);
    });
  }
  if (drain == drain_) {
    const size_t closed = table.RemoveConnections(*this, CloseReason::kDrainTimeout);
    for (CounterBlock* block : {&counters, &service_->counters}) {
      block->Add(Counter::timed_out_connections, static_cast<int64_t>(closed));
    }
    MutexLock lock(status_mutex_);
    status_.drain_deadline_nanos = 0;
  }
  change_mutex_.Unlock();
}

void Listener::RemoveFile() {
  MutexLock lock(status_mutex_);
  status_.opened.file.Remove();
}

void Listener::BeginDraining() {
  MutexLock lock(status_mutex_);
  status_.state = ListenerState::kDraining;
  status_.reason.clear();
  status_.is_going = true;
}

// ---- State ----------------------------------------------------------------------

ListenerState Listener::state() const {
  MutexLock lock(status_mutex_);
  return status_.state;
}

void Listener::SetState(ListenerState state, std::string reason) {
  MutexLock lock(status_mutex_);
  if (status_.is_going) return;
  status_.state = state;
  status_.reason = std::move(reason);
}

absl::Status Listener::StateErrorLocked(absl::string_view verb) const {
  const absl::string_view why = status_.is_going ? "being deleted" : StateName(status_.state);
  return Error(
      Reason::kSTATE_INVALID,
      absl::StrCat("listener \"", *name_, "\" cannot be ", verb, ": it is ", why,
                   status_.state == ListenerState::kDisabled ? "; enable it with an update" : ""),
      {{"listener", absl::StrCat("listeners/", *name_)},
       {"state", std::string(StateName(status_.state))}});
}

}  // namespace sockhost
