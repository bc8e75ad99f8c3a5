#include "service_loop.h"

#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <exception>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "listener.h"
#include "log.h"
#include "monotonic_clock.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// Events taken from the kernel at a time. A turn then stays short enough for
// timers and removals, and the call is paid for by many events under load.
constexpr size_t kEventsPerTurn = 256;

// How often registered fds are checked for having been closed unannounced, and
// how many at a time: an fstat(2) each, some 20 us in all.
constexpr int64_t kAuditIntervalNanos = 100'000'000;
constexpr uint32_t kAuditedSlots = 64;

// So many calls of a handler in a row have to read all that is there before its socket is
// polled for what arrives.
constexpr uint8_t kDrainedCalls = 16;

constexpr int64_t kSlowCallNanos = 25'000'000;

thread_local ServiceLoop* current_loop = nullptr;

// Statistics have one writer: no need for an atomic addition.
void AddTo(std::atomic<int64_t>& value, int64_t n) {
  value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void RaiseTo(std::atomic<int64_t>& value, int64_t n) {
  if (value.load(std::memory_order_relaxed) < n) value.store(n, std::memory_order_relaxed);
}

// True if there is nothing left to read from a connection, and never will be.
bool IsDrained(int fd) {
  char byte;
  const ssize_t peeked = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return peeked == 0 || (peeked < 0 && errno != EAGAIN && errno != EINTR);
}

}  // namespace

ServiceLoop::ServiceLoop(SocketTable& table) : table_(table), ready_(kEventsPerTurn) {}

ServiceLoop::~ServiceLoop() { Stop(); }

absl::Status ServiceLoop::Start() {
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    state_ = State::kFailed;
    return Error(Reason::kINTERNAL,
                 absl::StrCat("cannot start the service thread: ", error.what()));
  }
  pthread_setname_np(thread_.native_handle(), "service");
  state_ = State::kRunning;
  return absl::OkStatus();
}

void ServiceLoop::Stop() {
  if (!thread_.joinable()) return;
  stop_ = true;
  table_.epoll().Wake();
  thread_.join();
  state_ = State::kStopped;
}

template <typename Work>
void ServiceLoop::Attempt(Work&& work) {
  try {
    work();
  } catch (const std::bad_alloc&) {
    AddTo(statistics_.out_of_memory, 1);
  }
}

ServiceLoop* ServiceLoop::Current() { return current_loop; }

bool ServiceLoop::OnServiceThread() const { return current_loop == this; }

SocketSlot* ServiceLoop::SlotOnServiceThread(int fd) {
  ServiceLoop* loop = current_loop;
  if (!loop) return nullptr;
  SocketSlot* slot = loop->current_slot_;
  if (slot && slot->fd == fd) {
    const bool is_there = slot->id.load(std::memory_order_relaxed) == loop->current_id_;
    // Another thread may have removed it since the call began. The fd of a listener is open
    // until the reaping, so its number is nobody else's yet, and what the handler does with
    // its user_data must reach the slot: what is left there is freed.
    if (is_there || slot->role != Role::kRegistered) return slot;
  }
  return loop->table_.SlotOfFd(fd);
}

// ---- Doors -------------------------------------------------------------------

void ServiceLoop::Post(absl::AnyInvocable<void()> task) {
  {
    MutexLock lock(posted_mutex_);
    posted_.push_back(std::move(task));
    has_posted_.store(true, std::memory_order_relaxed);
  }
  table_.epoll().Wake();
}

void ServiceLoop::RunAt(int64_t time, absl::AnyInvocable<void()> task) {
  timers_.emplace(time, std::move(task));
}

void ServiceLoop::RunPosted() {
  if (!has_posted_.load(std::memory_order_relaxed)) return;
  std::vector<absl::AnyInvocable<void()>> tasks;
  {
    MutexLock lock(posted_mutex_);
    tasks.swap(posted_);
    has_posted_.store(false, std::memory_order_relaxed);
  }
  for (absl::AnyInvocable<void()>& task : tasks) Attempt(task);
}

void ServiceLoop::RunTimers() {
  while (!timers_.empty() && timers_.begin()->first <= turn_started_) {
    absl::AnyInvocable<void()> task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    Attempt(task);
  }
}

// ---- The loop ----------------------------------------------------------------

