#include "socket_sample.h"

#include <algorithm>
#include <utility>

#include "absl/time/clock.h"

namespace sockhost {

std::shared_ptr<const SocketSample> TakeSample(const ServiceHost& host, SocketId after) {
  auto sample = std::make_shared<SocketSample>();
  sample->time_nanos = absl::GetCurrentTimeNanos();
  if (after == 0) sample->sockets.reserve(host.sockets());
  host.ForEachSocket(
      [&sample](SocketSnapshot&& socket) { sample->sockets.push_back(std::move(socket)); }, after);
  std::sort(sample->sockets.begin(), sample->sockets.end(),
            [](const SocketSnapshot& a, const SocketSnapshot& b) { return a.id < b.id; });
  return sample;
}

}  // namespace sockhost
