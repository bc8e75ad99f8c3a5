#include "listeners.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "log.h"
#include "sockhost/error.h"
#include "sockhost/own_socket_files.h"

namespace sockhost {
namespace {

absl::Status NotFound(absl::string_view name) {
  const std::string shown = absl::CHexEscape(name.substr(0, 128));
  return Error(Reason::kLISTENER_NOT_FOUND, absl::StrCat("listener \"", shown, "\" does not exist"),
               {{"listener", absl::StrCat("listeners/", shown)}});
}

}  // namespace

Listeners::Listeners(SocketTable& table, const ServiceRegistry& registry, ListenerThread& tasks)
    : table_(table), registry_(registry), tasks_(tasks) {}

size_t Listeners::size() const {
  MutexLock lock(mutex_);
  return by_name_.size();
}

absl::StatusOr<std::shared_ptr<Listener>> Listeners::Reserve(const ListenerConfig& config) {
  const std::string& name = config.name;
  MutexLock lock(mutex_);
  // With the mutex: until the name is reserved nobody may withdraw it.
  std::shared_ptr<Service> service = registry_.Find(config.service);
  if (!service) {
    const std::string shown = absl::CHexEscape(config.service.substr(0, 128));
    return Error(Reason::kSERVICE_NOT_FOUND,
                 absl::StrCat("service \"", shown,
                              "\" does not exist; `sockctl service list` shows the services"),
                 {{"service", absl::StrCat("services/", shown)}}, "listener.service");
  }
  if (by_name_.contains(name)) {
    return Error(Reason::kLISTENER_EXISTS,
                 absl::StrCat("listener \"", name,
                              "\" exists; delete it first, or choose another "
                              "id"),
                 {{"listener", absl::StrCat("listeners/", name)}});
  }
  const size_t limit = max_listeners_;
  if (by_name_.size() >= limit) {
    return Error(Reason::kLISTENER_LIMIT,
                 absl::StrCat("cannot open listener \"", name, "\": all ", limit,
                              " listeners are used; delete some, or raise --max-listeners"),
                 {{"limit", absl::StrCat(limit)},
                  {"used", absl::StrCat(by_name_.size())},
                  {"setting", "--max-listeners"}});
  }
  auto listener = std::make_shared<Listener>(config, std::move(service), table_, tasks_);
  by_name_.emplace(name, listener);
  return listener;
}

bool Listeners::Release(const Listener& listener) {
  std::shared_ptr<Listener> gone;  // destroyed without the mutex
  MutexLock lock(mutex_);
  const auto found = by_name_.find(*listener.name());
  // Two calls may delete the same listener.
  if (found == by_name_.end() || found->second.get() != &listener) return false;
  gone = std::move(found->second);
  by_name_.erase(found);
  return true;
}

absl::StatusOr<ListenerSnapshot> Listeners::Create(const ListenerConfig& config, Keep keep) {
  return Add(config, keep, [keep](Listener& listener) {
    if (!listener.config().enabled) return absl::OkStatus();
    return keep == Keep::kYes ? listener.Open() : listener.Probe();
  });
}

absl::StatusOr<ListenerSnapshot> Listeners::Adopt(ListenerConfig config, UniqueFd fd) {
  config.address = SocketAddress::OfSocket(fd.get());
  return Add(config, Keep::kYes,
             [&fd](Listener& listener) { return listener.Adopt(std::move(fd)); });
}

absl::StatusOr<ListenerSnapshot> Listeners::Add(const ListenerConfig& config, Keep keep,
                                                absl::FunctionRef<absl::Status(Listener&)> open) {
  if (absl::Status status = ValidateListenerConfig(config); !status.ok()) return status;
  absl::StatusOr<std::shared_ptr<Listener>> reserved = Reserve(config);
  if (!reserved.ok()) return reserved.status();
  const std::shared_ptr<Listener> listener = *std::move(reserved);
  // Also when there is no memory.
  absl::Cleanup release = [&] { Release(*listener); };
  if (absl::Status status = open(*listener); !status.ok()) return ExplainOpenError(status, config);
  if (keep == Keep::kNo) return listener->Snapshot();
  // Once the socket is polled, nothing may fail: no more memory is taken.
  std::move(release).Cancel();
  return listener->Announce();
}

absl::StatusOr<ListenerSnapshot> Listeners::Update(const ListenerConfig* only,
                                                   const ListenerConfig& next, Keep keep) {
  if (absl::Status status = ValidateListenerConfig(next); !status.ok()) return status;
  return Change(next.name, [&](Listener& listener) {
    return ExplainOpenError(listener.Update(only, next, keep), next);
  });
}

absl::StatusOr<ListenerSnapshot> Listeners::Pause(absl::string_view name,
                                                  const ListenerConfig* only) {
  return Change(name, [only](Listener& listener) { return listener.Pause(only); });
}

absl::StatusOr<ListenerSnapshot> Listeners::Resume(absl::string_view name,
                                                   const ListenerConfig* only) {
  return Change(name, [only](Listener& listener) { return listener.Resume(only); });
}

absl::StatusOr<ListenerSnapshot> Listeners::Drain(absl::string_view name,
                                                  std::optional<absl::Duration> timeout,
                                                  const ListenerConfig* only) {
  return Change(name, [&](Listener& listener) { return listener.Drain(timeout, only); });
}

absl::StatusOr<ListenerSnapshot> Listeners::Change(
    absl::string_view name, absl::FunctionRef<absl::Status(Listener&)> change) {
  const std::shared_ptr<Listener> listener = Get(name);
  if (!listener) return NotFound(name);
  if (absl::Status status = change(*listener); !status.ok()) return status;
  return listener->Snapshot();
}

// Adds which listener of ours holds an address that is in use.
absl::Status Listeners::ExplainOpenError(const absl::Status& status,
                                         const ListenerConfig& config) const {
  const std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail || detail->reason != Reason::kADDRESS_IN_USE) return status;
  const std::string owner = OwnerOf(config.address);
  if (owner.empty()) return status;
  ErrorMetadata metadata = detail->metadata;
  metadata["listener"] = absl::StrCat("listeners/", owner);
  return Error(detail->reason, absl::StrCat(status.message(), " (it is listener \"", owner, "\")"),
               std::move(metadata), detail->field);
}

