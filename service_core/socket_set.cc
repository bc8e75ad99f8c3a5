// The registered sockets of a service: the part of SocketTable behind the C API.
#include <fcntl.h>
#include <poll.h>

#include <cerrno>
#include <utility>

#include "listener.h"
#include "log.h"
#include "socket_table.h"

namespace sockhost {
namespace {

// What poll(2) knows. POLLNVAL, POLLERR and POLLHUP are ignored on input.
constexpr short kKnownEvents = POLLIN | POLLPRI | POLLOUT | POLLRDNORM | POLLRDBAND | POLLWRNORM |
                               POLLWRBAND | POLLRDHUP | POLLERR | POLLHUP | POLLNVAL;

bool AreKnownEvents(short events) { return (events & ~kKnownEvents) == 0; }

uint32_t PollToEpoll(short events) {
  return static_cast<uint16_t>(events & ~(POLLERR | POLLHUP | POLLNVAL));
}

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

}  // namespace

// One ReplaceSet: first everything that can fail, in a way that no handler sees
// and that can be undone; then everything that cannot. The table's mutex is held
// all the while.
class SetTransaction {
 public:
  SetTransaction(SocketTable& table, Service& service, void* user_data, size_t size)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(table.mutex_)
      : table_(table), service_(service), user_data_(user_data), stamp_(table.next_stamp_++) {
    added_.reserve(size);
  }
  // Without a commit, whatever the reason, nothing has happened.
  ~SetTransaction() {
    table_.mutex_.AssertHeld();
    for (SocketSlot* slot : added_) {
      // Still the caller's: it must not be freed.
      slot->user_data.store(nullptr, std::memory_order_relaxed);
      table_.RemoveLocked(*slot, Fate::kLeaveOpen, CloseReason::kUnregistered);
    }
  }
  SetTransaction(const SetTransaction&) = delete;
  SetTransaction& operator=(const SetTransaction&) = delete;

  // Makes sure that `wanted` is in the table. A new socket reports nothing before
  // the commit if it starts as kMasked.
  int Take(const pollfd& wanted, Polling polling) {
    table_.mutex_.AssertHeld();
    SocketSlot* slot = table_.FindByFd(wanted.fd);
    if (slot && slot->has_stamp(stamp_)) return Duplicate(wanted.fd, *slot);
    if (slot && table_.IsStillPolledLocked(*slot)) {
      const bool ours = slot->role == Role::kRegistered && slot->service == &service_;
      if (!ours) return Duplicate(wanted.fd, *slot);
      slot->registered.stamp = stamp_;
      return 0;
    }
    return TakeNew(wanted, polling);
  }

  // Logs who has `fd`.
  int Duplicate(int fd, const SocketSlot& owner) const {
    if (owner.has_stamp(stamp_)) {
      Log(LogLevel::kError, "an fd stands twice in one registration",
          {{"service", *service_.name}, {"owner", service_.owner}, {"fd", fd}});
      return -EEXIST;
    }
    if (owner.listener) {
      Log(LogLevel::kError, "an fd belongs to a listener; no program can register it",
          {{"service", *service_.name},
           {"owner", service_.owner},
           {"fd", fd},
           {"listener", *owner.listener->name()},
           {"registered_with", *owner.service->name},
           {"registered_by", owner.service->owner}});
      return -EEXIST;
    }
    Log(LogLevel::kError, "an fd is registered already; one fd belongs to one service",
        {{"service", *service_.name},
         {"owner", service_.owner},
         {"fd", fd},
         {"registered_with", *owner.service->name},
         {"registered_by", owner.service->owner}});
    return -EEXIST;
  }

  // What was taken stays.
  void Keep() { added_.clear(); }

  // Makes `fds` the set: the old sockets that are not in it go.
  void Commit(std::span<const pollfd> fds) {
    table_.mutex_.AssertHeld();
    Keep();
    const net_socket_service_desc& descriptor = *service_.descriptor;
    for (int i = 0; i < descriptor.pev_len; ++i) {
      SocketSlot* slot = table_.FindRegisteredLocked(service_, descriptor.pev[i].event.fd);
      if (slot && !slot->has_stamp(stamp_))
        table_.RemoveLocked(*slot, Fate::kLeaveOpen, CloseReason::kUnregistered);
    }
    service_.registered = 0;
    service_.free_entries.clear();
    for (int i = descriptor.pev_len - 1; i >= 0; --i) {
      Place(i,
            static_cast<size_t>(i) < fds.size() ? fds[static_cast<size_t>(i)] : pollfd{-1, 0, 0});
    }
  }

 private:
  int TakeNew(const pollfd& wanted, Polling polling) ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_.mutex_) {
    SocketSpec spec;
    spec.fd = wanted.fd;
    spec.events = PollToEpoll(wanted.events);
    spec.polling = polling;
    spec.service = &service_;
    spec.user_data = user_data_;
    SocketSlot* slot = nullptr;
    const int result = table_.AddLocked(spec, &slot);
    if (result != 0) return result;
    slot->registered.stamp = stamp_;
    added_.push_back(slot);
    return 0;
  }

