// Faults of the process that a test needs.
#ifndef SOCKHOST_TESTS_CORE_PROCESS_LIMITS_H_
#define SOCKHOST_TESTS_CORE_PROCESS_LIMITS_H_

#include <linux/capability.h>
#include <pthread.h>
#include <sys/resource.h>

namespace sockhost {

// Sets the soft RLIMIT_NOFILE while it lives.
class FdLimit {
 public:
  explicit FdLimit(rlim_t soft);
  ~FdLimit();
  FdLimit(const FdLimit&) = delete;
  FdLimit& operator=(const FdLimit&) = delete;

 private:
  rlimit before_{};
};

// No further fd can be opened while it lives.
class NoMoreFds : public FdLimit {
 public:
  // `spare`: but so many.
  explicit NoMoreFds(int spare = 0);
};

// No further thread can be made while it lives.
class NoMoreThreads {
 public:
  NoMoreThreads();
  ~NoMoreThreads();
  NoMoreThreads(const NoMoreThreads&) = delete;
  NoMoreThreads& operator=(const NoMoreThreads&) = delete;

 private:
  pthread_attr_t before_;
};

// The kernel has no memory to put the number `fd` into an epoll set, for the calling thread and
// for good.
void RefuseToPoll(int fd);

// Gives up a capability (CAP_NET_BIND_SERVICE: to bind to ports below 1024), for the
// calling thread and for good.
void DropCapability(unsigned capability);

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_PROCESS_LIMITS_H_
