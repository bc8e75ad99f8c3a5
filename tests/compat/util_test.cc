#include <zephyr/random/random.h>
#include <zephyr/sys/atomic.h>
#include <zephyr/sys/byteorder.h>
#include <zephyr/sys/clock.h>
#include <zephyr/zvfs/eventfd.h>

#include <cerrno>
#include <set>
#include <thread>

#include "gtest/gtest.h"
#include "service_core/unique_fd.h"
#include "tests/compat/util_checks.h"
#include "tests/core/process_limits.h"

extern "C" bool util_is_right_in_c(void);

namespace {

TEST(UtilTest, IsRightInBothLanguages) {
  EXPECT_TRUE(util_is_right());
  EXPECT_TRUE(util_is_right_in_c());
}

TEST(ByteOrderTest, StoresTheOrderAskedFor) {
  uint8_t bytes[9] = {};
  sys_put_be32(0x01020304, bytes + 1);
  EXPECT_EQ(bytes[1], 1);
  EXPECT_EQ(sys_get_be32(bytes + 1), 0x01020304u);
  EXPECT_EQ(sys_get_le32(bytes + 1), 0x04030201u);
  EXPECT_EQ(sys_get_be16(bytes + 1), 0x0102u);
  EXPECT_EQ(sys_get_be24(bytes + 1), 0x010203u);
  EXPECT_EQ(sys_get_le24(bytes + 1), 0x030201u);
  sys_put_le64(0x0102030405060708, bytes + 1);
  EXPECT_EQ(bytes[1], 8);
  EXPECT_EQ(sys_get_le64(bytes + 1), 0x0102030405060708u);
  uint8_t swapped[2];
  sys_memcpy_swap(swapped, bytes + 1, 2);
  EXPECT_EQ(swapped[0], 7);
  EXPECT_EQ(swapped[1], 8);
}

TEST(AtomicTest, ReturnsTheValueFromBefore) {
  atomic_t value = ATOMIC_INIT(5);
  EXPECT_EQ(atomic_inc(&value), 5);
  EXPECT_EQ(atomic_sub(&value, 2), 6);
  EXPECT_EQ(atomic_or(&value, 0x10), 4);
  EXPECT_EQ(atomic_and(&value, 0x10), 0x14);
  EXPECT_FALSE(atomic_cas(&value, 1, 2));
  EXPECT_TRUE(atomic_cas(&value, 0x10, 2));
  EXPECT_EQ(atomic_clear(&value), 2);
  EXPECT_EQ(atomic_get(&value), 0);
}

TEST(AtomicTest, BitsOfArrays) {
  ATOMIC_DEFINE(bits, 100) = {};
  EXPECT_FALSE(atomic_test_and_set_bit(bits, 99));
  EXPECT_TRUE(atomic_test_bit(bits, 99));
  EXPECT_FALSE(atomic_test_bit(bits, 98));
  EXPECT_TRUE(atomic_test_and_clear_bit(bits, 99));
  atomic_set_bit_to(bits, 63, true);
  EXPECT_TRUE(atomic_test_bit(bits, 63));
  atomic_clear_bit(bits, 63);
  EXPECT_FALSE(atomic_test_bit(bits, 63));
}

TEST(RandomTest, NumbersDiffer) {
  std::set<uint64_t> seen;
  for (int i = 0; i < 100; ++i) seen.insert(sys_rand64_get());
  EXPECT_EQ(seen.size(), 100u);
  uint8_t bytes[1000] = {};
  sys_rand_get(bytes, sizeof(bytes));
  EXPECT_GT((std::set<uint8_t>(bytes, bytes + sizeof(bytes)).size()), 100u);
}

TEST(ClockTest, TellsTheTime) {
  timespec now = {};
  EXPECT_EQ(sys_clock_gettime(SYS_CLOCK_REALTIME, &now), 0);
  EXPECT_GT(now.tv_sec, 1'600'000'000);
  EXPECT_EQ(sys_clock_gettime(4711, &now), -EINVAL);
}

TEST(ClockTest, IsSetByThoseWhoMayOnly) {
  timespec time = {};
  EXPECT_EQ(sys_clock_settime(SYS_CLOCK_MONOTONIC, &time), -EINVAL);
  std::thread([&time] {
    sockhost::DropCapability(CAP_SYS_TIME);
    ASSERT_FALSE(testing::Test::HasFailure()) << "the clock would be set";
    EXPECT_EQ(sys_clock_gettime(SYS_CLOCK_REALTIME, &time), 0);
    EXPECT_EQ(sys_clock_settime(SYS_CLOCK_REALTIME, &time), -EPERM);
  }).join();
}

TEST(EventFdTest, FailsAsTheSystemCall) {
  EXPECT_EQ(zvfs_eventfd(0, 0x40000000), -1);
  EXPECT_EQ(errno, EINVAL);
  const sockhost::UniqueFd fd(zvfs_eventfd(1, ZVFS_EFD_NONBLOCK));
  ASSERT_TRUE(fd.valid());
  zvfs_eventfd_t value = 0;
  EXPECT_EQ(zvfs_eventfd_read(fd.get(), &value), 0);
  EXPECT_EQ(value, 1u);
  EXPECT_EQ(zvfs_eventfd_read(fd.get(), &value), -1);
  EXPECT_EQ(errno, EAGAIN);
  EXPECT_EQ(zvfs_eventfd_write(fd.get(), UINT64_MAX), -1);
  EXPECT_EQ(errno, EINVAL);
}

}  // namespace
