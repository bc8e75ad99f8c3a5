// Resources that filters match and orders sort, so that an input also reaches what
// reads their fields: of each kind one with few values, then others.
#ifndef SOCKHOST_TESTS_FUZZ_SAMPLE_ITEMS_H_
#define SOCKHOST_TESTS_FUZZ_SAMPLE_ITEMS_H_

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "server/listener_record.h"
#include "sockhost/host_event.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

// In the order of their names, as lists want them.
template <class Item>
std::vector<Item> SampleItems();

inline std::shared_ptr<const std::string> SharedText(const char* text) {
  return std::make_shared<const std::string>(text);
}

template <>
inline std::vector<SocketSnapshot> SampleItems() {
  SocketSnapshot few;
  few.id = 1;
  few.service = SharedText("echo");
  SocketSnapshot full = few;
  full.id = 2;
  full.fd = 5;
  full.role = Role::kConnection;
  full.protocol = Protocol::kTcp;
  full.service = SharedText("module");
  full.listener = SharedText("web");
  full.local = SocketAddress::Parse("tcp://10.0.0.1:80").value();
  full.remote = SocketAddress::Parse("tcp://[2001:db8::1]:50001").value();
  full.counters[Counter::receive_bytes] = 7;
  return {few, full};
}

template <>
inline std::vector<ListenerSnapshot> SampleItems() {
  const auto make = [](const char* id, v1::Listener declared) {
    auto config = std::make_shared<ListenerConfig>();
    config->name = id;
    config->service = "echo";
    config->address = SocketAddress::Parse("tcp://127.0.0.1:0").value();
    config->attachment = MakeListenerRecord(id, declared);
    ListenerSnapshot listener;
    listener.config = std::move(config);
    return listener;
  };
  v1::Listener declared;
  declared.set_display_name("a \"name\"");
  (*declared.mutable_labels())["env"] = "prod";
  ListenerSnapshot full = make("web", declared);
  full.effective_address = SocketAddress::Parse("tcp://127.0.0.1:8080").value();
  full.counters[Counter::accepted_connections] = 7;
  return {make("few", v1::Listener()), full};
}

template <>
inline std::vector<ServiceSnapshot> SampleItems() {
  ServiceSnapshot few;
  few.name = SharedText("echo");
  few.kind = ServiceKind::kBuiltIn;
  ServiceSnapshot full;
  full.name = SharedText("module");
  full.owner = "module.so";
  full.capacity = 4;
  full.registered = 3;
  full.sockets = 2;
  full.counters[Counter::handler_calls] = 7;
  return {few, full};
}

template <>
inline std::vector<HostEvent> SampleItems() {
  HostEvent stalled;
  stalled.kind = HostEventKind::kServiceStalled;
  HostEvent closed;
  closed.kind = HostEventKind::kSocketClosed;
  closed.sequence = 2;
  closed.time_nanos = 1'700'000'000'000'000'005;
  closed.service = SharedText("echo");
  closed.socket.id = 2;
  closed.socket.listener = SharedText("web");
  closed.socket.remote = SocketAddress::Parse("tcp://127.0.0.1:9").value();
  closed.close_reason = CloseReason::kIdleTimeout;
  HostEvent created;
  created.kind = HostEventKind::kListenerCreated;
  created.sequence = 3;
  created.listener = std::make_shared<const ListenerSnapshot>(SampleItems<ListenerSnapshot>()[1]);
  return {stalled, closed, created};
}

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_FUZZ_SAMPLE_ITEMS_H_
