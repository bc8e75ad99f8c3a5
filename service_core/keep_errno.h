// errno beside calls that may change it.
#ifndef SOCKHOST_SERVICE_CORE_KEEP_ERRNO_H_
#define SOCKHOST_SERVICE_CORE_KEEP_ERRNO_H_

#include <cerrno>

namespace sockhost {

// While it lives errno may change; its end brings the old value back.
class KeepErrno {
 public:
  KeepErrno() = default;
  ~KeepErrno() { errno = saved_; }
  KeepErrno(const KeepErrno&) = delete;
  KeepErrno& operator=(const KeepErrno&) = delete;

  // What it was when this began.
  int value() const { return saved_; }

 private:
  const int saved_ = errno;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_KEEP_ERRNO_H_
