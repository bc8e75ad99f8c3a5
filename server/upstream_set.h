// The upstreams of one listener: who is next, and who fails.
#ifndef SOCKHOST_SERVER_UPSTREAM_SET_H_
#define SOCKHOST_SERVER_UPSTREAM_SET_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "upstream.h"
#include "upstream_status.h"

namespace sockhost {

enum class UpstreamPolicy : uint8_t { kRoundRobin, kLeastConnections };

// Chooses upstreams and remembers how they did. Passive health:
//
//              all its addresses failed
//   healthy -----------------------------> backing off: passed over for 1 s, doubled
//      ^                                    when it fails after that, up to 60 s
//      | a connection succeeded             |
//      +---------- on trial <---------------+ the time is over: one connection tries it
//
// When every upstream is backing off, connections try them all the same, the one
// whose time is over first at first: a guess is better than a refusal.
//
// Thread rule: the service thread, unless said otherwise. `now` is its clock
// (ServiceClock).
class UpstreamSet {
 public:
  // Told on the service thread when an upstream begins to fail, at most once a second for each,
  // and, if that was told, when it works again.
  using Report = std::function<void(const UpstreamChange&)>;

  static constexpr size_t kMost = 64;
  static constexpr absl::Duration kFirstBackOff = absl::Seconds(1);
  static constexpr absl::Duration kLongestBackOff = absl::Seconds(60);

  // `upstreams` are 1 to kMost.
  UpstreamSet(std::vector<std::shared_ptr<Upstream>> upstreams, UpstreamPolicy policy,
              Report report = nullptr);

  // Constant after construction: any thread.
  const std::vector<std::shared_ptr<Upstream>>& upstreams() const { return upstreams_; }
  UpstreamPolicy policy() const { return policy_; }

  // Any thread, and the service thread does not wait for it: each value is true, but two may be
  // a moment apart. `now` is CLOCK_MONOTONIC, which ServiceClock follows.
  UpstreamStatus StatusOf(size_t index, absl::Duration now) const;

  // How many connections an upstream has, those included that are not there yet.
  int active(size_t index) const { return states_[index].active.get(); }
  bool is_backing_off(size_t index, absl::Duration now) const {
    return states_[index].retry_at.is_after(now);
  }

 private:
  friend class UpstreamChoice;

  // The service thread sets it, all read it. Who reads it sees also what was set before.
  template <class T>
  class Published {
   public:
    T get() const { return value_.load(std::memory_order_acquire); }
    void Set(T value) { value_.store(value, std::memory_order_release); }
    void Add(T value) { Set(get() + value); }

   private:
    std::atomic<T> value_{};
  };

  class PublishedTime {
   public:
    absl::Duration get() const { return absl::Nanoseconds(nanos_.get()); }
    // Cheaper than get().
    bool is_after(absl::Duration now) const { return nanos_.get() > absl::ToInt64Nanoseconds(now); }
    void Set(absl::Duration time) { nanos_.Set(absl::ToInt64Nanoseconds(time)); }

   private:
    Published<int64_t> nanos_;
  };

  struct State {
    // What each connection looks at. `failures` are those since it worked last.
    Published<int> active;
    Published<int> failures;
    Published<int64_t> connections;
    PublishedTime retry_at;
    // Of the addresses of a name: the one that worked last, or that comes after those that
    // have failed since, which are bits of `failing`.
    size_t preferred = 0;
    uint32_t failing = 0;

    // How often it was passed over for a time since it worked last, and until when.
    int back_offs = 0;
    absl::Duration backs_off_until;

    Published<int64_t> total_failures;
    Published<int> last_problem;
    PublishedTime last_failure;
    PublishedTime failing_since;
    // Its failing was told, and when it may be told the next time.
    bool is_reported = false;
    absl::Duration next_report;
  };

  // One that is not among `tried` (a set of bits); the upstreams passed over are
  // added to `*skipped`.
  std::optional<size_t> Pick(uint64_t tried, absl::Duration now, int64_t* skipped);
  std::optional<size_t> PickHealthy(uint64_t tried, absl::Duration now) const;
  std::optional<size_t> PickSoonest(uint64_t tried) const;
  void NoteFailure(size_t index, absl::Duration now, int problem);
  void NoteSuccess(size_t index, absl::Duration now);
  void Tell(const UpstreamChange& change) const;

  const std::vector<std::shared_ptr<Upstream>> upstreams_;
  const UpstreamPolicy policy_;
  const Report report_;
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

  // The address to try (again a step further: the one before has failed, see NoteProblem).
  // Nothing if all have failed, or some names are not resolved yet: see IsWaiting.
  std::optional<SocketAddress> Next(absl::Duration now);
  // Why the address that Next gave last does not work: an errno, or kNoAnswer or its like.
  void NoteProblem(int problem) { problem_ = problem; }
  // True if Next may know more later.
  bool IsWaiting() const;
  // How many upstreams Next has passed since the last call whose names have no address.
  int TakeUnknown() { return std::exchange(unknown_, 0); }
  // Stays with the address that Next gave.
  void Arrive();
  // It works.
  void Confirm(absl::Duration now);
  // The address at which it has arrived turned out not to work: the next choice begins with
  // another one. The upstream fails when that was the last of its addresses.
  void Fail(absl::Duration now, int problem);

  // Upstreams that were passed over.
  int64_t skipped() const { return skipped_; }

 private:
  bool HasMore() const { return upstream_ && tried_addresses_ < addresses_->size(); }

  const std::shared_ptr<UpstreamSet> set_;
  uint64_t tried_ = 0;
  int64_t skipped_ = 0;
  int unknown_ = 0;
  int problem_ = 0;
  std::optional<size_t> upstream_;
  // Null only before the first upstream, and after Arrive.
  std::shared_ptr<const std::vector<SocketAddress>> addresses_;
  size_t first_address_ = 0;
  size_t tried_addresses_ = 0;
  // Of how many it has arrived at which.
  size_t address_count_ = 0;
  size_t arrived_address_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_UPSTREAM_SET_H_
