// Pipes through which streams pass without being copied.
#ifndef SOCKHOST_SERVER_PIPE_POOL_H_
#define SOCKHOST_SERVER_PIPE_POOL_H_

#include <cstddef>
#include <vector>

namespace sockhost {

// The two ends of a pipe, non-blocking; -1: none. Owned by who holds it: returned
// to the pool if it is empty, else closed there.
struct Pipe {
  int read_end = -1;
  int write_end = -1;
  bool valid() const { return read_end >= 0; }
};

// A few pipes, each taken for one move, or for as long as bytes are stuck in it.
// Thread rule: the service thread.
class PipePool {
 public:
  // A pipe is two fds: those are few, and what finds none copies instead.
  static constexpr size_t kMost = 32;

  static PipePool& OfServiceThread();

  // Not valid if all are taken, or the process has no fd left.
  Pipe Take();
  void Return(Pipe pipe);
  // For a pipe that may not be empty.
  void Close(Pipe pipe);

 private:
  size_t open_ = 0;
  std::vector<Pipe> free_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PIPE_POOL_H_
