// How a listener's socket comes, rests and goes.
#include <poll.h>

#include <algorithm>
#include <cerrno>
#include <new>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "listener.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr absl::Duration kMaxDrainTimeout = absl::Hours(24);

absl::Status TableError(const std::string& name, int error_number, const SocketTable& table) {
  // Its own end, or that of its service, came in between.
  if (error_number == ENOENT) {
    return Error(Reason::kSTATE_INVALID,
                 absl::StrCat("cannot open listener \"", name, "\": it is being deleted"),
                 {{"listener", absl::StrCat("listeners/", name)}, {"state", "DRAINING"}});
  }
  if (error_number == ENOSPC) {
    return Error(Reason::kSOCKET_LIMIT,
                 absl::StrCat("cannot open listener \"", name, "\": all ", table.max_sockets(),
                              " sockets are used; raise max_sockets (--max-sockets), which "
                              "RLIMIT_NOFILE bounds, or the kernel's fs.epoll.max_user_watches"),
                 {{"limit", absl::StrCat(table.max_sockets())},
                  {"used", absl::StrCat(table.size())},
                  {"setting", "RLIMIT_NOFILE"}});
  }
  return Error(Reason::kINTERNAL,
               absl::StrCat("cannot poll listener \"", name, "\": ", DescribeErrno(error_number)));
}

}  // namespace

// ---- Opening ----------------------------------------------------------------

absl::Status Listener::Open() {
  MutexLock lock(change_mutex_);
  return OpenLocked();
}

absl::Status Listener::Adopt(UniqueFd fd) {
  MutexLock lock(change_mutex_);
  absl::StatusOr<OpenedSocket> socket = AdoptSocket(std::move(fd), ConfigLocked().socket);
  if (!socket.ok()) return socket.status();
  return PlaceLocked(*std::move(socket));
}

absl::Status Listener::Probe() {
  MutexLock lock(change_mutex_);
  return ProbeLocked(ConfigLocked());
}

absl::Status Listener::ProbeLocked(const ListenerConfig& config) {
  absl::Status status = ProbeSocket(config.address, config.socket);
  const bool is_full = status.ok() && table_.size() >= table_.max_sockets();
  return is_full ? TableError(*name_, ENOSPC, table_) : status;
}

absl::StatusOr<ListenerSnapshot> Listener::Announce() {
  MutexLock lock(status_mutex_);
  if (status_.is_going) return TableError(*name_, ENOENT, table_);
  status_.is_announced = true;
  RecordLocked(HostEventKind::kListenerCreated);
  return SnapshotLocked();
}

absl::Status Listener::OpenLocked() {
  absl::StatusOr<OpenedSocket> socket = OpenSocket(ConfigLocked().address, ConfigLocked().socket);
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
  spec.address = socket.address;
  SocketId id = 0;
  if (const int result = table_.Add(spec, &id); result != 0) {
    return TableError(*name_, -result, table_);
  }
  socket.fd.release();
  OpenedSocket old;  // its file is removed without a mutex
  const SocketId old_id = std::exchange(socket_id_, id);
  {
    MutexLock lock(status_mutex_);
    if (!std::exchange(status_.was_opened, true)) {
      status_.address_of_connections = socket.address_of_connections;
    } else if (status_.address_of_connections != socket.address_of_connections) {
      status_.address_of_connections = {};
    }
    old = std::exchange(status_.opened, std::move(socket));
    SetStateLocked(paused ? ListenerState::kPaused : ListenerState::kActive,
                   paused ? status_.reason : "");
  }
  if (old_id != 0) table_.Remove(old_id, Fate::kClose, CloseReason::kListenerStopped);
  return absl::OkStatus();
}

void Listener::StartLocked() {
  retry_.Restart();
  {
    MutexLock lock(status_mutex_);
    // A drain is over, with whatever it was to close.
    status_.drain_deadline_nanos = 0;
    SetStateLocked(ListenerState::kStarting, "");
  }
  TryLocked();
}

