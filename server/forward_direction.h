// One direction of a forwarded connection.
#ifndef SOCKHOST_SERVER_FORWARD_DIRECTION_H_
#define SOCKHOST_SERVER_FORWARD_DIRECTION_H_

#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>

#include "absl/strings/string_view.h"
#include "pipe_pool.h"

namespace sockhost {

// Moves bytes from one stream socket to another. Keeps what the receiver has not
// taken, at most kMost bytes, and nothing else: memory or a pipe is held only
// while bytes are stuck.
//
// Small messages are copied; once reads come full, bytes pass through a pipe
// without being copied (splice), until little comes again. An urgent byte (MSG_OOB) is
// left out: the receiver would not know where it belongs.
//
// Thread rule: the service thread.
class ForwardDirection {
 public:
  // Read at once, and the most that is ever kept.
  static constexpr size_t kMost = 64 * 1024;

  enum class Progress : uint8_t {
    kFlowing,  // the receiver has taken everything that was read
    kStuck,    // it has not: Send is to be called when it can take more
    kEnded,    // the sender has ended, and the receiver has taken everything
    kSenderFailed,
    kReceiverFailed,
  };

  ForwardDirection() = default;
  ~ForwardDirection();
  ForwardDirection(const ForwardDirection&) = delete;
  ForwardDirection& operator=(const ForwardDirection&) = delete;

  // Reads once from `from` and sends it to `to`. Not while bytes are stuck.
  Progress Receive(int from, int to);
  // Sends what is stuck.
  Progress Send(int to);
  // Before anything is received: sends `bytes` of its own. False if not all of them went.
  bool SendFirst(int to, absl::string_view bytes);

  bool is_stuck() const { return stuck_size_ > 0; }

 private:
  Progress Copy(int from, int to);
  Progress Splice(int from, int to, Pipe pipe);
  ssize_t SendBytes(int to, const char* bytes, size_t size);
  void BeforeSend(int to);
  void Keep(const char* bytes, size_t size);

  std::unique_ptr<char[]> stuck_bytes_;
  Pipe stuck_pipe_;
  uint32_t stuck_begin_ = 0;
  uint32_t stuck_size_ = 0;
  // Reads in a row that filled the buffer.
  uint8_t full_reads_ = 0;
  // How often has been sent, up to two.
  uint8_t sends_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_DIRECTION_H_
