// What a listener tells of itself: its status, and events when that changes.
#include <utility>

#include "absl/strings/str_cat.h"
#include "listener.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

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

// What to do about a listener that is in the wrong state.
absl::string_view AdviceFor(ListenerState state) {
  switch (state) {
    case ListenerState::kDisabled:
      return "; enable it with an update";
    case ListenerState::kDraining:
      return "; resume it first";
    case ListenerState::kFailed:
      return "; it has no socket, but is tried again: drain or disable it to end that";
    case ListenerState::kStarting:
      return "; try again";
    case ListenerState::kActive:
    case ListenerState::kPaused:
      break;
  }
  return "";
}

}  // namespace

SocketAddress Listener::address() const {
  MutexLock lock(status_mutex_);
  return status_.opened.address;
}

ListenerState Listener::state() const {
  MutexLock lock(status_mutex_);
  return status_.state;
}

bool Listener::IsDrainingLocked() const {
  return status_.state == ListenerState::kDraining || status_.state == ListenerState::kDisabled;
}

bool Listener::is_draining() const {
  MutexLock lock(status_mutex_);
  return IsDrainingLocked();
}

bool Listener::is_announced() const {
  MutexLock lock(status_mutex_);
  return status_.is_announced;
}

void Listener::Describe(Role role, SocketSnapshot& out) const {
  if (out.listener != name_) out.listener = name_;
  MutexLock lock(status_mutex_);
  out.draining = IsDrainingLocked();
  if (role == Role::kConnection) out.local = status_.address_of_connections;
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
    // Read only: to be written to, a rare counter would be made room for.
    const int64_t left = std::as_const(out.counters)[Counter::active_connections];
    out.state_reason = left > 1    ? absl::StrCat(left, " connections are left")
                       : left == 1 ? "1 connection is left"
                                   : "drained";
  }
  return out;
}

void Listener::Record(HostEventKind kind) const {
  MutexLock lock(status_mutex_);
  RecordLocked(kind);
}

void Listener::NoteDrained() {
  if (counters.Get(Counter::active_connections) > 0) return;
  MutexLock lock(status_mutex_);
  if (status_.state == ListenerState::kDraining && !status_.is_going) {
    RecordLocked(HostEventKind::kListenerStateChanged);
  }
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
  const std::string why = status_.is_going
                              ? "being deleted"
                              : absl::StrCat(StateName(status_.state), AdviceFor(status_.state));
  return Error(Reason::kSTATE_INVALID,
               absl::StrCat("listener \"", *name_, "\" cannot be ", verb, ": it is ", why),
               {{"listener", absl::StrCat("listeners/", *name_)},
                {"state", std::string(StateName(status_.state))}});
}

absl::Status Listener::FixedError(absl::string_view field) const {
  MutexLock lock(status_mutex_);
  return Error(Reason::kSTATE_INVALID,
               absl::StrCat(field,
                            ": cannot be changed while the socket is open; change the address "
                            "too, or disable the listener first"),
               {{"listener", absl::StrCat("listeners/", *name_)},
                {"state", std::string(StateName(status_.state))}},
               absl::StrCat("listener.", field));
}

}  // namespace sockhost
