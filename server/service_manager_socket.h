// What systemd, or another service manager, is told.
#ifndef SOCKHOST_SERVER_SERVICE_MANAGER_SOCKET_H_
#define SOCKHOST_SERVER_SERVICE_MANAGER_SOCKET_H_

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace sockhost {

// The datagrams of sd_notify(3), to the socket that $NOTIFY_SOCKET names: a path,
// or '@' and an abstract name. Without the variable, or with a socket that cannot
// be reached, nothing happens: a daemon does not depend on who started it.
//
// Thread rule: any, after construction. Never waits.
class ServiceManagerSocket {
 public:
  // Reads $NOTIFY_SOCKET, $WATCHDOG_USEC and $WATCHDOG_PID and takes them out of
  // the environment: children of modules must not speak for the daemon. Before
  // other threads.
  ServiceManagerSocket();
  ~ServiceManagerSocket();
  ServiceManagerSocket(const ServiceManagerSocket&) = delete;
  ServiceManagerSocket& operator=(const ServiceManagerSocket&) = delete;

  // Sends "READY=1\nSTATUS=..." and the like.
  void Send(absl::string_view assignments) const;

  // How often the manager wants to hear WATCHDOG=1, already halved as
  // sd_watchdog_enabled(3) advises; nothing if it does not watch this process.
  std::optional<absl::Duration> watchdog_interval() const { return watchdog_interval_; }

 private:
  int fd_ = -1;
  std::string path_;
  std::optional<absl::Duration> watchdog_interval_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SERVICE_MANAGER_SOCKET_H_
