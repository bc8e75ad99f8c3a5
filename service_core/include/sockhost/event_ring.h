// The last events of a host.
#ifndef SOCKHOST_EVENT_RING_H_
#define SOCKHOST_EVENT_RING_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/functional/function_ref.h"
#include "sockhost/host_event.h"

namespace sockhost {

// Takes events from whichever thread makes them and keeps the last of them for
// readers, who come when they like: the ring knows no reader and waits for none.
// Costs 64 bytes for each event that it keeps, 128 more where a socket was ever closed, 450
// more where rare counters are among its own, and what listeners' events tell: of that
// kBytesPerEvent for each event of the capacity, kLeastBytes at the least. More, and the oldest
// events are forgotten before their time.
//
// Thread rule: any thread. The mutex is held for a few statements, or while a
// reader copies kMostAtOnce events, 2 us.
class EventRing {
 public:
  static constexpr size_t kDefaultCapacity = 16384;
  static constexpr size_t kMostAtOnce = 16;
  static constexpr size_t kBytesPerEvent = 4096;
  static constexpr size_t kLeastBytes = size_t{64} << 20;

  EventRing();
  ~EventRing();
  EventRing(const EventRing&) = delete;
  EventRing& operator=(const EventRing&) = delete;

  // Keeps so many at most from now on, at least 1.
  void SetCapacity(size_t capacity);

  // Gives `event` its sequence, and the present time unless it has one. Throws
  // std::bad_alloc.
  void Add(const HostEvent& event);

  // Adds what `make` makes. An event for which there is no memory is lost and counted;
  // what it tells of has happened all the same.
  void Record(absl::FunctionRef<HostEvent()> make);
  void Record(const EventView& event);
  int64_t lost() const;

  struct Batch {
    // At most kMostAtOnce, in order, from the one that was asked for.
    std::vector<HostEvent> events;
    // The first and the last that are kept; last = first - 1 if there are none.
    int64_t first = 1;
    int64_t last = 0;
  };
  // Copies the events from `sequence` on. None if that one is no longer kept:
  // then `first` is greater.
  Batch Read(int64_t sequence) const;

  // Loads the place of the next event into the cache while other things are done: it was
  // last touched a whole ring ago. Waits for nobody.
  void Prefetch() const;

  // Sequence of the last event, 0: there was none. Waits for nobody.
  int64_t last() const;

 private:
  struct State;

  void Put(const EventView& event);
  bool ForgetExcess();

  const std::unique_ptr<State> state_;
};

}  // namespace sockhost

#endif  // SOCKHOST_EVENT_RING_H_
