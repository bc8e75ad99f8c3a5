#include "service_manager_socket.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>

#include "absl/strings/numbers.h"

namespace sockhost {
namespace {

std::string TakeVariable(const char* name) {
  const char* value = getenv(name);
  std::string out = value ? value : "";
  unsetenv(name);
  return out;
}

std::optional<absl::Duration> WatchdogInterval(const std::string& micros, const std::string& pid) {
  int64_t interval = 0;
  if (!absl::SimpleAtoi(micros, &interval) || interval <= 0) return std::nullopt;
  // Without a pid the variable is meant for whoever reads it.
  int64_t watched = getpid();
  if (!pid.empty() && !absl::SimpleAtoi(pid, &watched)) return std::nullopt;
  if (watched != getpid()) return std::nullopt;
  return absl::Microseconds(interval) / 2;
}

}  // namespace

ServiceManagerSocket::ServiceManagerSocket() {
  path_ = TakeVariable("NOTIFY_SOCKET");
  const std::string micros = TakeVariable("WATCHDOG_USEC");
  const std::string pid = TakeVariable("WATCHDOG_PID");
  const bool is_name = path_.size() > 1 && path_.size() < sizeof(sockaddr_un::sun_path) &&
                       (path_[0] == '/' || path_[0] == '@');
  if (!is_name) return;
  fd_ = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  watchdog_interval_ = WatchdogInterval(micros, pid);
}

ServiceManagerSocket::~ServiceManagerSocket() {
  if (fd_ >= 0) close(fd_);
}

void ServiceManagerSocket::Send(absl::string_view assignments) const {
  if (fd_ < 0) return;
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::memcpy(address.sun_path, path_.data(), path_.size());
  if (path_[0] == '@') address.sun_path[0] = '\0';
  // Abstract names have no end but their length; one byte more would be another name.
  const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + path_.size());
  // A manager that does not read loses the message, not the daemon its time.
  sendto(fd_, assignments.data(), assignments.size(), MSG_NOSIGNAL,
         reinterpret_cast<const sockaddr*>(&address), length);
}

}  // namespace sockhost
