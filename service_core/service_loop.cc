#include "service_loop.h"

#include <poll.h>
#include <pthread.h>

#include <algorithm>
#include <limits>
#include <new>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "forked_child.h"
#include "listener.h"
#include "monotonic_clock.h"
#include "signal_stack.h"
#include "sockhost/error.h"
#include "sockhost/last_words.h"

namespace sockhost {
namespace {

// Events taken from the kernel at a time. A turn then stays short enough for
// timers and removals, and the call is paid for by many events under load.
constexpr size_t kEventsPerTurn = 256;

// How often registered fds are checked for having been closed unannounced, and
// how many at a time: an fstat(2) each, some 20 us in all.
constexpr int64_t kAuditIntervalNanos = 100'000'000;
constexpr uint32_t kAuditedSlots = 64;

// How long a rebuild of the epoll set that has failed is not tried again: it is a system call for
// each socket.
constexpr int64_t kRebuildPauseNanos = 100'000'000;

// How often the wall clock is looked at for a step: what is told of an event then is at most
// so long behind.
constexpr int64_t kWallLookNanos = 10'000'000;

thread_local ServiceLoop* current_loop = nullptr;

// Statistics have one writer: no need for an atomic addition.
void AddTo(std::atomic<int64_t>& value, int64_t n) {
  value.store(value.load(std::memory_order_relaxed) + n, std::memory_order_relaxed);
}

void RaiseTo(std::atomic<int64_t>& value, int64_t n) {
  if (value.load(std::memory_order_relaxed) < n) value.store(n, std::memory_order_relaxed);
}

}  // namespace

HandlerCall CallOfThisThread() {
  const SocketSlot* const slot = current_loop ? current_loop->called_slot() : nullptr;
  // Also of one that the handler has removed or withdrawn: both stay until the reaping.
  if (!slot) return {};
  return {slot->service->name->c_str(), slot->service->owner.c_str(), slot->fd};
}

ServiceLoop::ServiceLoop(SocketTable& table) : table_(table), ready_(kEventsPerTurn) {}

ServiceLoop::~ServiceLoop() { Stop(); }

absl::Status ServiceLoop::Start() {
  HostInThisProcess();
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

void ServiceLoop::Stop(absl::FunctionRef<void()> before_join) {
  if (!thread_.joinable()) return;
  // From now on programs remove nothing more: the last reaping comes to an end.
  state_ = State::kStopping;
  table_.epoll().Wake();
  state_.wait(State::kStopping);
  before_join();
  thread_.join();
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
    // Another thread may have removed it since the call began. The host keeps the fd of a
    // listener open until the reaping, so its number is nobody else's yet, and what the handler
    // does with its user_data must reach the slot: what is left there is freed.
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
  const SignalStack signal_stack;
  current_loop = this;
  LookAtWallClock();
  while (state_.load(std::memory_order_relaxed) != State::kStopping) Turn();
  table_.BeginTurn();
  RunPosted();
  table_.Reap();
  table_.EndTurn();
  current_loop = nullptr;
  state_ = State::kStopped;
  state_.notify_all();
}

int ServiceLoop::TimeoutMs() const {
  if (!is_reaped_) return 0;
  int64_t wake_at = std::numeric_limits<int64_t>::max();
  if (!timers_.empty()) wake_at = timers_.begin()->first;
  if (table_.HasExposed()) wake_at = std::min(wake_at, next_audit_);
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
  if (table_.events()) table_.events()->Prefetch();
  AddTo(statistics_.wakeups, 1);
  AddTo(statistics_.events, static_cast<int64_t>(ready.size()));
  RaiseTo(statistics_.max_events_per_wakeup, static_cast<int64_t>(ready.size()));
  if (turn_started_ >= next_wall_look_) LookAtWallClock();

  DispatchAll(ready);
  if (table_.HasExposed() && turn_started_ >= next_audit_) {
    Attempt([this] { AuditExposed(); });
  }
  RunTimers();
  RunPosted();
  is_reaped_ = false;
  Attempt([this] { is_reaped_ = table_.ReapSome(wall_time()); });
  table_.EndTurn();

  const int64_t turn = MonotonicNanos() - turn_started_;
  AddTo(statistics_.busy_nanos, turn);
  RaiseTo(statistics_.max_turn_nanos, turn);
}

// Who is connected comes before who wants to be.
void ServiceLoop::DispatchAll(std::span<epoll_event> ready) {
  const auto dispatch = [this](const epoll_event& event) {
    Attempt([&] { Dispatch(RegistrationKey::Unpack(event.data.u64), event.events); });
  };
  size_t listening = 0;
  for (size_t i = 0; i < ready.size(); ++i) {
    if (i + 1 < ready.size()) table_.Prefetch(RegistrationKey::Unpack(ready[i + 1].data.u64));
    if (table_.IsListening(RegistrationKey::Unpack(ready[i].data.u64))) {
      ready[listening++] = ready[i];
    } else {
      dispatch(ready[i]);
    }
  }
  for (const epoll_event& event : ready.first(listening)) {
    dispatch(event);
    // Taking connections takes its time.
    if (listening > 1) last_clock_ = MonotonicNanos();
  }
}

void ServiceLoop::LookAtWallClock() {
  const int64_t now = MonotonicNanos();
  wall_offset_ = absl::GetCurrentTimeNanos() - now;
  next_wall_look_ = now + kWallLookNanos;
}

void ServiceLoop::DropStaleEvent(RegistrationKey key) {
  AddTo(statistics_.stale_events, 1);
  if (!table_.WasRemovedInAnEarlierTurn(key)) return;
  // The kernel still holds the entry: the fd was closed while its open file
  // description lives on elsewhere (dup, fork, SCM_RIGHTS). No call can name
  // such an entry, so the set is built anew.
  if (turn_started_ < next_rebuild_) return;
  if (table_.RebuildEpoll()) return AddTo(statistics_.epoll_rebuilds, 1);
  next_rebuild_ = turn_started_ + kRebuildPauseNanos;
}

void ServiceLoop::AuditNext(const SocketSlot& slot) {
  table_.FindNext(slot);
  next_audit_ = turn_started_;
}

void ServiceLoop::AuditExposed() {
  for (const SocketId id : table_.FindClosedBehind(kAuditedSlots)) {
    SocketSlot* slot = table_.SlotOfId(id);
    if (!slot) continue;
    // Whoever registered it learns of it. A handler of connections takes what it is called with
    // for one: it would work with somebody else's file.
    if (slot->role == Role::kRegistered) CallHandler(*slot, POLLNVAL);
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
