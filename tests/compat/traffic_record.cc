#include "tests/compat/traffic_record.h"

#include "service_core/socket_traffic.h"

namespace sockhost {

std::ostream& operator<<(std::ostream& out, const ReceiveReport& report) {
  return out << "{fd " << report.fd << ", result " << report.result << ", messages "
             << report.messages << ", truncated " << report.truncated << "}";
}

std::ostream& operator<<(std::ostream& out, const TransmitReport& report) {
  return out << "{fd " << report.fd << ", result " << report.result << ", offered "
             << report.offered << ", messages " << report.messages << "}";
}

TrafficRecord& Traffic() {
  static TrafficRecord record;
  return record;
}

// A program's own sockets.
bool IsOwnTcp(int /*fd*/) { return false; }

void CountReceive(int fd, ssize_t result, size_t messages, size_t truncated, bool /*is_drained*/,
                  size_t /*asked*/) {
  Traffic().received.push_back({fd, result, messages, truncated});
}

void CountTransmit(int fd, ssize_t result, size_t offered, size_t messages) {
  Traffic().transmitted.push_back({fd, result, offered, messages});
}

Closer NoteClose(int fd) {
  Traffic().closed.push_back(fd);
  return Traffic().host_closes ? Closer::kHost : Closer::kProgram;
}

}  // namespace sockhost
