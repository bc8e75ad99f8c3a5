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
// way out, and then less often.
constexpr absl::Duration kFirstRetryDelay = absl::Milliseconds(50);
constexpr absl::Duration kLongestRetryDelay = absl::Seconds(1);

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
  // Its own end, or that of its service, came in between.
  if (error_number == ENOENT) {
    return Error(Reason::kSTATE_INVALID,
                 absl::StrCat("cannot open listener \"", name, "\": it is being deleted"),
                 {{"listener", absl::StrCat("listeners/", name)}});
  }
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

}  // namespace

// ---- Opening ----------------------------------------------------------------

absl::Status Listener::Open() {
  MutexLock lock(change_mutex_);
  return OpenLocked();
}

absl::Status Listener::Adopt(UniqueFd fd) {
  MutexLock lock(change_mutex_);
  absl::StatusOr<OpenedSocket> socket = AdoptSocket(std::move(fd), OptionsOf(ConfigLocked()));
  if (!socket.ok()) return socket.status();
  return PlaceLocked(*std::move(socket));
}

absl::Status Listener::Probe() {
  MutexLock lock(change_mutex_);
  return OpenSocket(ConfigLocked().address, OptionsOf(ConfigLocked())).status();
}

void Listener::Announce() {
  MutexLock lock(status_mutex_);
  status_.is_announced = true;
  RecordLocked(HostEventKind::kListenerCreated);
}

absl::Status Listener::OpenLocked() {
  absl::StatusOr<OpenedSocket> socket =
      OpenSocket(ConfigLocked().address, OptionsOf(ConfigLocked()));
  if (!socket.ok()) return socket.status();
  return PlaceLocked(*std::move(socket));
}

// Polls `socket`, then lets go of the one before: connections that wait in its
// queue are reset, new ones come in here.
absl::Status Listener::PlaceLocked(OpenedSocket socket) {
  const bool paused = IsPausedByOperator();
  SocketSpec spec;
  spec.fd = socket.fd.get();
  spec.events = POLLIN;
  spec.polling = paused ? Polling::kPaused : Polling::kLevel;
  spec.role = socket.address.is_datagram() ? Role::kDatagram : Role::kListening;
  spec.protocol = socket.address.protocol();
  spec.service = service_.get();
  spec.listener = this;
  SocketId id = 0;
  if (const int result = table_.Add(spec, &id); result != 0) {
    return TableError(*name_, -result, table_);
  }
  socket.fd.release();
  OpenedSocket old;  // its file is removed without a mutex
  const SocketId old_id = std::exchange(socket_id_, id);
  {
    MutexLock lock(status_mutex_);
    old = std::exchange(status_.opened, std::move(socket));
    SetStateLocked(paused ? ListenerState::kPaused : ListenerState::kActive,
                   paused ? status_.reason : "");
  }
  if (old_id != 0) table_.Remove(old_id, Fate::kClose, CloseReason::kListenerStopped);
  return absl::OkStatus();
}

void Listener::StartLocked() {
  retry_delay_ = absl::ZeroDuration();
  SetState(ListenerState::kStarting, "");
  TryLocked();
}

void Listener::TryLocked() {
  ++attempt_;
  const absl::Status status = OpenLocked();
  if (status.ok()) return;
  const std::string reason(status.message());
  SetState(ListenerState::kFailed, reason);
  if (retry_delay_ == absl::ZeroDuration()) {
    Log(LogLevel::kWarning, "a listener could not be opened; it is tried again",
        {{"listener", *name_}, {"error", reason}});
  }
  retry_delay_ = std::clamp(retry_delay_ * 2, kFirstRetryDelay, kLongestRetryDelay);
  tasks_.RunAfter(retry_delay_, [weak = weak_from_this(), attempt = attempt_] {
    if (const std::shared_ptr<Listener> listener = weak.lock()) listener->Retry(attempt);
  });
}