void Listener::TryLocked() {
  ++attempt_;
  // Looked at before: what comes there during the attempt counts as another one.
  const FileIdentity file = FileAt(ConfigLocked().address.path());
  const absl::Status status = OpenLocked();
  if (status.ok()) return;
  const std::string reason(status.message());
  SetState(ListenerState::kFailed, reason);
  if (retry_.is_first()) {
    Log(LogLevel::kWarning, "a listener could not be opened; it is tried again",
        {{"listener", *name_}, {"error", reason}});
  }
  const std::optional<ErrorDetail> detail = DetailOf(status);
  const bool is_taken = detail && detail->reason == Reason::kADDRESS_IN_USE;
  retry_.NoteFailure(is_taken ? file : FileIdentity());
  RetryLaterLocked();
}

void Listener::RetryLaterLocked() {
  tasks_.RunAfter(retry_.NextDelay(), [weak = weak_from_this(), attempt = attempt_] {
    if (const std::shared_ptr<Listener> listener = weak.lock()) listener->Retry(attempt);
  });
}

void Listener::Retry(uint64_t attempt) {
  MutexLock lock(change_mutex_);
  if (attempt != attempt_ || state() != ListenerState::kFailed) return;
  try {
    if (!retry_.IsDue(FileAt(ConfigLocked().address.path()))) return RetryLaterLocked();
    TryLocked();
  } catch (const std::bad_alloc&) {
    attempt_ = attempt;  // this one is made again
    throw;
  }
  if (socket_id_ == 0) return;
  Log(LogLevel::kInfo, "a listener is open after all",
      {{"listener", *name_}, {"address", address().ToString()}});
}

void Listener::Reopen(SocketId lost, const std::string& cause) {
  const std::string reason = absl::StrCat("its socket does not listen any more: ", cause);
  MutexLock lock(change_mutex_);
  if (socket_id_ != lost) return;
  OpenedSocket old;
  {
    MutexLock status_lock(status_mutex_);
    if (status_.is_going) return;
    Log(LogLevel::kWarning, "a listener is opened anew",
        {{"listener", *name_}, {"address", status_.opened.address.ToString()}, {"error", reason}});
    old = std::exchange(status_.opened, {});
    SetStateLocked(ListenerState::kFailed, reason);
  }
  socket_id_ = 0;
  table_.Remove(lost, Fate::kClose, CloseReason::kFailed);
  old = {};  // its file: it would be in the way
  retry_.Restart();
  TryLocked();
}

// ---- Pausing and draining -------------------------------------------------------

absl::Status Listener::Pause(const ListenerConfig* only) {
  MutexLock lock(change_mutex_);
  if (absl::Status status = CheckUnchangedLocked(only); !status.ok()) return status;
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

absl::Status Listener::Resume(const ListenerConfig* only) {
  MutexLock lock(change_mutex_);
  if (absl::Status status = CheckUnchangedLocked(only); !status.ok()) return status;
  ListenerState before;
  {
    MutexLock status_lock(status_mutex_);
    before = status_.state;
    if (status_.is_going || before == ListenerState::kDisabled) return StateErrorLocked("resumed");
    if (before == ListenerState::kPaused && status_.paused_by_operator) {
      SetStateLocked(ListenerState::kActive, "");
    }
    status_.paused_by_operator = false;
  }
  if (before == ListenerState::kPaused) table_.SetPaused(socket_id_, false);
  if (before == ListenerState::kDraining || before == ListenerState::kFailed) {
    ++drain_;
    StartLocked();
  }
  return absl::OkStatus();
}

absl::Status Listener::Drain(std::optional<absl::Duration> timeout, const ListenerConfig* only) {
  MutexLock lock(change_mutex_);
  if (absl::Status status = CheckUnchangedLocked(only); !status.ok()) return status;
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
  if (drain == drain_) CloseConnections();
}

void Listener::CloseConnections() {
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

void Listener::EndConnectionsAfter(absl::Duration timeout) {
  const int64_t then = absl::GetCurrentTimeNanos() + absl::ToInt64Nanoseconds(timeout);
  MutexLock lock(status_mutex_);
  int64_t& deadline = status_.drain_deadline_nanos;
  deadline = deadline == 0 ? then : std::min(deadline, then);
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

}  // namespace sockhost
