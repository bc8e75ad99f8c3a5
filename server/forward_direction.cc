#include "forward_direction.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <zephyr/net/socket.h>

#include <cerrno>
#include <cstring>
#include <utility>

#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

// splice costs more than a copy of little, and less than one of much.
constexpr uint8_t kFullReadsBeforeSplice = 2;
constexpr long kLeastWorthSplicing = 16 * 1024;

// One for all connections: only one handler runs at a time.
char buffer[ForwardDirection::kMost];

bool IsRetry(int error_number) { return error_number == EAGAIN || error_number == EINTR; }

}  // namespace

ForwardDirection::~ForwardDirection() {
  if (stuck_pipe_.valid()) PipePool::OfServiceThread().Close(stuck_pipe_);
}

ForwardDirection::Progress ForwardDirection::Receive(int from, int to) {
  if (full_reads_ >= kFullReadsBeforeSplice) {
    const Pipe pipe = PipePool::OfServiceThread().Take();
    if (pipe.valid()) return Splice(from, to, pipe);
  }
  return Copy(from, to);
}

ForwardDirection::Progress ForwardDirection::Copy(int from, int to) {
  const ssize_t received = zsock_recv(from, buffer, sizeof(buffer), 0);
  if (received == 0) return Progress::kEnded;
  if (received < 0) return IsRetry(errno) ? Progress::kFlowing : Progress::kSenderFailed;
  const auto size = static_cast<size_t>(received);
  if (size < sizeof(buffer)) {
    full_reads_ = 0;
  } else if (full_reads_ < kFullReadsBeforeSplice) {
    ++full_reads_;
  }
  const ssize_t sent = SendBytes(to, buffer, size);
  if (sent == received) return Progress::kFlowing;
  if (sent < 0 && !IsRetry(errno)) return Progress::kReceiverFailed;
  const size_t taken = sent > 0 ? static_cast<size_t>(sent) : 0;
  Keep(buffer + taken, size - taken);
  return Progress::kStuck;
}

ForwardDirection::Progress ForwardDirection::Splice(int from, int to, Pipe pipe) {
  PipePool& pool = PipePool::OfServiceThread();
  const long received = sockhost_splice_from(from, pipe.write_end, kMost);
  if (received <= 0) {
    const bool failed = received < 0 && !IsRetry(errno);
    pool.Return(pipe);
    // At an urgent byte splice(2) says that there is nothing, or that this was the end;
    // recv(2) steps over it.
    return failed ? Progress::kSenderFailed : Copy(from, to);
  }
  if (received < kLeastWorthSplicing) full_reads_ = 0;
  stuck_pipe_ = pipe;
  stuck_size_ = static_cast<uint32_t>(received);
  return Send(to);
}

ForwardDirection::Progress ForwardDirection::Send(int to) {
  long sent = 0;
  if (stuck_pipe_.valid()) {
    BeforeSend(to);
    sent = sockhost_splice_to(stuck_pipe_.read_end, to, stuck_size_);
  } else {
    sent = SendBytes(to, stuck_bytes_.get() + stuck_begin_, stuck_size_);
  }
  if (sent < 0) return IsRetry(errno) ? Progress::kStuck : Progress::kReceiverFailed;
  stuck_begin_ += static_cast<uint32_t>(sent);
  stuck_size_ -= static_cast<uint32_t>(sent);
  if (stuck_size_ > 0) return Progress::kStuck;
  stuck_bytes_.reset();
  if (stuck_pipe_.valid()) PipePool::OfServiceThread().Return(std::exchange(stuck_pipe_, {}));
  return Progress::kFlowing;
}

bool ForwardDirection::SendFirst(int to, absl::string_view bytes) {
  return SendBytes(to, bytes.data(), bytes.size()) == static_cast<ssize_t>(bytes.size());
}

ssize_t ForwardDirection::SendBytes(int to, const char* bytes, size_t size) {
  BeforeSend(to);
  return zsock_send(to, bytes, size, 0);
}

// Messages are passed on as they come. The first one does not need TCP_NODELAY: Nagle's
// algorithm holds back small segments while another is on the way. No effect on unix sockets.
void ForwardDirection::BeforeSend(int to) {
  if (sends_ == 2) return;
  if (++sends_ == 1) return;
  const int on = 1;
  setsockopt(to, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

void ForwardDirection::Keep(const char* bytes, size_t size) {
  stuck_bytes_ = std::make_unique_for_overwrite<char[]>(size);
  std::memcpy(stuck_bytes_.get(), bytes, size);
  stuck_begin_ = 0;
  stuck_size_ = static_cast<uint32_t>(size);
}

}  // namespace sockhost