void ServiceLoop::Run() {
  current_loop = this;
  wall_offset_ = absl::GetCurrentTimeNanos() - MonotonicNanos();
  while (!stop_.load(std::memory_order_relaxed)) Turn();
  RunPosted();
  table_.Reap();
  current_loop = nullptr;
}

int ServiceLoop::TimeoutMs() const {
  if (!is_reaped_) return 0;
  int64_t wake_at = std::numeric_limits<int64_t>::max();
  if (!timers_.empty()) wake_at = timers_.begin()->first;
  if (table_.HasRegistered()) wake_at = std::min(wake_at, next_audit_);
  if (wake_at == std::numeric_limits<int64_t>::max()) return -1;
  const int64_t wait = wake_at - MonotonicNanos();
  if (wait <= 0) return 0;
  // Rounded up: waking early would mean to wake twice.
  return static_cast<int>(std::min<int64_t>(wait / 1'000'000 + 1, 3'600'000));
}

void ServiceLoop::Turn() {
  const std::span<epoll_event> ready = table_.epoll().Wait(ready_, TimeoutMs());
  turn_started_ = last_clock_ = MonotonicNanos();
  table_.BeginTurn();
  AddTo(statistics_.wakeups, 1);
  AddTo(statistics_.events, static_cast<int64_t>(ready.size()));
  RaiseTo(statistics_.max_events_per_wakeup, static_cast<int64_t>(ready.size()));
  if (!ready.empty()) wall_offset_ = absl::GetCurrentTimeNanos() - turn_started_;

  for (size_t i = 0; i < ready.size(); ++i) {
    if (i + 1 < ready.size()) table_.Prefetch(RegistrationKey::Unpack(ready[i + 1].data.u64));
    Attempt([&] { Dispatch(RegistrationKey::Unpack(ready[i].data.u64), ready[i].events); });
  }
  if (table_.HasRegistered() && turn_started_ >= next_audit_) {
    Attempt([this] { AuditRegistered(); });
  }
  RunTimers();
  RunPosted();
  is_reaped_ = false;
  Attempt([this] { is_reaped_ = table_.ReapSome(); });

  const int64_t turn = MonotonicNanos() - turn_started_;
  AddTo(statistics_.busy_nanos, turn);
  RaiseTo(statistics_.max_turn_nanos, turn);
}

void ServiceLoop::Dispatch(RegistrationKey key, uint32_t ready) {
  SocketSlot* slot = table_.Lookup(key);
  if (!slot) return DropStaleEvent(key);
  const Polling polling = slot->polling.load(std::memory_order_relaxed);
  // The last report of an entry that was masked while it was ready.
  if (polling == Polling::kMasked || polling == Polling::kPaused) return;
  if (slot->role == Role::kListening) {
    slot->listener->Accept(*slot, *this);
    last_clock_ = MonotonicNanos();
    return;
  }
  if (IsUnusableYet(*slot, ready)) {
    ForEachBlock(*slot, [](CounterBlock& block) { block.Add(Counter::spurious_events); });
    if (polling != Polling::kEdge) table_.SetPolling(*slot, Polling::kEdge);
    return;
  }
  // More than data has arrived: what the handler leaves is to be reported again.
  const bool is_more = polling == Polling::kArrivals && ready != EPOLLIN;
  if (polling == Polling::kEdge || is_more) table_.SetPolling(*slot, Polling::kLevel);
  slot->is_drained = false;
  CallHandler(*slot, ready);
}

void ServiceLoop::DropStaleEvent(RegistrationKey key) {
  AddTo(statistics_.stale_events, 1);
  if (!table_.WasRemovedInAnEarlierTurn(key)) return;
  // The kernel still holds the entry: the fd was closed while its open file
  // description lives on elsewhere (dup, fork, SCM_RIGHTS). No call can name
  // such an entry, so the set is built anew.
  if (table_.RebuildEpoll()) AddTo(statistics_.epoll_rebuilds, 1);
}

