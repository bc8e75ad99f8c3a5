#include "socket_traffic.h"

#include <cerrno>

#include "forked_child.h"
#include "host_parts.h"
#include "keep_errno.h"
#include "listener.h"

namespace sockhost {
namespace {

// Errors of the connection, after which nothing more will come: those of the network, from
// tcp(7) and ip(7). What the caller asked for in vain (EINVAL of MSG_OOB, EFAULT) and a lack of
// memory say nothing of it.
bool EndsStream(int error_number) {
  switch (error_number) {
    case ECONNABORTED:
    case ECONNREFUSED:
    case ECONNRESET:
    case EHOSTDOWN:
    case EHOSTUNREACH:
    case ENETDOWN:
    case ENETRESET:
    case ENETUNREACH:
    case ENOPROTOOPT:
    case ENOTCONN:
    case EPIPE:
    case EPROTO:
    case ETIMEDOUT:
      return true;
    default:
      return false;
  }
}

void CountFailure(SocketSlot& slot, int error_number, Counter failures) {
  // No socket: read(2) and its like take the call then.
  if (error_number == ENOTSOCK) return;
  const Counter counter = error_number == EAGAIN ? Counter::would_block : failures;
  if (error_number == EINTR) return;
  if (error_number == EBADF) ServiceLoop::Current()->AuditNext(slot);
  ForEachBlock(slot, [&](CounterBlock& block) {
    block.Add(counter);
    if (counter == failures) block.AddError(error_number);
  });
}

// A slot was found, so this is the service thread.
int64_t WallTime() { return ServiceLoop::Current()->wall_time(); }

}  // namespace

bool IsOwnTcp(int fd) {
  const SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  return slot && slot->role != Role::kRegistered && slot->protocol == Protocol::kTcp;
}

void CountReceive(int fd, ssize_t result, size_t messages, size_t truncated, bool is_drained,
                  size_t asked) {
  const KeepErrno saved;
  SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot) {
    if (ServiceLoop::Current() || result < 0 || IsForkedChild()) return;
    return ProcessParts().table.CountForeign(fd, result, static_cast<int64_t>(messages), 0, 0);
  }
  slot->is_drained = is_drained || (result < 0 && saved.value() == EAGAIN);
  if (result < 0) {
    if (EndsStream(saved.value()) && slot->role == Role::kConnection) {
      slot->end_of_stream = true;
      slot->failed = true;
    }
    return CountFailure(*slot, saved.value(), Counter::receive_errors);
  }
  // Of a stream that is its end, and no message however often it is found.
  const bool is_stream =
      slot->protocol == Protocol::kTcp || slot->protocol == Protocol::kUnixStream;
  if (result == 0 && is_stream) {
    const bool is_end = asked > 0 && slot->role != Role::kRegistered;
    if (is_end) slot->end_of_stream = slot->is_drained = true;
    return;
  }
  ForEachBlock(*slot, [&, time = WallTime()](CounterBlock& block) {
    block.Set(Counter::last_receive_time, time);
    block.Add(Counter::receive_bytes, result);
    block.Add(Counter::receive_messages, static_cast<int64_t>(messages));
    if (truncated > 0) block.Add(Counter::truncated_messages, static_cast<int64_t>(truncated));
  });
}

void CountTransmit(int fd, ssize_t result, size_t offered, size_t messages) {
  const KeepErrno saved;
  SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  if (!slot) {
    if (ServiceLoop::Current() || result < 0 || IsForkedChild()) return;
    return ProcessParts().table.CountForeign(fd, 0, 0, result, static_cast<int64_t>(messages));
  }
  if (result < 0) return CountFailure(*slot, saved.value(), Counter::transmit_errors);
  const bool is_short = static_cast<size_t>(result) < offered;
  ForEachBlock(*slot, [&, time = WallTime()](CounterBlock& block) {
    block.Set(Counter::last_transmit_time, time);
    block.Add(Counter::transmit_bytes, result);
    block.Add(Counter::transmit_messages, static_cast<int64_t>(messages));
    if (is_short) block.Add(Counter::short_writes);
  });
}

Closer NoteClose(int fd) {
  if (IsForkedChild()) return Closer::kProgram;
  ServiceLoop* loop = ServiceLoop::Current();
  if (loop) return loop->table().NoteClose(fd);
  // Another thread: the service thread may be waiting without limit.
  SocketTable& table = ProcessParts().table;
  const Closer closer = table.NoteClose(fd);
  table.epoll().Wake();
  return closer;
}

}  // namespace sockhost
