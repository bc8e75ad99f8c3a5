// What listeners' events tell, as long as the events are kept.
#ifndef SOCKHOST_SERVICE_CORE_TOLD_LISTENERS_H_
#define SOCKHOST_SERVICE_CORE_TOLD_LISTENERS_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <unordered_map>
#include <utility>

#include "sockhost/listener_config.h"

namespace sockhost {

// In the order of the events, and how much memory it is: a configuration, which many events
// can share, is counted once.
//
// Thread rule: none of its own; guarded by the mutex of the events.
class ToldListeners {
 public:
  using Snapshot = std::shared_ptr<const ListenerSnapshot>;

  // Of an event behind all others. Throws std::bad_alloc; then nothing has changed.
  void Add(int64_t sequence, const Snapshot& listener) {
    // Not Abseil's map: that one is broken by a bad_alloc while it grows.
    Use& use = uses_[listener->config.get()];
    try {
      told_.push_back({sequence, listener, &use});
    } catch (...) {
      if (use.count == 0) uses_.erase(listener->config.get());
      throw;
    }
    if (use.count++ == 0) bytes_ += use.bytes = BytesOf(listener->config.get());
    bytes_ += BytesOf(*listener);
  }

  // Takes back what was added last.
  void DropLast() {
    Release(told_.back());
    told_.pop_back();
  }

  // What may be the last one that holds it: to be let go without the mutex.
  Snapshot TakeFirst() {
    Release(told_.front());
    Snapshot first = std::move(told_.front().listener);
    told_.pop_front();
    return first;
  }

  // nullptr: that event tells of no listener.
  Snapshot Find(int64_t sequence) const {
    const auto found =
        std::lower_bound(told_.begin(), told_.end(), sequence,
                         [](const Told& one, int64_t wanted) { return one.sequence < wanted; });
    const bool is_there = found != told_.end() && found->sequence == sequence;
    return is_there ? found->listener : nullptr;
  }

  // Sequence of the first event; 0: there is none.
  int64_t first() const { return told_.empty() ? 0 : told_.front().sequence; }
  size_t size() const { return told_.size(); }
  // About.
  size_t bytes() const { return bytes_; }

 private:
  struct Use {
    size_t count = 0;
    size_t bytes = 0;
  };
  struct Told {
    int64_t sequence = 0;
    Snapshot listener;
    Use* config = nullptr;
  };

  static size_t BytesOf(const ListenerConfig* config) {
    if (!config) return 0;
    const size_t attached = config->attachment ? config->attachment->bytes : 0;
    return sizeof(ListenerConfig) + config->name.size() + config->service.size() + attached;
  }
  static size_t BytesOf(const ListenerSnapshot& listener) {
    return sizeof(ListenerSnapshot) + listener.state_reason.size();
  }

  void Release(const Told& told) {
    bytes_ -= BytesOf(*told.listener);
    if (--told.config->count > 0) return;
    bytes_ -= told.config->bytes;
    uses_.erase(told.listener->config.get());
  }

  std::deque<Told> told_;
  // By the address of the configuration.
  std::unordered_map<const ListenerConfig*, Use> uses_;
  size_t bytes_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_TOLD_LISTENERS_H_
