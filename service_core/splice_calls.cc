// Streams that pass through a pipe without being copied, counted.
#include <fcntl.h>

#include "socket_traffic.h"
#include "sockhost/socket_service_ext.h"

using sockhost::CountReceive;
using sockhost::CountTransmit;

namespace {

constexpr unsigned kFlags = SPLICE_F_MOVE | SPLICE_F_NONBLOCK;

}  // namespace

extern "C" {

long sockhost_splice_from(int fd, int pipe, size_t size) {
  const ssize_t moved = splice(fd, nullptr, pipe, nullptr, size, kFlags);
  CountReceive(fd, moved, 1, 0, false, size);
  return moved;
}

long sockhost_splice_to(int pipe, int fd, size_t size) {
  const ssize_t moved = splice(pipe, nullptr, fd, nullptr, size, kFlags);
  CountTransmit(fd, moved, size, 1);
  return moved;
}

}  // extern "C"
