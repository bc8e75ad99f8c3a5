#include "service_registry.h"

#include <poll.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "log.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr size_t kMaxNameLength = 63;
// An array of pollfds that a program could fill; bounds a typing error.
constexpr int kMaxCapacity = 1 << 20;

// ^[a-z]([a-z0-9_-]{0,61}[a-z0-9])?$, or a C identifier.
bool IsServiceName(absl::string_view name) {
  if (name.empty() || name.size() > kMaxNameLength) return false;
  const auto is_low = [](unsigned char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c);
  };
  const bool is_identifier = std::all_of(
      name.begin(), name.end(), [](unsigned char c) { return absl::ascii_isalnum(c) || c == '_'; });
  if (is_identifier) return !absl::ascii_isdigit(static_cast<unsigned char>(name.front()));
  return absl::ascii_islower(static_cast<unsigned char>(name.front())) &&
         is_low(static_cast<unsigned char>(name.back())) &&
         std::all_of(name.begin(), name.end(),
                     [&](unsigned char c) { return is_low(c) || c == '_' || c == '-'; });
}

// " (file:line)"; nothing for a service that does not say where it is from.
std::string InParentheses(absl::string_view owner) {
  return owner.empty() ? "" : absl::StrCat(" (", owner, ")");
}

void Fill(net_socket_service_event* events, int count, net_socket_service_handler_t handler,
          const net_socket_service_desc* descriptor) {
  for (int i = 0; i < count; ++i) {
    events[i] = {};
    events[i].callback = handler;
    events[i].event.fd = -1;
    // The handler gets the descriptor without const, as in Zephyr, to pass it
    // back to the functions that take it with const.
    events[i].svc = const_cast<net_socket_service_desc*>(descriptor);
  }
}

}  // namespace

std::shared_ptr<Service> ServiceRegistry::Announce(const net_socket_service_desc* descriptor,
                                                   absl::string_view name,
                                                   net_socket_service_handler_t handler) {
  Fill(descriptor->pev, descriptor->pev_len, handler, descriptor);
  auto service = std::make_shared<Service>();
  service->owner = descriptor->owner;
  service->handler = handler;
  service->connection_events = POLLIN;
  service->descriptor = descriptor;

  std::shared_ptr<Service> namesake;
  {
    MutexLock lock(mutex_);
    namesake = FindLocked(name);
    std::string free_name(name);
    for (int n = 2; FindLocked(free_name); ++n) free_name = absl::StrCat(name, "-", n);
    service->name = std::make_shared<const std::string>(std::move(free_name));
    *descriptor->idx = next_index_;
    AddLocked(service);
  }
  if (namesake) {
    Log(LogLevel::kWarning, "a service gets another name: its own is taken",
        {{"service", *service->name},
         {"owner", service->owner},
         {"wanted", name},
         {"taken_by", namesake->owner}});
  }
  return service;
}

absl::StatusOr<std::shared_ptr<Service>> ServiceRegistry::Define(
    const sockhost_service_definition& definition, ServiceKind kind) {
  const absl::string_view name = definition.name ? definition.name : "";
  if (!IsServiceName(name)) {
    return Error(Reason::kSERVICE_INVALID,
                 absl::StrCat("service name \"", name,
                              "\": use 1 to 63 lower-case letters, digits, '-' and '_'; begin "
                              "with a letter, end with a letter or digit; or a C identifier"));
  }
  if (!definition.handler) {
    return Error(Reason::kSERVICE_INVALID, absl::StrCat("service \"", name, "\": needs a handler"));
  }
  if (definition.capacity < 0 || definition.capacity > kMaxCapacity) {
    return Error(Reason::kSERVICE_INVALID,
                 absl::StrCat("service \"", name, "\": capacity ", definition.capacity,
                              ": use 0 to ", kMaxCapacity));
  }
  auto service = std::make_shared<Service>();
  service->name = std::make_shared<const std::string>(name);
  service->owner = definition.owner ? definition.owner : "";
  service->kind = kind;
  service->handler = definition.handler;
  service->free_user_data = definition.free_user_data;
  service->keeps_connections = definition.keeps_connections != 0;
  service->connection_events =
      static_cast<uint16_t>(definition.connection_events ? definition.connection_events : POLLIN);

  service->storage = std::make_unique<Service::Storage>();
  Service::Storage& storage = *service->storage;
  storage.events.resize(static_cast<size_t>(definition.capacity));
  storage.descriptor = {service->owner.c_str(), storage.events.data(), definition.capacity,
                        &storage.index};
  service->descriptor = &storage.descriptor;
  Fill(storage.events.data(), definition.capacity, definition.handler, service->descriptor);

  MutexLock lock(mutex_);
  if (const std::shared_ptr<Service> namesake = FindLocked(name)) {
    return absl::AlreadyExistsError(
        absl::StrCat("service \"", name, "\"", InParentheses(service->owner),
                     ": the name is taken by another one", InParentheses(namesake->owner)));
  }
  storage.index = next_index_;
  AddLocked(service);
  return service;
}

void ServiceRegistry::AddLocked(std::shared_ptr<Service> service) {
  const int capacity = service->descriptor->pev_len;
  for (int i = capacity - 1; i >= 0; --i) service->free_entries.push_back(i);
  services_.push_back(std::move(service));
  ++next_index_;
}

void ServiceRegistry::Withdraw(const Service& service) {
  MutexLock lock(mutex_);
  std::erase_if(services_, [&service](const auto& s) { return s.get() == &service; });
}

std::shared_ptr<Service> ServiceRegistry::FindLocked(absl::string_view name) const {
  const auto found = std::find_if(services_.begin(), services_.end(),
                                  [name](const auto& s) { return *s->name == name; });
  return found == services_.end() ? nullptr : *found;
}

std::shared_ptr<Service> ServiceRegistry::Find(absl::string_view name) const {
  MutexLock lock(mutex_);
  return FindLocked(name);
}

std::shared_ptr<Service> ServiceRegistry::Find(const net_socket_service_desc* descriptor) const {
  MutexLock lock(mutex_);
  // Not through descriptor->idx: an unknown descriptor must not be read.
  const auto found = std::find_if(services_.begin(), services_.end(), [descriptor](const auto& s) {
    return s->descriptor == descriptor;
  });
  return found == services_.end() ? nullptr : *found;
}

std::vector<std::shared_ptr<Service>> ServiceRegistry::List() const {
  MutexLock lock(mutex_);
  return services_;
}

std::shared_ptr<Service> ServiceRegistry::FirstFrom(int index) const {
  MutexLock lock(mutex_);
  const auto found =
      std::lower_bound(services_.begin(), services_.end(), index,
                       [](const auto& s, int wanted) { return *s->descriptor->idx < wanted; });
  return found == services_.end() ? nullptr : *found;
}

int ServiceRegistry::next_index() const {
  MutexLock lock(mutex_);
  return next_index_;
}

}  // namespace sockhost
