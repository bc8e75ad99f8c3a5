// Listeners on a running service thread.
#ifndef SOCKHOST_TESTS_CORE_LISTENERS_FIXTURE_H_
#define SOCKHOST_TESTS_CORE_LISTENERS_FIXTURE_H_

#include <sys/socket.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "service_core/listeners.h"
#include "service_core/socket_traffic.h"
#include "tests/core/eventually.h"
#include "tests/core/loop_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {

class ListenersFixture : public LoopFixture {
 protected:
  using Event = net_socket_service_event;

  ListenersFixture() {
    EXPECT_TRUE(listener_thread_.Start().ok());
    listeners_.SetLimit(1000);
  }

  // The service thread has ended: the last sockets are closed here.
  ~ListenersFixture() override {
    for (const ListenerSnapshot& listener : listeners_.List()) {
      listeners_.Delete(listener.config->name, nullptr, true, {}).IgnoreError();
    }
    table_.Reap();
    listener_thread_.Stop();
  }

  // Defines service "test", whose handler is `handler`.
  Service& DefineTestService(std::function<void(const Event&)> handler, short connection_events = 0,
                             void (*free_user_data)(void*) = nullptr) {
    Handler() = std::move(handler);
    sockhost_service_definition definition{};
    definition.name = "test";
    definition.owner = "test.cc:1";
    definition.handler = [](Event* event) { Handler()(*event); };
    definition.connection_events = connection_events;
    definition.free_user_data = free_user_data;
    definition.capacity = 8;
    test_service_ = *registry_.Define(definition, ServiceKind::kModule);
    return *test_service_;
  }

  // Sends back what comes.
  static void Echo(const Event& event) {
    char buffer[4096];
    const ssize_t got = recv(event.event.fd, buffer, sizeof(buffer), 0);
    CountReceive(event.event.fd, got, 1, 0);
    if (got <= 0) return;
    const ssize_t sent = send(event.event.fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL);
    CountTransmit(event.event.fd, sent, static_cast<size_t>(got), 1);
  }

  static ListenerConfig Config(const std::string& name,
                               const std::string& address = "tcp://127.0.0.1:0") {
    ListenerConfig config;
    config.name = name;
    config.service = "test";
    config.address = *SocketAddress::Parse(address);
    return config;
  }

  ListenerSnapshot Create(const ListenerConfig& config) {
    const absl::StatusOr<ListenerSnapshot> created = listeners_.Create(config);
    EXPECT_TRUE(created.ok()) << created.status();
    return created.value_or(ListenerSnapshot());
  }

  // Deletes, and waits until it is done.
  void Delete(const std::string& name) {
    std::promise<void> done;
    EXPECT_TRUE(listeners_.Delete(name, nullptr, true, [&done] { done.set_value(); }).ok());
    done.get_future().wait();
  }

  CounterValues ListenerCounters(const std::string& name) const {
    const std::optional<ListenerSnapshot> listener = listeners_.Find(name);
    return listener ? listener->counters : CounterValues();
  }

  // Waits for the value of a counter of a listener.
  testing::AssertionResult CounterBecomes(const std::string& name, Counter counter, int64_t value) {
    return Becomes([&] { return ListenerCounters(name)[counter]; }, testing::Eq(value))
           << " (" << CounterName(counter) << ")";
  }

  std::vector<SocketSnapshot> Sockets() const {
    std::vector<SocketSnapshot> sockets;
    table_.ForEach([&](SocketSnapshot&& socket) { sockets.push_back(std::move(socket)); });
    return sockets;
  }

  SocketSnapshot SocketOf(Role role) const {
    for (const SocketSnapshot& socket : Sockets()) {
      if (socket.role == role) return socket;
    }
    return {};
  }

  Listeners listeners_{table_, registry_, listener_thread_};
  std::shared_ptr<Service> test_service_;

 private:
  // A handler has no state but the socket's: the one test that runs has it here.
  static std::function<void(const Event&)>& Handler() {
    static auto* handler = new std::function<void(const Event&)>;
    return *handler;
  }
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_LISTENERS_FIXTURE_H_
