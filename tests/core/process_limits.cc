#include "tests/core/process_limits.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstddef>
#include <cstring>
#include <iterator>

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

// seccomp(2): the call fails before the kernel looks at it.
void RefuseToPoll(int fd) {
  const auto load = [](size_t offset) {
    return sock_filter BPF_STMT(BPF_LD | BPF_W | BPF_ABS, static_cast<uint32_t>(offset));
  };
  const auto unless_equal = [](long wanted, uint8_t skipped) {
    return sock_filter BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, static_cast<uint32_t>(wanted), 0,
                                skipped);
  };
  // Of the arguments the low halves: little-endian.
  sock_filter filter[] = {
      load(offsetof(seccomp_data, nr)),
      unless_equal(SYS_epoll_ctl, 5),
      load(offsetof(seccomp_data, args[1])),
      unless_equal(EPOLL_CTL_ADD, 3),
      load(offsetof(seccomp_data, args[2])),
      unless_equal(fd, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOMEM),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  };
  sock_fprog program{static_cast<uint16_t>(std::size(filter)), filter};
  ASSERT_EQ(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0) << std::strerror(errno);
  ASSERT_EQ(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program), 0) << std::strerror(errno);
}

void DropCapability(unsigned capability) {
  __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct data[2] = {};
  ASSERT_EQ(syscall(SYS_capget, &header, data), 0) << std::strerror(errno);
  data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
  ASSERT_EQ(syscall(SYS_capset, &header, data), 0) << std::strerror(errno);
}

}  // namespace sockhost
