// fault_paths: opens and closes everything that the core can open, while system calls
// fail (strace -e inject), and looks for what is left behind.
//
// usage: fault_paths; exit code 0: as many fds are open afterwards as before, every
// client was answered or sent away, and no call failed to return.
//
// Each step takes a failure for an answer: which error it was is told by other tests.
#include <dirent.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <future>
#include <memory>
#include <set>
#include <string>
#include <thread>

#include "server/built_in_services.h"
#include "service_core/unique_fd.h"
#include "sockhost/log_sink.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

// Only a hang waits so long.
constexpr int kDeadlineMs = 30'000;
constexpr int kDeadlineSeconds = kDeadlineMs / 1000;

[[noreturn]] void Fail(const std::string& what) {
  std::fprintf(stderr, "fault_paths: %s\n", what.c_str());
  std::_Exit(1);
}

std::set<int> OpenFds() {
  std::set<int> fds;
  const std::unique_ptr<DIR, int (*)(DIR*)> folder(opendir("/proc/self/fd"), closedir);
  if (!folder) Fail("cannot read /proc/self/fd");
  const int own = dirfd(folder.get());
  while (const dirent* entry = readdir(folder.get())) {
    const int fd = std::atoi(entry->d_name);
    if (entry->d_name[0] != '.' && fd != own) fds.insert(fd);
  }
  return fds;
}

ListenerConfig Config(const std::string& service, const std::string& address) {
  ListenerConfig config;
  config.name = "listener";
  config.service = service;
  config.address = SocketAddress::Parse(address).value();
  return config;
}

// A byte to a service that answers; a listener that has fallen silent is a failure.
void Exchange(const SocketAddress& address) {
  const int type = address.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  const UniqueFd client(socket(address.family(), type | SOCK_CLOEXEC, 0));
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  if (connect(client.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) return;
  // A datagram may be lost to the failure, and is sent again.
  const int attempts = address.is_datagram() ? 100 : 1;
  for (int i = 0; i < attempts; ++i) {
    if (send(client.get(), "x", 1, MSG_NOSIGNAL) != 1) return;
    pollfd wanted{client.get(), POLLIN, 0};
    if (poll(&wanted, 1, kDeadlineMs / attempts) > 0) return;
  }
  Fail("no answer from " + address.ToString());
}

void Delete(ServiceHost& host, const std::string& name) {
  auto done = std::make_shared<std::promise<void>>();
  const absl::Status status = host.DeleteListener(name, true, [done] { done->set_value(); });
  if (!status.ok()) Fail(status.ToString());
  if (done->get_future().wait_for(std::chrono::seconds(kDeadlineSeconds)) !=
      std::future_status::ready) {
    Fail("listener " + name + " was never closed");
  }
}

void LifeOfAListener(ServiceHost& host, const std::string& service, const std::string& address) {
  const absl::StatusOr<ListenerSnapshot> listener = host.CreateListener(Config(service, address));
  if (!listener.ok()) return;
  for (int client = 0; client < 3; ++client) Exchange(listener->effective_address);
  Delete(host, "listener");
}

// A program's own fds: one by one, as a set, and closed by the service thread.
void LifeOfRegistrations() {
  sockhost_service_definition definition{};
  definition.name = "own";
  definition.handler = [](net_socket_service_event* event) {
    eventfd_t value;
    eventfd_read(event->event.fd, &value);
  };
  definition.capacity = 4;
  const net_socket_service_desc* service = nullptr;
  if (sockhost_service_define(&definition, &service) != 0) Fail("cannot define a service");
  const UniqueFd one(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  const UniqueFd two(eventfd(1, EFD_NONBLOCK | EFD_CLOEXEC));
  UniqueFd handed_over(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  sockhost_service_add(service, one.get(), POLLIN, nullptr);
  sockhost_service_modify(service, one.get(), 0);
  pollfd set[2] = {{one.get(), POLLIN, 0}, {two.get(), POLLIN, 0}};
  net_socket_service_register(service, set, 2, nullptr);
  net_socket_service_unregister(service);
  if (handed_over.valid() &&
      sockhost_service_add(service, handed_over.get(), POLLIN, nullptr) == 0) {
    handed_over.release();
  }
  if (sockhost_service_close_wait(service, kDeadlineMs) != 0) Fail("a service was never closed");
  sockhost_service_undefine(service);
}

void RunAll(ServiceHost& host) {
  LifeOfAListener(host, "echo", "tcp://127.0.0.1:0");
  LifeOfAListener(host, "echo", "udp://127.0.0.1:0");
  // It speaks first, and its connections are polled afterwards.
  LifeOfAListener(host, "chargen", "tcp://127.0.0.1:0");
  LifeOfRegistrations();
}

// What the host left open on purpose: numbers of which epoll says that they are
// somebody else's.
size_t LeftToOthers(const ServiceHost& host) {
  return static_cast<size_t>(host.Statistics().closed_behind);
}

int Run() {
  SetLogSink([](LogLevel, absl::string_view, LogFields) {});
  ServiceHost& host = ServiceHost::OfProcess();
  if (const absl::Status started = host.Start({}); !started.ok()) {
    std::printf("refused: %s\n", started.ToString().c_str());
    return 0;
  }
  for (const sockhost_service_definition& service : {kEchoService, kChargenService}) {
    if (!host.DefineService(service, ServiceKind::kBuiltIn).ok()) Fail("cannot define a service");
  }
  const std::set<int> before = OpenFds();
  RunAll(host);
  const std::set<int> after = OpenFds();
  std::string left;
  for (const int fd : after) {
    if (!before.contains(fd)) left += " " + std::to_string(fd);
  }
  if (after.size() > before.size() + LeftToOthers(host)) Fail("left open:" + left);
  if (host.sockets() != 0) Fail("sockets are left in the table");
  if (host.listeners() != 0) Fail("listeners are left");
  host.Stop();
  return 0;
}

}  // namespace
}  // namespace sockhost

int main() { return sockhost::Run(); }