void ServiceLoop::CallHandler(SocketSlot& slot, uint32_t ready) {
  const Service& service = *slot.service;
  const uint32_t events = slot.events.load(std::memory_order_relaxed);
  const uint32_t reported = ready & (events | EPOLLERR | EPOLLHUP | POLLNVAL);
  if (reported == 0) {
    // EPOLLRDHUP, which the loop asks for itself on connections: the peer has
    // closed. Or the mask was changed since the kernel reported.
    CloseIfPeerIsGone(slot, ready);
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
  Account(slot, reported, started, last_clock_);
  if (threw) {
    ForEachBlock(slot, [](CounterBlock& block) { block.Add(Counter::handler_exceptions); });
  }
  if (slot.id.load(std::memory_order_relaxed) != id) return;
  const bool has_peer = slot.role == Role::kConnection || slot.role == Role::kUpstream;
  // Nobody knows how far the handler came: the peer must not wait for the rest.
  if (threw && has_peer) return table_.RemoveSlot(slot, Fate::kClose, CloseReason::kHandlerFailed);
  CloseIfPeerIsGone(slot, ready);
  if (slot.id.load(std::memory_order_relaxed) != id) return;
  FollowDraining(slot, ready);
  GuardAgainstSpinning(slot);
}

// The kernel looks at a level-triggered socket twice for each event: when it reports it, and
// once more to find that nothing is left. A handler that has read all that was there again and
// again is told of what arrives only, until it leaves something: then the kernel is asked anew.
void ServiceLoop::FollowDraining(SocketSlot& slot, uint32_t ready) {
  if (slot.role == Role::kRegistered) return;
  const bool is_drained =
      slot.is_drained && ready == EPOLLIN && slot.events.load(std::memory_order_relaxed) == EPOLLIN;
  const Polling polling = slot.polling.load(std::memory_order_relaxed);
  if (!is_drained) {
    slot.drained_calls = 0;
    if (polling == Polling::kArrivals) table_.SetPolling(slot, Polling::kLevel);
  } else if (polling == Polling::kLevel && ++slot.drained_calls == kDrainedCalls) {
    slot.drained_calls = 0;
    table_.SetPolling(slot, Polling::kArrivals);
  }
}

bool ServiceLoop::ReturnsFrom(net_socket_service_event& event, const Service& service) {
  const auto report = [&](absl::string_view what) {
    // Escaped: the text can hold what came from the network.
    exception_log_.Log(LogLevel::kError, "a handler threw an exception",
                       {{"service", *service.name}, {"owner", service.owner}, {"exception", what}});
  };
  try {
    event.callback(&event);
    return true;
  } catch (const std::exception& exception) {
    report(exception.what());
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

void ServiceLoop::GuardAgainstSpinning(SocketSlot& slot) {
  const int64_t pause = spin_guard_.AfterCall(slot, table_.turn());
  if (pause == 0) return;
  // First what can run out of memory: a socket that is masked must have its timer.
  RunAt(last_clock_ + pause, [this, key = slot.key(), masked_at = last_clock_] {
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
                 {"pause_ms", pause / 1'000'000}});
}

void ServiceLoop::AuditRegistered() {
  for (const SocketId id : table_.FindClosedBehind(kAuditedSlots)) {
    SocketSlot* slot = table_.SlotOfId(id);
    if (!slot) continue;
    CallHandler(*slot, POLLNVAL);
    if (slot->id.load(std::memory_order_relaxed) == id) {
      table_.RemoveSlot(*slot, Fate::kLeaveOpen, CloseReason::kClosedBehind);
    }
  }
  next_audit_ = turn_started_ + kAuditIntervalNanos;
}

// ---- Statistics --------------------------------------------------------------

LoopStatistics ServiceLoop::Statistics() const {
  LoopStatistics out;
  out.wakeups = statistics_.wakeups.load(std::memory_order_relaxed);
  out.events = statistics_.events.load(std::memory_order_relaxed);
  out.stale_events = statistics_.stale_events.load(std::memory_order_relaxed);
  out.max_events_per_wakeup = statistics_.max_events_per_wakeup.load(std::memory_order_relaxed);
  out.busy_nanos = statistics_.busy_nanos.load(std::memory_order_relaxed);
  out.max_turn_nanos = statistics_.max_turn_nanos.load(std::memory_order_relaxed);
  out.epoll_rebuilds = statistics_.epoll_rebuilds.load(std::memory_order_relaxed);
  out.closed_behind = table_.closed_behind();
  out.out_of_memory = statistics_.out_of_memory.load(std::memory_order_relaxed);
  out.out_of_memory += table_.not_described();
  if (table_.events()) out.out_of_memory += table_.events()->lost();
  return out;
}

}  // namespace sockhost