void Listener::Retry(uint64_t attempt) {
  MutexLock lock(change_mutex_);
  if (attempt != attempt_ || state() != ListenerState::kFailed) return;
  TryLocked();
  if (socket_id_ == 0) return;
  Log(LogLevel::kInfo, "a listener is open after all",
      {{"listener", *name_}, {"address", address().ToString()}});
}

// ---- Changing -----------------------------------------------------------------

absl::Status Listener::Update(const ListenerConfig* only, ListenerConfig next, Keep keep) {
  MutexLock lock(change_mutex_);
  if (absl::Status status = CheckChangeLocked(only, next); !status.ok()) return status;
  if (keep == Keep::kNo) return ProbeChangeLocked(next);
  return ApplyLocked(std::move(next));
}

absl::Status Listener::CheckChangeLocked(const ListenerConfig* only, const ListenerConfig& next) {
  {
    MutexLock lock(status_mutex_);
    if (status_.is_going) return StateErrorLocked("updated");
  }
  const ListenerConfig& now = ConfigLocked();
  if (only && only != &now) {
    return Error(Reason::kETAG_MISMATCH,
                 absl::StrCat("listener \"", *name_,
                              "\" was changed by another call meanwhile; read it again"),
                 {{"listener", absl::StrCat("listeners/", *name_)}}, "etag");
  }
  const bool stays_open = socket_id_ != 0 && next.enabled && next.address == now.address;
  const auto fixed = [&](absl::string_view field) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat(field,
                              ": cannot be changed while the socket is open; change the "
                              "address too, or disable the listener first"),
                 {{"listener", absl::StrCat("listeners/", *name_)}},
                 absl::StrCat("listener.", field));
  };
  if (stays_open && next.ipv6_only != now.ipv6_only) return fixed("ipv6_only");
  if (stays_open && next.reuse_port != now.reuse_port) return fixed("reuse_port");
  if (stays_open && next.unix_access != now.unix_access) return fixed("unix_access");
  return absl::OkStatus();
}

absl::Status Listener::ProbeChangeLocked(const ListenerConfig& next) {
  const ListenerConfig& now = ConfigLocked();
  const bool opens = next.enabled && (!now.enabled || next.address != now.address);
  if (!opens) return absl::OkStatus();
  return OpenSocket(next.address, OptionsOf(next)).status();
}

absl::Status Listener::ApplyLocked(ListenerConfig next) {
  const bool was_enabled = ConfigLocked().enabled;
  if (!next.enabled) {
    const absl::Duration timeout = next.drain_timeout;
    SetConfigLocked(std::move(next));
    if (was_enabled) StartDrainLocked(ListenerState::kDisabled, timeout);
    return absl::OkStatus();
  }
  if (!was_enabled || state() == ListenerState::kFailed) {
    SetConfigLocked(std::move(next));
    ++drain_;
    StartLocked();
    return absl::OkStatus();
  }
  // Drained: the next Resume opens it.
  if (socket_id_ == 0) {
    SetConfigLocked(std::move(next));
    return absl::OkStatus();
  }
  if (next.address != ConfigLocked().address) {
    absl::StatusOr<OpenedSocket> socket = OpenSocket(next.address, OptionsOf(next));
    if (!socket.ok()) return socket.status();
    if (absl::Status status = PlaceLocked(*std::move(socket)); !status.ok()) return status;
  } else if (absl::Status status = RetuneLocked(next); !status.ok()) {
    return status;
  }
  SetConfigLocked(std::move(next));
  return absl::OkStatus();
}

