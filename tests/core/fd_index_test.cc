#include "service_core/fd_index.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <thread>
#include <vector>

namespace sockhost {
namespace {

TEST(FdIndexTest, NumbersWithoutRoomStandForNothing) {
  const FdIndex index;
  for (const int fd : {-1, 0, 1023, 1024, FdIndex::kHighest, FdIndex::kHighest + 1}) {
    EXPECT_EQ(index.Get(fd), 0u) << fd;
  }
}

TEST(FdIndexTest, EachNumberHasAnEntryOfItsOwn) {
  FdIndex index;
  const int fds[] = {0, 1, 1023, 1024, 70'000, FdIndex::kHighest};
  for (const int fd : fds) ASSERT_TRUE(index.MakeRoom(fd));
  for (const int fd : fds) index.Set(fd, static_cast<uint32_t>(fd) + 1);
  for (const int fd : fds) EXPECT_EQ(index.Get(fd), static_cast<uint32_t>(fd) + 1);
  EXPECT_EQ(index.Get(2), 0u);
  index.Set(1023, 0);
  EXPECT_EQ(index.Get(1023), 0u);
  EXPECT_EQ(index.Get(1024), 1025u);
}

TEST(FdIndexTest, RoomThatIsMadeAgainKeepsItsEntries) {
  FdIndex index;
  ASSERT_TRUE(index.MakeRoom(5));
  index.Set(5, 42);
  ASSERT_TRUE(index.MakeRoom(6));
  EXPECT_EQ(index.Get(5), 42u);
}

TEST(FdIndexTest, RefusesNumbersThatAreTooHigh) {
  FdIndex index;
  EXPECT_FALSE(index.MakeRoom(-1));
  EXPECT_FALSE(index.MakeRoom(FdIndex::kHighest + 1));
}

TEST(FdIndexTest, ReaderSeesWhatWasDoneBeforeAnEntryWasSet) {
  constexpr int kEntries = 20'000;
  FdIndex index;
  std::vector<int> values(kEntries, 0);
  std::thread reader([&] {
    for (int fd = 0; fd < kEntries; ++fd) {
      while (index.Get(fd) == 0) std::this_thread::yield();
      ASSERT_EQ(values[static_cast<size_t>(fd)], fd + 1);
    }
  });
  for (int fd = 0; fd < kEntries; ++fd) {
    values[static_cast<size_t>(fd)] = fd + 1;
    ASSERT_TRUE(index.MakeRoom(fd));
    index.Set(fd, 1);
  }
  reader.join();
}

}  // namespace
}  // namespace sockhost
