#include "pipe_pool.h"

#include <fcntl.h>
#include <unistd.h>

namespace sockhost {

PipePool& PipePool::OfServiceThread() {
  // Never destroyed: it owns fds that live as long as the process.
  static auto* pool = new PipePool;
  return *pool;
}

Pipe PipePool::Take() {
  if (!free_.empty()) {
    const Pipe pipe = free_.back();
    free_.pop_back();
    return pipe;
  }
  int ends[2];
  if (open_ == kMost || pipe2(ends, O_NONBLOCK | O_CLOEXEC) != 0) return {};
  ++open_;
  return {ends[0], ends[1]};
}

void PipePool::Return(Pipe pipe) { free_.push_back(pipe); }

void PipePool::Close(Pipe pipe) {
  close(pipe.read_end);
  close(pipe.write_end);
  --open_;
}

}  // namespace sockhost
