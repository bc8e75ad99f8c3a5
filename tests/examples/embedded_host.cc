// A program of its own that hosts a service in C++: it answers each line with the
// number of lines that the connection has sent.
//
//   embedded_host tcp://127.0.0.1:7007
//
// It prints the address that it listens on, and stops in order with SIGTERM.
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sockhost/registration.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_address.h"
// For zsock_recv and zsock_send, which count, and nothing else of Zephyr.
#define SOCKHOST_PLAIN_POSIX
#include "zephyr/net/socket.h"

namespace {

// One for each connection; it lives on the service thread.
class LineCounter {
 public:
  explicit LineCounter(int fd) : fd_(fd) {}

  sockhost::Next OnReady(const net_socket_service_event& event) {
    if (event.event.revents & POLLIN) {
      char buffer[4096];
      const ssize_t received = zsock_recv(fd_, buffer, sizeof(buffer), 0);
      if (received < 0 && errno == EAGAIN) return sockhost::Next::kKeep;
      if (received <= 0) return sockhost::Next::kEnd;
      Count(buffer, buffer + received);
    }
    return Send();
  }

 private:
  void Count(const char* begin, const char* end) {
    for (auto lines = std::count(begin, end, '\n'); lines > 0; --lines) {
      answers_ += std::to_string(++lines_) + '\n';
    }
  }

  sockhost::Next Send() {
    if (answers_.empty()) return sockhost::Next::kKeep;
    const ssize_t sent = zsock_send(fd_, answers_.data(), answers_.size(), 0);
    if (sent < 0 && errno != EAGAIN) return sockhost::Next::kEnd;
    answers_.erase(0, static_cast<size_t>(std::max<ssize_t>(sent, 0)));
    // Nothing more is read before the peer has taken its answers.
    sockhost_socket_set_events(fd_, answers_.empty() ? POLLIN : POLLOUT);
    return sockhost::Next::kKeep;
  }

  const int fd_;
  int lines_ = 0;
  std::string answers_;
};

sigset_t BlockStopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGINT);
  sigaddset(&signals, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  return signals;
}

absl::Status Run(const std::string& address_text) {
  // Before a thread starts, so that all of them inherit it.
  const sigset_t stop_signals = BlockStopSignals();
  absl::StatusOr<sockhost::SocketAddress> address = sockhost::SocketAddress::Parse(address_text);
  if (!address.ok()) return address.status();

  auto service = sockhost::ConnectionService<&LineCounter::OnReady>::Define("line-counter");
  if (!service.ok()) return service.status();
  sockhost::ServiceHost& host = sockhost::ServiceHost::OfProcess();
  if (absl::Status status = host.Start({}); !status.ok()) return status;

  sockhost::ListenerConfig config;
  config.name = "lines";
  config.service = service->name();
  config.address = *address;
  const absl::StatusOr<sockhost::ListenerSnapshot> listener = host.CreateListener(config);
  if (!listener.ok()) return listener.status();
  std::printf("%s\n", listener->effective_address.ToString().c_str());
  std::fflush(stdout);

  int received = 0;
  sigwait(&stop_signals, &received);
  // Closes the listener with its connections, which frees their LineCounters.
  host.Stop();
  return absl::OkStatus();
}

}  // namespace

int main(int argc, char** argv) {
  const absl::Status status = Run(argc > 1 ? argv[1] : "tcp://127.0.0.1:0");
  if (!status.ok()) std::fprintf(stderr, "embedded_host: %s\n", status.ToString().c_str());
  return status.ok() ? 0 : 1;
}