absl::Status Listeners::Delete(absl::string_view name, const ListenerConfig* only, bool force,
                               absl::AnyInvocable<void()> done) {
  const std::shared_ptr<Listener> listener = Get(name);
  if (!listener || (only && !listener->IsInForce(only))) return NotFound(name);
  const size_t connections = Remove(listener, force, std::move(done));
  if (connections == 0 || force) return absl::OkStatus();
  return Error(
      Reason::kLISTENER_BUSY,
      absl::StrCat("listener \"", name, "\" has live connections (", connections,
                   "); use force to close them"),
      {{"listener", absl::StrCat("listeners/", name)}, {"connections", absl::StrCat(connections)}});
}

void Listeners::DeleteOf(const Service& service) {
  std::vector<std::shared_ptr<Listener>> bound;
  {
    MutexLock lock(mutex_);
    for (const auto& [name, listener] : by_name_) {
      if (&listener->service() == &service) bound.push_back(listener);
    }
  }
  for (const std::shared_ptr<Listener>& listener : bound) {
    Log(LogLevel::kWarning, "a listener is deleted: its service goes",
        {{"listener", *listener->name()}, {"service", *service.name}, {"owner", service.owner}});
    Remove(listener, /*force=*/true, {});
  }
}

size_t Listeners::Remove(const std::shared_ptr<Listener>& listener, bool force,
                         absl::AnyInvocable<void()> done) {
  auto deletion = std::make_unique<Deletion>(Deletion{listener, std::move(done)});
  return table_.RemoveListener(*listener, force, [this, deletion = std::move(deletion)]() mutable {
    Listener& closed = *deletion->listener;
    closed.RunWithFiles([this, deletion = std::move(deletion)] { Finish(*deletion); });
  });
}

// The name is taken until the last fd is closed: who sees it free can use the address again.
void Listeners::Finish(Deletion& deletion) {
  Listener& listener = *deletion.listener;
  listener.RemoveFile();
  if (Release(listener)) listener.Record(HostEventKind::kListenerDeleted);
  if (deletion.done) deletion.done();
}

std::shared_ptr<Listener> Listeners::Get(absl::string_view name) const {
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() || !found->second->is_announced() ? nullptr : found->second;
}

std::optional<ListenerSnapshot> Listeners::Find(absl::string_view name) const {
  const std::shared_ptr<Listener> listener = Get(name);
  if (!listener) return std::nullopt;
  return listener->Snapshot();
}

std::vector<std::shared_ptr<Listener>> Listeners::All() const {
  std::vector<std::shared_ptr<Listener>> all;
  MutexLock lock(mutex_);
  for (const auto& [name, listener] : by_name_) {
    if (listener->is_announced()) all.push_back(listener);
  }
  return all;
}

std::vector<ListenerSnapshot> Listeners::List() const {
  std::vector<ListenerSnapshot> out;
  for (const auto& listener : All()) out.push_back(listener->Snapshot());
  return out;
}

void Listeners::StopAccepting(absl::Duration drain_timeout) {
  for (const auto& listener : All()) {
    listener->EndConnectionsAfter(drain_timeout);
    table_.StopAccepting(*listener);
  }
}

void Listeners::CloseConnections() {
  for (const auto& listener : All()) listener->CloseConnections();
}

std::string Listeners::OwnerOf(const SocketAddress& address) const {
  // Whatever the spelling of its path. A system call: before the mutex.
  const std::optional<SocketAddress> own_socket = OwnSocketWithFileAt(address);
  MutexLock lock(mutex_);
  for (const auto& [name, listener] : by_name_) {
    if (!listener->is_announced()) continue;
    const SocketAddress bound = listener->address();
    if (bound == own_socket || bound.Overlaps(address)) return name;
  }
  return "";
}

bool Listeners::WithdrawUnlessUsed(const Service& service, absl::FunctionRef<void()> withdraw) {
  MutexLock lock(mutex_);
  for (const auto& [name, listener] : by_name_) {
    if (&listener->service() == &service) return false;
  }
  withdraw();
  return true;
}

}  // namespace sockhost
