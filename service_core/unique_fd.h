// An owned file descriptor.
#ifndef SOCKHOST_SERVICE_CORE_UNIQUE_FD_H_
#define SOCKHOST_SERVICE_CORE_UNIQUE_FD_H_

#include <utility>

#include "system_calls.h"

namespace sockhost {

// Closes the fd when it goes. One owner at a time, no locking.
class UniqueFd {
 public:
  UniqueFd() = default;
  explicit UniqueFd(int fd) : fd_(fd) {}
  UniqueFd(UniqueFd&& other) noexcept : fd_(other.release()) {}
  UniqueFd& operator=(UniqueFd&& other) noexcept {
    if (this != &other) reset(other.release());
    return *this;
  }
  ~UniqueFd() { reset(); }

  int get() const { return fd_; }
  bool valid() const { return fd_ >= 0; }
  int release() { return std::exchange(fd_, -1); }
  void reset(int fd = -1) {
    if (fd_ >= 0) CloseFd(fd_);
    fd_ = fd;
  }

 private:
  int fd_ = -1;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_UNIQUE_FD_H_