absl::Status Listener::RetuneLocked(const ListenerConfig& next) {
  const OpenSocketOptions options = OptionsOf(next);
  const OpenSocketOptions before = OptionsOf(ConfigLocked());
  if (options.backlog == before.backlog && options.tuning == before.tuning) {
    return absl::OkStatus();
  }
  // A copy: the system calls need no mutex of the table then.
  const UniqueFd fd = table_.Duplicate(socket_id_);
  if (!fd.valid()) return absl::OkStatus();  // it is being removed
  OpenedSocket effective;
  effective.address = address();
  if (absl::Status status = RetuneSocket(fd.get(), options, effective); !status.ok()) return status;
  MutexLock lock(status_mutex_);
  status_.opened.effective_backlog = effective.effective_backlog;
  status_.opened.receive_buffer_bytes = effective.receive_buffer_bytes;
  status_.opened.send_buffer_bytes = effective.send_buffer_bytes;
  return absl::OkStatus();
}

void Listener::SetConfigLocked(ListenerConfig next) {
  const auto fresh = std::make_shared<const ListenerConfig>(std::move(next));
  // A handler may be reading the old one until then; and connections that are open
  // may have a time-out now.
  auto come_round = [old = Snapshot().config, fresh] {
    if (ServiceLoop* loop = ServiceLoop::Current()) loop->connection_timeouts().Watch(*fresh);
  };
  table_.RunBetweenHandlers(
      [&] {
        MutexLock lock(status_mutex_);
        config_ = fresh;
        live_config_.store(fresh.get(), std::memory_order_release);
        RecordLocked(HostEventKind::kListenerUpdated);
      },
      std::move(come_round));
}

// ---- Pausing and draining -------------------------------------------------------

absl::Status Listener::Pause() {
  MutexLock lock(change_mutex_);
  {
    MutexLock status_lock(status_mutex_);
    const bool is_open =
        status_.state == ListenerState::kActive || status_.state == ListenerState::kPaused;
    if (!is_open) return StateErrorLocked("paused");
    status_.paused_by_operator = true;
    SetStateLocked(ListenerState::kPaused, "paused by a call");
  }
  table_.SetPaused(socket_id_, true);
  return absl::OkStatus();
}

absl::Status Listener::Resume() {
  MutexLock lock(change_mutex_);
  ListenerState before;
  {
    MutexLock status_lock(status_mutex_);
    before = status_.state;
    if (status_.is_going || before == ListenerState::kDisabled) return StateErrorLocked("resumed");
    if (before == ListenerState::kPaused && status_.paused_by_operator) {
      SetStateLocked(ListenerState::kActive, "");
    }
    status_.paused_by_operator = false;
    status_.drain_deadline_nanos = 0;
  }
  if (before == ListenerState::kPaused) table_.SetPaused(socket_id_, false);
  if (before == ListenerState::kDraining || before == ListenerState::kFailed) {
    ++drain_;
    StartLocked();
  }
  return absl::OkStatus();
}

absl::Status Listener::Drain(std::optional<absl::Duration> timeout) {
  MutexLock lock(change_mutex_);
  const absl::Duration left = timeout.value_or(ConfigLocked().drain_timeout);
  if (left < absl::ZeroDuration() || left > kMaxDrainTimeout) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("drain_timeout ", absl::FormatDuration(left), ": use 0s to 24 hours"),
                 {{"value", absl::FormatDuration(left)}}, "drain_timeout");
  }
  {
    MutexLock status_lock(status_mutex_);
    if (status_.is_going || status_.state == ListenerState::kDisabled) {
      return StateErrorLocked("drained");
    }
  }
  StartDrainLocked(ListenerState::kDraining, left);
  return absl::OkStatus();
}

void Listener::StartDrainLocked(ListenerState state, absl::Duration timeout) {
  OpenedSocket old;  // its file is removed without a mutex
  const SocketId old_id = std::exchange(socket_id_, 0);
  {
    MutexLock lock(status_mutex_);
    old = std::exchange(status_.opened, {});
    status_.paused_by_operator = false;
    status_.drain_deadline_nanos = absl::GetCurrentTimeNanos() + absl::ToInt64Nanoseconds(timeout);
    SetStateLocked(state, "");
  }
  if (old_id != 0) table_.Remove(old_id, Fate::kClose, CloseReason::kListenerStopped);
  tasks_.RunAfter(timeout, [weak = weak_from_this(), drain = ++drain_] {
    if (const std::shared_ptr<Listener> listener = weak.lock()) listener->EndDrain(drain);
  });
}

