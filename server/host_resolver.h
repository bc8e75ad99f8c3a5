// Looks up the host names of upstreams, again and again.
#ifndef SOCKHOST_SERVER_HOST_RESOLVER_H_
#define SOCKHOST_SERVER_HOST_RESOLVER_H_

#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "upstream.h"

namespace sockhost {

struct ResolverOptions {
  // "ADDRESS[:PORT],..."; empty: those of `configuration`.
  std::string servers;
  // Read again when it has changed and a name is due.
  std::string configuration = "/etc/resolv.conf";
  // Of servers that are named without one.
  uint16_t port = 53;
  // One attempt; there are three.
  absl::Duration timeout = absl::Seconds(2);
  // The time to live of an answer, kept within these bounds, is when it is asked
  // again; names of /etc/hosts and failures are asked again after the shortest.
  absl::Duration shortest_interval = absl::Seconds(5);
  absl::Duration longest_interval = absl::Minutes(5);
};

// Told of a name that can no longer be looked up, and why: "Domain name not found"; and with
// "" when it can again. On the resolver's thread.
using LookUpReport = void (*)(const Upstream& upstream, const std::string& problem);

// One thread of its own with c-ares: all names are asked for at the same time, and
// a name server that does not answer delays only those who need its answer. Names
// are looked up in /etc/hosts and DNS, as /etc/nsswitch.conf orders them.
//
// Thread rule: any thread.
class HostResolver {
 public:
  // The one of the process, made on first use and never destroyed: what listeners
  // share without knowing of each other. Its thread starts with the first name.
  static HostResolver& OfProcess();

  explicit HostResolver(ResolverOptions options = {});
  // Ends the thread; questions in flight are given up.
  ~HostResolver();
  HostResolver(const HostResolver&) = delete;
  HostResolver& operator=(const HostResolver&) = delete;

  // Looks up `upstream`, which has a host name, until it is gone; `report` may be null. Error:
  // INTERNAL if the system gives no thread or fd.
  absl::Status Follow(const std::shared_ptr<Upstream>& upstream, LookUpReport report = nullptr);

 private:
  class Lookups;
  struct Followed {
    std::weak_ptr<Upstream> upstream;
    LookUpReport report;
    // What was reported last; "" at first.
    std::string problem;
  };

  absl::Status Start() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Run();

  const ResolverOptions options_;
  absl::Mutex mutex_;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<Followed> added_ ABSL_GUARDED_BY(mutex_);
  int wake_fd_ = -1;
  std::thread thread_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_HOST_RESOLVER_H_
