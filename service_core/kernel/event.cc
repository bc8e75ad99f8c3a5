#include <zephyr/kernel.h>

#include "kernel/wait.h"

using sockhost::kernel::Guard;
using sockhost::kernel::IsNoWait;
using sockhost::kernel::Wake;

namespace {

// What a thread waits for, and whether it takes it away.
struct Wanted {
  uint32_t events;
  bool all;
  bool clears;

  // Those of `set` that end the wait; 0 if it goes on.
  uint32_t In(uint32_t set) const {
    const uint32_t found = set & events;
    return !all || found == events ? found : 0;
  }
};

struct EventWaiter : sockhost_waiter {
  Wanted wanted;
  uint32_t found = 0;
};

// Ends every wait that the flags now set end. What is to be cleared is cleared after
// all of them have seen it.
void WakeSatisfied(k_event& event) {
  uint32_t cleared = 0;
  for (sockhost_waiter *at = event.wait_q.first, *next; at; at = next) {
    next = at->next;
    EventWaiter& waiter = static_cast<EventWaiter&>(*at);
    waiter.found = waiter.wanted.In(event.events);
    if (waiter.found == 0) continue;
    if (waiter.wanted.clears) cleared |= waiter.found;
    Wake(event.wait_q, waiter, 0);
  }
  event.events &= ~cleared;
}

// Replaces the flags in `mask`. What they were.
uint32_t Replace(k_event& event, uint32_t events, uint32_t mask) {
  Guard guard(event.wait_q);
  const uint32_t before = event.events & mask;
  event.events = (event.events & ~mask) | (events & mask);
  WakeSatisfied(event);
  return before;
}

uint32_t Await(k_event& event, Wanted wanted, bool reset, k_timeout_t timeout) {
  // Nothing could end the wait.
  if (wanted.events == 0) return 0;
  Guard guard(event.wait_q);
  if (reset) event.events = 0;
  const uint32_t found = wanted.In(event.events);
  if (found != 0) {
    if (wanted.clears) event.events &= ~found;
    return found;
  }
  if (IsNoWait(timeout)) return 0;
  EventWaiter waiter;
  waiter.wanted = wanted;
  sockhost::kernel::Wait(guard, event.wait_q, waiter, timeout);
  return waiter.found;
}

}  // namespace

extern "C" {

void k_event_init(struct k_event* event) { *event = {SOCKHOST_WAIT_QUEUE_INITIALIZER, 0}; }

uint32_t k_event_post(struct k_event* event, uint32_t events) {
  return Replace(*event, events, events);
}

uint32_t k_event_set(struct k_event* event, uint32_t events) {
  return Replace(*event, events, UINT32_MAX);
}

uint32_t k_event_set_masked(struct k_event* event, uint32_t events, uint32_t mask) {
  return Replace(*event, events, mask);
}

uint32_t k_event_clear(struct k_event* event, uint32_t events) {
  return Replace(*event, 0, events);
}

uint32_t k_event_test(struct k_event* event, uint32_t mask) {
  Guard guard(event->wait_q);
  return event->events & mask;
}

uint32_t k_event_wait(struct k_event* event, uint32_t events, bool reset, k_timeout_t timeout) {
  return Await(*event, {events, /*all=*/false, /*clears=*/false}, reset, timeout);
}

uint32_t k_event_wait_all(struct k_event* event, uint32_t events, bool reset, k_timeout_t timeout) {
  return Await(*event, {events, /*all=*/true, /*clears=*/false}, reset, timeout);
}

uint32_t k_event_wait_safe(struct k_event* event, uint32_t events, bool reset,
                           k_timeout_t timeout) {
  return Await(*event, {events, /*all=*/false, /*clears=*/true}, reset, timeout);
}

uint32_t k_event_wait_all_safe(struct k_event* event, uint32_t events, bool reset,
                               k_timeout_t timeout) {
  return Await(*event, {events, /*all=*/true, /*clears=*/true}, reset, timeout);
}

}  // extern "C"
