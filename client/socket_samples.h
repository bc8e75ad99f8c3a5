// What a watch has told so far: the sockets as of the last complete sample, and
// how fast their counters grow.
#ifndef SOCKHOST_CLIENT_SOCKET_SAMPLES_H_
#define SOCKHOST_CLIENT_SOCKET_SAMPLES_H_

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost::client {

// Counters that are shown with a rate. In units, or in units per second.
template <class Number>
struct Activity {
  Number events = 0;
  Number accepts = 0;
  Number receive_bytes = 0;
  Number transmit_bytes = 0;
};

struct SampledSocket {
  v1::Socket socket;
  // Growth per second between the last two samples; nothing while there is no
  // baseline: in the first sample, or if it was there before but not shown.
  std::optional<Activity<double>> rates;
  std::optional<Activity<int64_t>> baseline;  // values at the sample before
};

// Fed with every message of one stream, in order, by one thread.
class SocketSamples {
 public:
  // True if `message` completes a sample (the initial set counts as the first; a
  // heartbeat says that the sample is the same as before).
  // FAILED_PRECONDITION: the message comes from another instance of the daemon.
  absl::StatusOr<bool> Add(const v1::WatchSocketsResponse& message);

  // By name; sockets that are gone are not in it.
  const std::map<std::string, SampledSocket>& sockets() const { return sockets_; }
  const std::string& instance_id() const { return instance_id_; }
  absl::Time sample_time() const { return sample_time_; }
  int64_t complete_samples() const { return complete_samples_; }
  // Samples that we were too slow to get, as the daemon says.
  int64_t coalesced() const { return coalesced_; }

 private:
  void CompleteSample();

  std::map<std::string, SampledSocket> sockets_;
  std::string instance_id_;
  absl::Time sample_time_ = absl::InfinitePast();
  absl::Time baseline_time_ = absl::InfinitePast();  // of the last complete sample
  bool synced_ = false;                              // the initial set is complete
  int64_t complete_samples_ = 0;
  int64_t coalesced_ = 0;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_SOCKET_SAMPLES_H_
