#include "listeners.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int kMaxBacklog = 65535;
constexpr int kDefaultBacklog = 4096;

// ^[a-z]([a-z0-9-]{0,61}[a-z0-9])?$
bool IsListenerId(absl::string_view id) {
  if (id.empty() || id.size() > 63) return false;
  if (!absl::ascii_islower(static_cast<unsigned char>(id.front())) || id.back() == '-') {
    return false;
  }
  return std::all_of(id.begin(), id.end(), [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-';
  });
}

absl::Status Validate(const ListenerConfig& config) {
  if (!IsListenerId(config.name)) {
    const std::string shown = absl::CHexEscape(config.name.substr(0, 128));
    return Error(Reason::kLISTENER_ID_INVALID,
                 absl::StrCat("listener id \"", shown,
                              "\": use 1 to 63 lower-case letters, digits and '-'; begin with a "
                              "letter, do not end with '-'"),
                 {{"listener_id", shown}}, "listener_id");
  }
  if (config.backlog < 0 || config.backlog > kMaxBacklog) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("backlog ", config.backlog, ": use 0 (default) to ", kMaxBacklog),
                 {{"value", absl::StrCat(config.backlog)}}, "listener.backlog");
  }
  if (config.max_connections < 0) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("max_connections ", config.max_connections,
                              ": use 0 (no limit) or a positive number"),
                 {{"value", absl::StrCat(config.max_connections)}}, "listener.max_connections");
  }
  return absl::OkStatus();
}

absl::Status NotFound(absl::string_view name) {
  const std::string shown = absl::CHexEscape(name.substr(0, 128));
  return Error(Reason::kLISTENER_NOT_FOUND, absl::StrCat("listener \"", shown, "\" does not exist"),
               {{"listener", absl::StrCat("listeners/", shown)}});
}

absl::Status TableError(const ListenerConfig& config, int error_number, const SocketTable& table) {
  if (error_number == ENOSPC) {
    return Error(
        Reason::kSOCKET_LIMIT,
        absl::StrCat("cannot open listener \"", config.name, "\": all ", table.max_sockets(),
                     " sockets are used; raise RLIMIT_NOFILE, or the kernel's "
                     "fs.epoll.max_user_watches"),
        {{"limit", absl::StrCat(table.max_sockets())},
         {"used", absl::StrCat(table.size())},
         {"setting", "RLIMIT_NOFILE"}});
  }
  return Error(Reason::kINTERNAL, absl::StrCat("cannot poll listener \"", config.name,
                                               "\": ", DescribeErrno(error_number)));
}

}  // namespace

Listeners::Listeners(SocketTable& table, const ServiceRegistry& registry)
    : table_(table), registry_(registry) {}

size_t Listeners::size() const {
  MutexLock lock(mutex_);
  return by_name_.size();
}

absl::Status Listeners::Reserve(const std::string& name) {
  MutexLock lock(mutex_);
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
  by_name_.emplace(name, nullptr);
  return absl::OkStatus();
}

bool Listeners::Release(absl::string_view name, const Listener* listener) {
  std::shared_ptr<Listener> gone;  // destroyed without the mutex
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  // Two calls may delete the same listener.
  if (found == by_name_.end() || found->second.get() != listener) return false;
  gone = std::move(found->second);
  by_name_.erase(found);
  return true;
}

absl::StatusOr<ListenerSnapshot> Listeners::Create(const ListenerConfig& config) {
  if (absl::Status status = Validate(config); !status.ok()) return status;
  std::shared_ptr<Service> service = registry_.Find(config.service);
  if (!service) {
    const std::string shown = absl::CHexEscape(config.service.substr(0, 128));
    return Error(Reason::kSERVICE_NOT_FOUND,
                 absl::StrCat("service \"", shown,
                              "\" does not exist; `sockctl service list` shows the services"),
                 {{"service", absl::StrCat("services/", shown)}}, "listener.service");
  }
  if (absl::Status status = Reserve(config.name); !status.ok()) return status;
  // Also when there is no memory.
  absl::Cleanup release = [&] { Release(config.name, nullptr); };
  ListenerSnapshot snapshot;
  absl::StatusOr<std::shared_ptr<Listener>> listener = Open(config, std::move(service), snapshot);
  if (!listener.ok()) return listener.status();
  std::move(release).Cancel();
  MutexLock lock(mutex_);
  std::shared_ptr<Listener>& entry = by_name_.find(config.name)->second;
  entry = *std::move(listener);
  // With the mutex: nobody deletes it before it is recorded.
  entry->Record(HostEventKind::kListenerCreated, table_);
  return snapshot;
}

absl::StatusOr<std::shared_ptr<Listener>> Listeners::Open(const ListenerConfig& config,
                                                          std::shared_ptr<Service> service,
                                                          ListenerSnapshot& snapshot) {
  OpenSocketOptions options;
  options.backlog = config.backlog > 0 ? config.backlog : kDefaultBacklog;
  options.ipv6_only = config.ipv6_only;
  absl::StatusOr<OpenedSocket> socket = OpenSocket(config.address, options);
  if (!socket.ok()) return ExplainOpenError(socket.status(), config);

  auto listener = std::make_shared<Listener>(config, service, *socket);
  // The last thing that takes memory: once the socket is polled, nothing fails.
  snapshot = listener->Snapshot();
  const bool datagram = config.address.is_datagram();
  SocketSpec spec;
  spec.fd = socket->fd.get();
  spec.events = POLLIN;
  spec.role = datagram ? Role::kDatagram : Role::kListening;
  spec.protocol = config.address.protocol();
  spec.service = service.get();
  spec.listener = listener.get();
  SocketId id;
  if (const int result = table_.Add(spec, &id); result != 0) {
    return TableError(config, -result, table_);
  }
  socket->fd.release();
  return listener;
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
  if (!listener || (only && &listener->config() != only)) return NotFound(name);
  // The name is taken until the last fd is closed: who sees it free can use the
  // address again.
  const size_t connections =
      table_.RemoveListener(*listener, force, [this, listener, done = std::move(done)]() mutable {
        if (Release(*listener->name(), listener.get())) {
          listener->Record(HostEventKind::kListenerDeleted, table_);
        }
        if (done) done();
      });
  if (connections == 0 || force) return absl::OkStatus();
  return Error(
      Reason::kLISTENER_BUSY,
      absl::StrCat("listener \"", name, "\" has ", connections,
                   " live connections; use force to close them"),
      {{"listener", absl::StrCat("listeners/", name)}, {"connections", absl::StrCat(connections)}});
}

std::shared_ptr<Listener> Listeners::Get(absl::string_view name) const {
  MutexLock lock(mutex_);
  const auto found = by_name_.find(name);
  return found == by_name_.end() ? nullptr : found->second;
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
    if (listener) all.push_back(listener);
  }
  return all;
}

std::vector<ListenerSnapshot> Listeners::List() const {
  std::vector<ListenerSnapshot> out;
  for (const auto& listener : All()) out.push_back(listener->Snapshot());
  return out;
}

void Listeners::StopAccepting() {
  for (const auto& listener : All()) table_.StopAccepting(*listener);
}

std::string Listeners::OwnerOf(const SocketAddress& address) const {
  MutexLock lock(mutex_);
  for (const auto& [name, listener] : by_name_) {
    if (listener && listener->address().Overlaps(address)) return name;
  }
  return "";
}

bool Listeners::IsUsed(const Service& service) const {
  MutexLock lock(mutex_);
  return std::any_of(by_name_.begin(), by_name_.end(), [&service](const auto& entry) {
    return entry.second && &entry.second->service() == &service;
  });
}

}  // namespace sockhost
