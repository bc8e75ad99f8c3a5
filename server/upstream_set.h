// The upstreams of one listener: who is next, and who fails.
#ifndef SOCKHOST_SERVER_UPSTREAM_SET_H_
#define SOCKHOST_SERVER_UPSTREAM_SET_H_

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "upstream.h"

namespace sockhost {

enum class UpstreamPolicy : uint8_t { kRoundRobin, kLeastConnections };

// Chooses upstreams and remembers how they did. Passive health:
//
//              all its addresses failed
//   healthy -----------------------------> backing off: passed over for 1 s, doubled
//      ^                                    with each further failure, up to 60 s
//      | a connection succeeded             |
//      +---------- on trial <---------------+ the time is over: one connection tries it
//
// When every upstream is backing off, connections try them all the same, the one
// whose time is over first at first: a guess is better than a refusal.
//
// Thread rule: the service thread. `now` is its clock (ServiceClock).
class UpstreamSet {
 public:
  static constexpr size_t kMost = 64;
  static constexpr absl::Duration kFirstBackOff = absl::Seconds(1);
  static constexpr absl::Duration kLongestBackOff = absl::Seconds(60);

  // `upstreams` are 1 to kMost.
  UpstreamSet(std::vector<std::shared_ptr<Upstream>> upstreams, UpstreamPolicy policy);

  // Constant after construction: any thread.
  const std::vector<std::shared_ptr<Upstream>>& upstreams() const { return upstreams_; }

  // How many connections an upstream has, those included that are not there yet.
  int active(size_t index) const { return states_[index].active; }
  bool is_backing_off(size_t index, absl::Duration now) const {
    return states_[index].retry_at > now;
  }

 private:
  friend class UpstreamChoice;
  struct State {
    int active = 0;
    int failures = 0;
    absl::Duration retry_at;
    // Of the addresses of a name: the one that worked last.
    size_t preferred = 0;
  };

  // One that is not among `tried` (a set of bits); the upstreams passed over are
  // added to `*skipped`.
  std::optional<size_t> Pick(uint64_t tried, absl::Duration now, int64_t* skipped);
  std::optional<size_t> PickHealthy(uint64_t tried, absl::Duration now) const;
  std::optional<size_t> PickSoonest(uint64_t tried) const;
  void NoteFailure(size_t index, absl::Duration now);

  const std::vector<std::shared_ptr<Upstream>> upstreams_;
  const UpstreamPolicy policy_;
  std::vector<State> states_;
  // Where the next round begins.
  size_t next_ = 0;
};

// The way of one connection through a set: every address of every upstream at most
// once. Counts as a connection of the upstream at which it is.
class UpstreamChoice {
 public:
  explicit UpstreamChoice(std::shared_ptr<UpstreamSet> set) : set_(std::move(set)) {}
  ~UpstreamChoice();
  UpstreamChoice(const UpstreamChoice&) = delete;
  UpstreamChoice& operator=(const UpstreamChoice&) = delete;

  // The address to try (again a step further: the one before has failed). Nothing if
  // all have failed, or some names are not resolved yet: see IsWaiting.
  std::optional<SocketAddress> Next(absl::Duration now);
  // True if Next may know more later.
  bool IsWaiting() const;
  // How many upstreams Next has passed since the last call whose names have no address.
  int TakeUnknown() { return std::exchange(unknown_, 0); }
  // Stays with the address that Next gave.
  void Arrive();
  // It works.
  void Confirm();
  // The upstream at which it has arrived turned out not to work.
  void Fail(absl::Duration now);

  // Upstreams that were passed over.
  int64_t skipped() const { return skipped_; }

 private:
  bool HasMore() const { return upstream_ && tried_addresses_ < addresses_->size(); }

  const std::shared_ptr<UpstreamSet> set_;
  uint64_t tried_ = 0;
  int64_t skipped_ = 0;
  int unknown_ = 0;
  std::optional<size_t> upstream_;
  // Null only before the first upstream, and after Arrive.
  std::shared_ptr<const std::vector<SocketAddress>> addresses_;
  size_t first_address_ = 0;
  size_t tried_addresses_ = 0;
  size_t arrived_address_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_UPSTREAM_SET_H_
