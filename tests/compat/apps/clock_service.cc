// A TCP server in C++ that sends each client the uptime and closes. Its classes have
// members with the names of socket calls, which must go on meaning what they say.
#include <zephyr/logging/log.h>
LOG_MODULE_REGISTER(clock_service, LOG_LEVEL_INF);

#include <zephyr/kernel.h>
#include <zephyr/net/socket_service.h>
#include <zephyr/posix/sys/socket.h>
#include <zephyr/posix/unistd.h>

#include <functional>
#include <string>

namespace {

// One client; closed by its destructor.
class Client {
 public:
  explicit Client(int fd) : fd_(fd) {}
  ~Client() { close(); }
  Client(const Client&) = delete;
  Client& operator=(const Client&) = delete;

  bool send(const std::string& text) const {
    return ::send(fd_, text.data(), text.size(), 0) == static_cast<ssize_t>(text.size());
  }
  void close() {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
  }

 private:
  int fd_;
};

class ClockServer {
 public:
  static void Handle(net_socket_service_event* pev) {
    static_cast<ClockServer*>(pev->user_data)->Serve(pev->event.fd);
  }

  int Start(const net_socket_service_desc& service) {
    fd_ = ::socket(AF_INET, SOCK_STREAM, IPPROTO_TCP);
    sockaddr_in any = {};
    any.sin_family = AF_INET;
    socklen_t length = sizeof(any);
    if (fd_ < 0 || ::bind(fd_, reinterpret_cast<sockaddr*>(&any), sizeof(any)) < 0 ||
        ::listen(fd_, 5) < 0 ||
        ::getsockname(fd_, reinterpret_cast<sockaddr*>(&any), &length) < 0) {
      return -errno;
    }
    printk("clock: tcp port %d\n", ntohs(any.sin_port));
    pollfd polled[] = {{fd_, POLLIN, 0}};
    return net_socket_service_register(&service, polled, ARRAY_SIZE(polled), this);
  }

 private:
  void Serve(int listening) {
    Client client(::accept(listening, nullptr, nullptr));
    const auto send = std::bind(&Client::send, &client, std::placeholders::_1);
    if (!send("up for " + std::to_string(k_uptime_get()) + " ms\n")) LOG_ERR("send failed");
    k_mutex_lock(&lock_, K_FOREVER);
    LOG_DBG("%u clients", ++served_);
    k_mutex_unlock(&lock_);
  }

  int fd_ = -1;
  unsigned served_ = 0;
  k_mutex lock_ = SOCKHOST_MUTEX_INITIALIZER;
};

ClockServer server;

}  // namespace

NET_SOCKET_SERVICE_SYNC_DEFINE(clock_service, ClockServer::Handle, 1);

int main() { return server.Start(clock_service); }
