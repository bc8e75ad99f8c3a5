#include "tests/core/process_limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sockhost {
namespace {

// The limit is on the number of an fd, not on how many there are.
rlim_t LowestLimitWith(int spare) {
  int free_numbers = 0;
  for (int fd = 0;; ++fd) {
    if (fcntl(fd, F_GETFD) >= 0) continue;
    if (free_numbers++ == spare) return static_cast<rlim_t>(fd);
  }
}

}  // namespace

FdLimit::FdLimit(rlim_t soft) {
  EXPECT_EQ(getrlimit(RLIMIT_NOFILE, &before_), 0) << std::strerror(errno);
  rlimit limit = before_;
  limit.rlim_cur = soft;
  EXPECT_EQ(setrlimit(RLIMIT_NOFILE, &limit), 0) << std::strerror(errno);
}

FdLimit::~FdLimit() { setrlimit(RLIMIT_NOFILE, &before_); }

NoMoreFds::NoMoreFds(int spare) : FdLimit(LowestLimitWith(spare)) {}

// No stack so large can be had: pthread_create(3) fails.
NoMoreThreads::NoMoreThreads() {
  EXPECT_EQ(pthread_getattr_default_np(&before_), 0);
  pthread_attr_t huge;
  EXPECT_EQ(pthread_attr_init(&huge), 0);
  EXPECT_EQ(pthread_attr_setstacksize(&huge, size_t{1} << 46), 0);
  EXPECT_EQ(pthread_setattr_default_np(&huge), 0);
  pthread_attr_destroy(&huge);
}

NoMoreThreads::~NoMoreThreads() {
  EXPECT_EQ(pthread_setattr_default_np(&before_), 0);
  pthread_attr_destroy(&before_);
}

void DropCapability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(syscall(SYS_capget, &header, data), 0) << std::strerror(errno);
  data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0) << std::strerror(errno);
}

}  // namespace sockhost
