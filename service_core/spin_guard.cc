#include "spin_guard.h"

#include <linux/sock_diag.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <limits>
#include <utility>

#include "listener.h"

namespace sockhost {
namespace {

// The fields of struct tcp_info that are used came with Linux 4.6.
bool ReadTcpInfo(int fd, tcp_info& info) {
  socklen_t length = sizeof(info);
  return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &length) == 0;
}

// A number that moves when a program takes data from, or gives data to, `fd`.
// Truncated: two states that look alike by chance cost a pause of 1 ms.
uint32_t QueueMark(int fd) {
  int queued = 0;
  int unsent = 0;
  ioctl(fd, FIONREAD, &queued);
  ioctl(fd, TIOCOUTQ, &unsent);
  if (tcp_info info{}; ReadTcpInfo(fd, info)) {
    constexpr uint8_t kListen = 10;  // TCP_LISTEN
    if (info.tcpi_state == kListen) return info.tcpi_unacked;
    const auto taken = static_cast<int64_t>(info.tcpi_bytes_received) - queued;
    const auto given = static_cast<int64_t>(info.tcpi_bytes_acked) + unsent;
    return static_cast<uint32_t>(taken * 31 + given);
  }
  uint32_t memory[SK_MEMINFO_VARS] = {};
  socklen_t length = sizeof(memory);
  getsockopt(fd, SOL_SOCKET, SO_MEMINFO, memory, &length);
  // The stamp of the last datagram that was taken: the queue of a UDP socket grows
  // while nobody reads, and shrinks in big steps only.
  timespec stamp{};
  int64_t taken = 0;
  if (ioctl(fd, SIOCGSTAMPNS, &stamp) == 0) {
    taken = stamp.tv_nsec;
  } else if (errno != ENOENT) {  // ENOENT: nothing was taken so far
    taken = memory[SK_MEMINFO_RMEM_ALLOC];
  }
  const int64_t send_queue = memory[SK_MEMINFO_WMEM_ALLOC];
  return static_cast<uint32_t>((queued * 31 + taken) * 31 + send_queue);
}

// True if traffic or a failure was counted since it was asked before. Failures are in
// memory that is rarely needed: they are looked at when there was no traffic. A call that fails
// takes an error from a datagram socket; a stream that has failed fails for ever.
bool HasCounted(SocketSlot& slot) {
  const CounterBlock& counters = slot.counters;
  const auto messages = static_cast<uint32_t>(counters.Get(Counter::receive_messages) +
                                              counters.Get(Counter::transmit_messages));
  if (messages != std::exchange(slot.counted_messages, messages)) return true;
  const bool is_stream = slot.protocol == Protocol::kTcp || slot.protocol == Protocol::kUnixStream;
  if (is_stream || !counters.has_rare()) return false;
  const auto failures = static_cast<uint16_t>(counters.Get(Counter::receive_errors) +
                                              counters.Get(Counter::transmit_errors) +
                                              counters.Get(Counter::dropped_messages));
  return failures != std::exchange(slot.counted_failures, failures);
}

bool IsStillReady(const SocketSlot& slot) {
  pollfd fd{slot.fd, static_cast<short>(slot.events.load(std::memory_order_relaxed)), 0};
  return poll(&fd, 1, 0) > 0;
}

}  // namespace

int64_t SpinGuard::AfterCall(const SocketTable& table, SocketSlot& slot) {
  // Low bits are enough: a call 65536 turns ago counts as one in the turn before.
  const auto low_turn = static_cast<uint16_t>(table.turn());
  const bool in_a_row = static_cast<uint16_t>(slot.last_turn + 1) == low_turn;
  slot.last_turn = low_turn;
  if (HasCounted(slot)) {
    slot.idle_calls = 0;
    slot.pauses = 0;
    return 0;
  }
  // Not ready in the turn before: it was consumed in a way that is not counted.
  // A masked socket has just come back and keeps its history.
  if (!in_a_row && slot.pauses == 0) slot.idle_calls = 0;
  static_assert(2 * kFreeIdleCalls <= std::numeric_limits<decltype(slot.idle_calls)>::max());
  ++slot.idle_calls;
  if (slot.idle_calls < kFreeIdleCalls || slot.idle_calls % kProbeInterval != 0) return 0;
  return Probe(table, slot);
}

int64_t SpinGuard::Probe(const SocketTable& table, SocketSlot& slot) {
  const bool is_ready = IsStillReady(slot);
  if (!is_ready && table.IsClosedBehind(slot)) return kClosedBehind;
  const uint32_t mark = is_ready ? QueueMark(slot.fd) : ~slot.queue_mark;
  if (mark != slot.queue_mark) {
    slot.queue_mark = mark;
    slot.idle_calls = kFreeIdleCalls - kProbeInterval;
    slot.pauses = 0;
    return 0;
  }
  ForEachBlock(slot,
               [](CounterBlock& block) { block.Add(Counter::spurious_events, kProbeInterval); });
  if (slot.idle_calls < 2 * kFreeIdleCalls) return 0;
  // From now on the budget is one probe interval until there is progress.
  slot.idle_calls = 2 * kFreeIdleCalls - kProbeInterval;
  const int64_t pause = std::min(kFirstPauseNanos << slot.pauses, kLongestPauseNanos);
  if (slot.pauses < 7) ++slot.pauses;
  return pause;
}

bool IsUnused(const SocketSlot& slot) {
  tcp_info info{};
  constexpr uint8_t kClosed = 7;  // TCP_CLOSE
  if (!ReadTcpInfo(slot.fd, info) || info.tcpi_state != kClosed) return false;
  // A connection that is over is in the same state, but shut down.
  pollfd past{slot.fd, POLLRDHUP, 0};
  poll(&past, 1, 0);
  return !(past.revents & POLLRDHUP);
}

}  // namespace sockhost
