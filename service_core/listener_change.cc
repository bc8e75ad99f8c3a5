// How what a listener was declared to be changes.
#include <utility>

#include "absl/strings/str_cat.h"
#include "listener.h"
#include "service_loop.h"
#include "sockhost/error.h"

namespace sockhost {

absl::Status Listener::Update(const ListenerConfig* only, ListenerConfig next, Keep keep) {
  MutexLock lock(change_mutex_);
  if (absl::Status status = CheckChangeLocked(only, next); !status.ok()) return status;
  if (keep == Keep::kNo) return ProbeChangeLocked(next);
  return ApplyLocked(std::move(next));
}

absl::Status Listener::CheckUnchangedLocked(const ListenerConfig* only) const {
  if (!only || only == &ConfigLocked()) return absl::OkStatus();
  return Error(Reason::kETAG_MISMATCH,
               absl::StrCat("listener \"", *name_,
                            "\" was changed by another call meanwhile; read it again"),
               {{"listener", absl::StrCat("listeners/", *name_)}}, "etag");
}

absl::Status Listener::CheckChangeLocked(const ListenerConfig* only, const ListenerConfig& next) {
  {
    MutexLock lock(status_mutex_);
    if (status_.is_going) return StateErrorLocked("updated");
  }
  if (absl::Status status = CheckUnchangedLocked(only); !status.ok()) return status;
  const ListenerConfig& now = ConfigLocked();
  const bool stays_open = socket_id_ != 0 && next.enabled && next.address == now.address;
  if (stays_open && next.socket.ipv6_only != now.socket.ipv6_only) return FixedError("ipv6_only");
  if (stays_open && next.socket.reuse_port != now.socket.reuse_port) {
    return FixedError("reuse_port");
  }
  if (stays_open && next.socket.unix_access != now.socket.unix_access) {
    return FixedError("unix_access");
  }
  return absl::OkStatus();
}

absl::Status Listener::ProbeChangeLocked(const ListenerConfig& next) {
  const ListenerConfig& now = ConfigLocked();
  const bool is_drained = now.enabled && socket_id_ == 0 && state() != ListenerState::kFailed;
  const bool opens = next.enabled && !is_drained && (!now.enabled || next.address != now.address);
  return opens ? ProbeLocked(next) : absl::OkStatus();
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
    absl::StatusOr<OpenedSocket> socket = OpenSocket(next.address, next.socket);
    if (!socket.ok()) return socket.status();
    if (absl::Status status = PlaceLocked(*std::move(socket)); !status.ok()) return status;
  } else if (absl::Status status = RetuneLocked(next); !status.ok()) {
    return status;
  }
  SetConfigLocked(std::move(next));
  return absl::OkStatus();
}

absl::Status Listener::RetuneLocked(const ListenerConfig& next) {
  const SocketOptions& now = ConfigLocked().socket;
  if (next.socket.backlog == now.backlog && next.socket.tuning == now.tuning) {
    return absl::OkStatus();
  }
  // A copy: the system calls need no mutex of the table then.
  const UniqueFd fd = table_.Duplicate(socket_id_);
  if (!fd.valid()) return absl::OkStatus();  // it is being removed
  OpenedSocket effective;
  effective.address = address();
  if (absl::Status status = RetuneSocket(fd.get(), next.socket, effective); !status.ok())
    return status;
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

}  // namespace sockhost