void Listener::EndDrain(uint64_t drain) {
  MutexLock lock(change_mutex_);
  if (drain != drain_) return;
  const size_t closed = table_.RemoveConnections(*this, CloseReason::kDrainTimeout);
  // Counters are the service thread's.
  table_.RunBetweenHandlers(
      [this] {
        MutexLock status_lock(status_mutex_);
        status_.drain_deadline_nanos = 0;
      },
      [self = shared_from_this(), closed] {
        for (CounterBlock* block : {&self->counters, &self->service_->counters}) {
          block->Add(Counter::timed_out_connections, static_cast<int64_t>(closed));
        }
      });
}

void Listener::RunWithFiles(absl::AnyInvocable<void()> task) {
  if (HasFile()) return tasks_.Post(std::move(task));
  task();
}

bool Listener::HasFile() const {
  MutexLock lock(status_mutex_);
  return !status_.opened.file.path().empty();
}

void Listener::RemoveFile() {
  UnixSocketFile file;  // goes without the mutex
  MutexLock lock(status_mutex_);
  file = std::move(status_.opened.file);
}

void Listener::BeginDraining() {
  MutexLock lock(status_mutex_);
  status_.state = ListenerState::kDraining;
  status_.reason.clear();
  status_.is_going = true;
}

// ---- What it tells -----------------------------------------------------------------

SocketAddress Listener::address() const {
  MutexLock lock(status_mutex_);
  return status_.opened.address;
}

ListenerState Listener::state() const {
  MutexLock lock(status_mutex_);
  return status_.state;
}

bool Listener::is_draining() const {
  const ListenerState now = state();
  return now == ListenerState::kDraining || now == ListenerState::kDisabled;
}

bool Listener::IsPausedByOperator() const {
  MutexLock lock(status_mutex_);
  return status_.paused_by_operator;
}

ListenerSnapshot Listener::Snapshot() const {
  MutexLock lock(status_mutex_);
  return SnapshotLocked();
}

ListenerSnapshot Listener::SnapshotLocked() const {
  ListenerSnapshot out;
  out.config = config_;
  out.effective_address = status_.opened.address;
  out.effective_backlog = status_.opened.effective_backlog;
  out.effective_receive_buffer_bytes = status_.opened.receive_buffer_bytes;
  out.effective_send_buffer_bytes = status_.opened.send_buffer_bytes;
  out.state = status_.state;
  out.state_reason = status_.reason;
  out.drain_deadline_nanos = status_.drain_deadline_nanos;
  out.counters = counters.Read();
  if (out.state == ListenerState::kDraining) {
    const int64_t left = out.counters[Counter::active_connections];
    out.state_reason =
        left > 0 ? absl::StrCat(left, " connections are left") : std::string("drained");
  }
  return out;
}

void Listener::Record(HostEventKind kind) const {
  MutexLock lock(status_mutex_);
  RecordLocked(kind);
}

void Listener::RecordLocked(HostEventKind kind) const {
  if (!table_.events() || !status_.is_announced) return;
  table_.events()->Record([&] {
    status_mutex_.AssertHeld();
    HostEvent event;
    event.kind = kind;
    event.service = service_->name;
    event.listener = std::make_shared<const ListenerSnapshot>(SnapshotLocked());
    return event;
  });
}

void Listener::SetStateLocked(ListenerState state, std::string reason) {
  if (status_.is_going) return;
  const bool changes = status_.state != state || status_.reason != reason;
  status_.state = state;
  status_.reason = std::move(reason);
  if (changes) RecordLocked(HostEventKind::kListenerStateChanged);
}

void Listener::SetState(ListenerState state, std::string reason) {
  MutexLock lock(status_mutex_);
  SetStateLocked(state, std::move(reason));
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
