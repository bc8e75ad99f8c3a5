// Takes the place of the counters: writes down what the zsock_ calls report.
#ifndef SOCKHOST_TESTS_COMPAT_TRAFFIC_RECORD_H_
#define SOCKHOST_TESTS_COMPAT_TRAFFIC_RECORD_H_

#include <sys/types.h>

#include <cstddef>
#include <ostream>
#include <vector>

namespace sockhost {

struct ReceiveReport {
  int fd;
  ssize_t result;
  size_t messages;
  size_t truncated;
  bool operator==(const ReceiveReport&) const = default;
};

struct TransmitReport {
  int fd;
  ssize_t result;
  size_t offered;
  size_t messages;
  bool operator==(const TransmitReport&) const = default;
};

std::ostream& operator<<(std::ostream& out, const ReceiveReport& report);
std::ostream& operator<<(std::ostream& out, const TransmitReport& report);

// One for the process; used by one thread.
struct TrafficRecord {
  std::vector<ReceiveReport> received;
  std::vector<TransmitReport> transmitted;
  std::vector<int> closed;
  // What the next closes are answered with: the host closes that socket.
  bool host_closes = false;
};

TrafficRecord& Traffic();

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_COMPAT_TRAFFIC_RECORD_H_
