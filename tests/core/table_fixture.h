// A socket table whose service thread is the test itself: every step is one
// call, nothing happens in between.
#ifndef SOCKHOST_TESTS_CORE_TABLE_FIXTURE_H_
#define SOCKHOST_TESTS_CORE_TABLE_FIXTURE_H_

#include <gtest/gtest.h>
#include <poll.h>

#include <initializer_list>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "service_core/listener.h"
#include "service_core/service_registry.h"
#include "service_core/socket_table.h"

namespace sockhost {

class TableFixture : public testing::Test {
 protected:
  TableFixture() { EXPECT_TRUE(table_.Open().ok()); }

  // A service of its own name, "s1", "s2", ..., with owner "owner1", ...
  std::shared_ptr<Service> NewService(int capacity = 8, void (*free_user_data)(void*) = nullptr) {
    return NewServiceWith([](net_socket_service_event*) {}, capacity, free_user_data);
  }

  std::shared_ptr<Service> NewServiceWith(net_socket_service_handler_t handler, int capacity = 8,
                                          void (*free_user_data)(void*) = nullptr) {
    const std::string number = std::to_string(++services_);
    const std::string name = std::string("s").append(number);
    const std::string owner = std::string("owner").append(number);
    sockhost_service_definition definition{};
    definition.name = name.c_str();
    definition.owner = owner.c_str();
    definition.handler = handler;
    definition.capacity = capacity;
    definition.free_user_data = free_user_data;
    return *registry_.Define(definition, ServiceKind::kModule);
  }

  std::shared_ptr<Listener> NewListener(std::shared_ptr<Service> service) {
    ListenerConfig config;
    config.name = "listener";
    owned_.push_back(
        std::make_shared<Listener>(config, std::move(service), table_, listener_thread_));
    return owned_.back();
  }

  SocketId Add(Service& service, int fd, Role role = Role::kRegistered,
               Listener* listener = nullptr) {
    SocketSpec spec;
    spec.fd = fd;
    spec.events = POLLIN;
    spec.role = role;
    spec.service = &service;
    spec.listener = listener;
    SocketId id = 0;
    EXPECT_EQ(table_.Add(spec, &id), 0);
    return id;
  }

  int Replace(Service& service, std::initializer_list<int> fds, void* user_data = nullptr) {
    std::vector<pollfd> set;
    for (const int fd : fds) set.push_back({fd, POLLIN, 0});
    return table_.ReplaceSet(service, set, user_data);
  }

  // A turn of the service thread begins: what the kernel reports.
  std::vector<RegistrationKey> BeginTurn() {
    std::vector<RegistrationKey> keys;
    epoll_event buffer[2048];
    for (const epoll_event& event : table_.epoll().Wait(buffer, 0)) {
      keys.push_back(RegistrationKey::Unpack(event.data.u64));
    }
    table_.BeginTurn();
    return keys;
  }

  // A whole turn: the fds of the sockets that are ready.
  std::vector<int> ReadyFds() {
    std::vector<int> fds;
    for (const RegistrationKey key : BeginTurn()) {
      const SocketSlot* slot = table_.Lookup(key);
      fds.push_back(slot ? slot->fd : -1);
    }
    table_.Reap();
    return fds;
  }

  // The fds that a program sees in the service's descriptor.
  static std::vector<int> DescriptorFds(const Service& service) {
    std::vector<int> fds;
    for (int i = 0; i < service.descriptor->pev_len; ++i) {
      fds.push_back(service.descriptor->pev[i].event.fd);
    }
    return fds;
  }

  ServiceRegistry registry_;
  ListenerThread listener_thread_;
  // Until the table has reaped their sockets, as Listeners does.
  std::vector<std::shared_ptr<Listener>> owned_;
  SocketTable table_;

 private:
  int services_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_TABLE_FIXTURE_H_