  void Place(int index, const pollfd& wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(table_.mutex_) {
    net_socket_service_event& entry = service_.descriptor->pev[index];
    entry.user_data = user_data_;
    if (wanted.fd < 0) {
      entry.event = {-1, 0, 0};
      service_.free_entries.push_back(index);
      return;
    }
    SocketSlot* slot = table_.FindByFd(wanted.fd);
    slot->user_data.store(user_data_, std::memory_order_relaxed);
    const bool is_new = slot->registered.pev_index < 0;
    slot->registered.pev_index = index;
    if (is_new) slot->polling.store(Polling::kLevel, std::memory_order_relaxed);
    const uint32_t events = PollToEpoll(wanted.events);
    if (is_new || slot->events.load(std::memory_order_relaxed) != events) {
      table_.ApplyEventsLocked(*slot, events);
    }
    entry.event = {wanted.fd, wanted.events, 0};
    ++service_.registered;
  }

  SocketTable& table_;
  Service& service_;
  void* const user_data_;
  const uint32_t stamp_;
  std::vector<SocketSlot*> added_;
};

int SocketTable::ReplaceSet(Service& service, std::span<const pollfd> fds, void* user_data) {
  if (fds.size() > static_cast<size_t>(service.descriptor->pev_len)) return -ENOMEM;
  for (const pollfd& wanted : fds) {
    if (wanted.fd < -1 || (wanted.fd >= 0 && !AreKnownEvents(wanted.events))) return -EINVAL;
  }
  int result = 0;
  {
    TableLock lock(*this);
    if (service.withdrawn) return -ENOENT;
    SetTransaction transaction(*this, service, user_data, fds.size());
    for (const pollfd& wanted : fds) {
      if (wanted.fd < 0) continue;
      result = transaction.Take(wanted, Polling::kMasked);
      if (result != 0) break;
    }
    if (result == 0) transaction.Commit(fds);
  }
  // Also after an error: what was undone is to be reaped.
  epoll_.Wake();
  return result;
}

int SocketTable::AddOne(Service& service, int fd, short events, void* user_data) {
  if (fd < 0 || !AreKnownEvents(events)) return -EINVAL;
  if (!IsOpen(fd)) return -EBADF;
  // A thread that watches no program's fd may wait without limit; from now on it
  // has to look for those that were closed silently.
  const bool wake = !HasExposed();
  {
    TableLock lock(*this);
    if (service.withdrawn) return -ENOENT;
    SetTransaction transaction(*this, service, user_data, 1);
    // Here a socket that is there already is a duplicate, not a change; unless its
    // file was closed and the number is used anew.
    if (SocketSlot* slot = FindRegisteredLocked(service, fd)) {
      if (IsStillPolledLocked(*slot)) return transaction.Duplicate(fd, *slot);
      RemoveLocked(*slot, Fate::kLeaveOpen, CloseReason::kUnregistered);
    }
    if (service.free_entries.empty()) return -ENOMEM;
    const int result = transaction.Take({fd, events, 0}, Polling::kLevel);
    if (result != 0) return result;
    transaction.Keep();
    SocketSlot& slot = *FindByFd(fd);
    slot.registered.pev_index = service.free_entries.back();
    service.free_entries.pop_back();
    net_socket_service_event& entry = service.descriptor->pev[slot.registered.pev_index];
    entry.event = {fd, events, 0};
    entry.user_data = user_data;
    ++service.registered;
  }
  if (wake) epoll_.Wake();
  return 0;
}

int SocketTable::ModifyOne(Service& service, int fd, short events) {
  if (!AreKnownEvents(events)) return -EINVAL;
  TableLock lock(*this);
  SocketSlot* slot = FindRegisteredLocked(service, fd);
  return slot ? ApplyEventsLocked(*slot, PollToEpoll(events)) : -ENOENT;
}

int SocketTable::SetUserData(Service& service, int fd, void* user_data) {
  TableLock lock(*this);
  SocketSlot* slot = FindRegisteredLocked(service, fd);
  if (!slot) return -ENOENT;
  slot->user_data.store(user_data, std::memory_order_relaxed);
  service.descriptor->pev[slot->registered.pev_index].user_data = user_data;
  return 0;
}

int SocketTable::RemoveOne(Service& service, int fd) {
  {
    TableLock lock(*this);
    SocketSlot* slot = FindRegisteredLocked(service, fd);
    if (!slot) return -ENOENT;
    RemoveLocked(*slot, Fate::kLeaveOpen, CloseReason::kUnregistered);
  }
  epoll_.Wake();
  return 0;
}

void SocketTable::RemoveSetLocked(Service& service, Fate fate, AfterReapList& after) {
  const net_socket_service_desc& descriptor = *service.descriptor;
  for (int i = 0; i < descriptor.pev_len; ++i) {
    SocketSlot* slot = FindRegisteredLocked(service, descriptor.pev[i].event.fd);
    if (slot) RemoveLocked(*slot, fate, CloseReason::kUnregistered);
  }
  RunAfterReapLocked(after);
}

void SocketTable::RemoveSet(Service& service, Fate fate, absl::AnyInvocable<void()> done) {
  AfterReapList after = MakeAfterReap(std::move(done));
  {
    TableLock lock(*this);
    RemoveSetLocked(service, fate, after);
  }
  epoll_.Wake();
}

void SocketTable::WithdrawService(std::shared_ptr<Service> service,
                                  absl::AnyInvocable<void()> done) {
  // Until the reaping slots point to the service.
  AfterReapList after = MakeAfterReap([service, done = std::move(done)]() mutable {
    if (done) done();
  });
  {
    TableLock lock(*this);
    service->withdrawn = true;
    RemoveSetLocked(*service, Fate::kLeaveOpen, after);
  }
  epoll_.Wake();
}

}  // namespace sockhost
