// From an event to the call of a handler, and what follows from the call: a part of ServiceLoop.
#include <cxxabi.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <exception>

#include "absl/strings/string_view.h"
#include "forked_child.h"
#include "listener.h"
#include "log.h"
#include "monotonic_clock.h"
#include "service_loop.h"

namespace sockhost {
namespace {

// So many calls of a handler in a row have to read all that is there before its socket is
// polled for what arrives.
constexpr uint8_t kDrainedCalls = 16;

constexpr int64_t kSlowCallNanos = 25'000'000;

// True if there is nothing left to read from a connection, and never will be.
bool IsDrained(int fd) {
  char byte;
  const ssize_t peeked = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked == 0 || (peeked < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

void ServiceLoop::Dispatch(RegistrationKey key, uint32_t ready) {
  SocketSlot* slot = table_.Lookup(key);
  if (!slot) return DropStaleEvent(key);
  const Polling polling = slot->polling.load(std::memory_order_relaxed);
  // The last report of an entry that was masked while it was ready.
  if (polling == Polling::kMasked || polling == Polling::kPaused) return;
  if (slot->role == Role::kListening) {
    return slot->listener->Accept(*slot, *this);
  }
  if (IsUnusableYet(*slot, ready)) {
    ForEachBlock(*slot, [](CounterBlock& block) { block.Add(Counter::spurious_events); });
    if (polling != Polling::kEdge) table_.SetPolling(*slot, Polling::kEdge);
    return;
  }
  if (polling == Polling::kEdge) table_.SetPolling(*slot, Polling::kLevel);
  slot->is_drained = false;
  CallHandler(*slot, ready);
}

int ServiceLoop::BeginConnection(SocketSlot& slot, SocketId id) {
  if (slot.id.load(std::memory_order_relaxed) != id) return 0;
  last_clock_ = MonotonicNanos();
  CallHandler(slot, EPOLLOUT);
  return table_.StartPolling(slot, id);
}

void ServiceLoop::CallHandler(SocketSlot& slot, uint32_t ready) {
  const Service& service = *slot.service;
  const uint32_t events = slot.events.load(std::memory_order_relaxed);
  const uint32_t reported = ready & (events | EPOLLERR | EPOLLHUP | POLLNVAL);
  if (reported == 0) {
    // EPOLLRDHUP, which the loop asks for itself on connections: the peer has
    // closed. Or the mask was changed since the kernel reported.
    const SocketId id = slot.id.load(std::memory_order_relaxed);
    CloseIfPeerIsGone(slot, ready);
    if (slot.id.load(std::memory_order_relaxed) == id) FollowDraining(slot, ready);
    return;
  }

  net_socket_service_event event{};
  event.callback = service.handler;
  event.event = {slot.fd, static_cast<short>(events), static_cast<short>(reported)};
  event.user_data = slot.user_data.load(std::memory_order_relaxed);
  event.svc = const_cast<net_socket_service_desc*>(service.descriptor);

  const int64_t started = last_clock_;
  const SocketId id = slot.id.load(std::memory_order_relaxed);
  current_slot_ = &slot;
  current_id_ = id;
  const uint64_t call = call_number_.load(std::memory_order_relaxed);
  call_service_.store(&service, std::memory_order_relaxed);
  call_number_.store(call + 1, std::memory_order_release);
  const bool threw = !ReturnsFrom(event, service);
  call_number_.store(call + 2, std::memory_order_release);
  current_slot_ = nullptr;
  last_clock_ = MonotonicNanos();

  // Also for a socket that the handler removed: until the reaping its slot, and
  // what the slot points to, stay.
  const bool is_polled = slot.polling.load(std::memory_order_relaxed) != Polling::kOpening;
  Account(slot, is_polled ? reported : 0, started, last_clock_);
  if (threw) {
    ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::handler_exceptions); });
  }
  if (slot.id.load(std::memory_order_relaxed) != id) return;
  const bool has_peer = slot.role == Role::kConnection || slot.role == Role::kUpstream;
  // Nobody knows how far the handler came: the peer must not wait for the rest.
  if (threw && has_peer) return table_.RemoveSlot(slot, Fate::kClose, CloseReason::kHandlerFailed);
  if (slot.role != Role::kRegistered) {
    CloseIfPeerIsGone(slot, ready);
    if (slot.id.load(std::memory_order_relaxed) != id) return;
    FollowDraining(slot, ready);
  }
  const int64_t pause = spin_guard_.AfterCall(table_, slot);
  if (pause == SpinGuard::kClosedBehind) return AuditNext(slot);
  if (pause != 0) Mask(slot, pause);
}

// The kernel looks at a level-triggered socket twice for each event: when it reports it, and
// once more to find that nothing is left. A handler that has read all that was there again and
// again is told of what arrives only, until it leaves something: then the kernel is asked anew.
// More than data may have arrived: that counts as something left.
void ServiceLoop::FollowDraining(SocketSlot& slot, uint32_t ready) {
  // Asked again, the kernel says all that there is; or there will never be more.
  const bool is_asked_anew =
      ready == EPOLLOUT || slot.events.load(std::memory_order_relaxed) != EPOLLIN;
  if (is_asked_anew || (slot.end_of_stream && slot.service->keeps_connections)) {
    slot.drained_calls = 0;
    return;
  }
  const bool is_drained = slot.is_drained && ready == EPOLLIN;
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  if (!is_drained) {
    slot.drained_calls = 0;
    if (polling == Polling::kArrivals) table_.SetPolling(slot, Polling::kLevel);
  } else if (polling == Polling::kLevel && ++slot.drained_calls == kDrainedCalls) {
    slot.drained_calls = 0;
    table_.SetPolling(slot, Polling::kArrivals);
  }
}

// A forced unwinding has no object: UndefinedBehaviorSanitizer takes what catches it for a
// reference to nothing.
__attribute__((no_sanitize("null"))) bool ServiceLoop::ReturnsFrom(net_socket_service_event& event,
                                                                   const Service& service) {
  const auto report = [&](absl::string_view what) {
    // Escaped: the text can hold what came from the network.
    exception_log_.Log(LogLevel::kError, "a handler threw an exception",
                       {{"service", *service.name}, {"owner", service.owner}, {"exception", what}});
  };
  try {
    event.callback(&event);
    // It would serve what the parent serves.
    if (IsForkedChild()) [[unlikely]]
      _exit(EXIT_FAILURE);
    return true;
  } catch (const std::exception& exception) {
    report(exception.what());
  } catch (const abi::__forced_unwind&) {
    // It cannot be caught for good: the C library ends the process without a word.
    Log(LogLevel::kError, "a handler ends the service thread, pthread_exit(3) say: aborting",
        {{"service", *service.name}, {"owner", service.owner}, {"fd", current_slot_->fd}});
    AbortOnceLogged();
  } catch (...) {
    report("not a std::exception");
  }
  return false;
}

void ServiceLoop::Account(SocketSlot& slot, uint32_t ready, int64_t started, int64_t ended) {
  const int64_t took = ended - started;
  const int64_t delay = started - turn_started_;
  ForEachBlock(slot, [&](CounterBlock& block) {
    block.Add(Counter::handler_calls);
    block.Add(Counter::handler_time_nanos, took);
    block.Max(Counter::max_handler_time_nanos, took);
    block.Add(Counter::dispatch_delay_nanos, delay);
    block.Max(Counter::max_dispatch_delay_nanos, delay);
    block.Set(Counter::last_event_time, ended + wall_offset_);
    if (ready & EPOLLIN) block.Add(Counter::poll_in_events);
    if (ready == EPOLLIN && took < kSlowCallNanos) return;
    if (ready & EPOLLOUT) block.Add(Counter::poll_out_events);
    if (ready & EPOLLPRI) block.Add(Counter::poll_pri_events);
    if (ready & EPOLLERR) block.Add(Counter::poll_err_events);
    if (ready & EPOLLHUP) block.Add(Counter::poll_hup_events);
    if (ready & EPOLLRDHUP) block.Add(Counter::poll_rdhup_events);
    if (ready & POLLNVAL) block.Add(Counter::poll_nval_events);
    if (took >= kSlowCallNanos) block.Add(Counter::slow_handler_calls);
  });
}

void ServiceLoop::CloseIfPeerIsGone(SocketSlot& slot, uint32_t ready) {
  if (slot.role != Role::kConnection || slot.service->keeps_connections) return;
  const bool failed = ready & (EPOLLHUP | EPOLLERR);
  if (!slot.end_of_stream && !failed && !(ready & EPOLLRDHUP)) return;
  const bool reads = slot.events.load(std::memory_order_relaxed) & EPOLLIN;
  // A service that does not read now still wants to send what it has. That is
  // pointless once the connection has failed, and POLLHUP would be reported for
  // ever.
  // The end can arrive with the last data: a handler that receives once per call
  // has one more call to see it.
  bool is_gone = failed;
  if (reads) {
    is_gone = slot.end_of_stream;
    if (!is_gone && IsDrained(slot.fd)) {
      is_gone = slot.end_offered;
      slot.end_offered = true;
    }
  }
  if (!is_gone) return;
  const bool was_error = ready & EPOLLERR || slot.failed;
  table_.RemoveSlot(slot, Fate::kClose,
                    was_error ? CloseReason::kFailed : CloseReason::kPeerClosed);
}

void ServiceLoop::Mask(SocketSlot& slot, int64_t pause_nanos) {
  // First what can run out of memory: a socket that is masked must have its timer.
  RunAt(last_clock_ + pause_nanos, [this, key = slot.key(), masked_at = last_clock_] {
    SocketSlot* masked = table_.Lookup(key);
    if (!masked) return;
    const int64_t nanos = turn_started_ - masked_at;
    ForEachBlock(*masked,
                 [nanos](CounterBlock& block) { block.Add(Counter::masked_nanos, nanos); });
    table_.SetPolling(*masked, Polling::kLevel);
  });
  ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::masked); });
  table_.SetPolling(slot, Polling::kMasked);
  spin_log_.Log(LogLevel::kWarning,
                "a service does not consume what an fd is ready for; it is not polled for a while",
                {{"service", *slot.service->name},
                 {"owner", slot.service->owner},
                 {"fd", slot.fd},
                 {"pause_ms", pause_nanos / 1'000'000}});
}

}  // namespace sockhost
