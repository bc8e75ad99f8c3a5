#include <zephyr/kernel.h>

#include <cerrno>
#include <thread>

#include "gtest/gtest.h"
#include "tests/compat/waiters.h"
#include "tests/core/eventually.h"

// Memory that cannot be had is no mistake of this program.
extern "C" const char* __asan_default_options() { return "allocator_may_return_null=1"; }
extern "C" const char* __tsan_default_options() { return "allocator_may_return_null=1"; }

namespace sockhost {
namespace {

using testing::Eq;

#define SHORT_WAIT K_MSEC(10)
#define LONG_WAIT K_SECONDS(30)

// What queues carry: the first word is theirs.
struct Item {
  void* reserved = nullptr;
  int number = 0;
};

// ---- FIFO and LIFO

TEST(FifoTest, FirstInFirstOut) {
  K_FIFO_DEFINE(fifo);
  Item one, two;
  EXPECT_TRUE(k_fifo_is_empty(&fifo));
  k_fifo_put(&fifo, &one);
  k_fifo_put(&fifo, &two);
  EXPECT_EQ(k_fifo_peek_head(&fifo), &one);
  EXPECT_EQ(k_fifo_peek_tail(&fifo), &two);
  EXPECT_EQ(k_fifo_get(&fifo, K_NO_WAIT), &one);
  EXPECT_EQ(k_fifo_get(&fifo, K_FOREVER), &two);
  EXPECT_EQ(k_fifo_get(&fifo, K_NO_WAIT), nullptr);
  EXPECT_EQ(k_fifo_get(&fifo, SHORT_WAIT), nullptr);
}

TEST(FifoTest, ItemGoesToTheThreadThatWaits) {
  K_FIFO_DEFINE(fifo);
  Item item;
  std::thread waiting([&] { EXPECT_EQ(k_fifo_get(&fifo, LONG_WAIT), &item); });
  EXPECT_TRUE(Becomes([&] { return Waiters(fifo._queue.wait_q); }, Eq(1u)));
  k_fifo_put(&fifo, &item);
  waiting.join();
  EXPECT_TRUE(k_fifo_is_empty(&fifo));
}

TEST(FifoTest, CancelledWaitReturnsNothing) {
  k_fifo fifo;
  k_fifo_init(&fifo);
  std::thread waiting([&] { EXPECT_EQ(k_fifo_get(&fifo, K_FOREVER), nullptr); });
  EXPECT_TRUE(Becomes([&] { return Waiters(fifo._queue.wait_q); }, Eq(1u)));
  k_fifo_cancel_wait(&fifo);
  waiting.join();
}

TEST(LifoTest, LastInFirstOut) {
  K_LIFO_DEFINE(lifo);
  Item one, two;
  k_lifo_put(&lifo, &one);
  k_lifo_put(&lifo, &two);
  EXPECT_EQ(k_lifo_get(&lifo, K_NO_WAIT), &two);
  EXPECT_EQ(k_lifo_get(&lifo, K_NO_WAIT), &one);
}

TEST(QueueTest, RemovesFromAnyPlace) {
  k_queue queue;
  k_queue_init(&queue);
  Item items[3];
  for (Item& item : items) k_queue_append(&queue, &item);
  EXPECT_TRUE(k_queue_remove(&queue, &items[2]));
  EXPECT_TRUE(k_queue_remove(&queue, &items[0]));
  EXPECT_FALSE(k_queue_remove(&queue, &items[0]));
  k_queue_append(&queue, &items[0]);
  EXPECT_EQ(k_queue_get(&queue, K_NO_WAIT), &items[1]);
  EXPECT_EQ(k_queue_get(&queue, K_NO_WAIT), &items[0]);
}

// ---- Message queue

K_MSGQ_DEFINE(two_numbers, sizeof(int), 2, alignof(int));

int Put(k_msgq* msgq, int number, k_timeout_t timeout) {
  return k_msgq_put(msgq, &number, timeout);
}

int Get(k_msgq* msgq, k_timeout_t timeout) {
  int number = 0;
  const int result = k_msgq_get(msgq, &number, timeout);
  return result == 0 ? number : result;
}

bool WriterWaits(const k_msgq& msgq) {
  const kernel::Guard guard(msgq.readers);
  return msgq.writers.first != nullptr;
}

TEST(MsgqTest, KeepsOrderUpToItsSize) {
  for (int round = 0; round < 3; ++round) {
    EXPECT_EQ(Put(&two_numbers, 1, K_NO_WAIT), 0);
    EXPECT_EQ(Put(&two_numbers, 2, K_NO_WAIT), 0);
    EXPECT_EQ(Put(&two_numbers, 3, K_NO_WAIT), -ENOMSG);
    EXPECT_EQ(Put(&two_numbers, 3, SHORT_WAIT), -EAGAIN);
    EXPECT_EQ(k_msgq_num_free_get(&two_numbers), 0u);
    int first = 0;
    EXPECT_EQ(k_msgq_peek(&two_numbers, &first), 0);
    EXPECT_EQ(first, 1);
    EXPECT_EQ(Get(&two_numbers, K_NO_WAIT), 1);
    EXPECT_EQ(Put(&two_numbers, 3, K_NO_WAIT), 0);
    EXPECT_EQ(Get(&two_numbers, K_NO_WAIT), 2);
    EXPECT_EQ(Get(&two_numbers, K_NO_WAIT), 3);
    EXPECT_EQ(Get(&two_numbers, K_NO_WAIT), -ENOMSG);
    EXPECT_EQ(Get(&two_numbers, SHORT_WAIT), -EAGAIN);
    EXPECT_EQ(k_msgq_peek(&two_numbers, &first), -ENOMSG);
  }
}

TEST(MsgqTest, WriterWaitsForRoomAndReaderForMessages) {
  k_msgq msgq;
  ASSERT_EQ(k_msgq_alloc_init(&msgq, sizeof(int), 1), 0);
  std::thread reader([&] { EXPECT_EQ(Get(&msgq, LONG_WAIT), 1); });
  EXPECT_TRUE(Becomes([&] { return Waiters(msgq.readers); }, Eq(1u)));
  EXPECT_EQ(k_msgq_cleanup(&msgq), -EBUSY);
  EXPECT_EQ(Put(&msgq, 1, K_NO_WAIT), 0);
  reader.join();

  EXPECT_EQ(Put(&msgq, 2, K_NO_WAIT), 0);
  std::thread writer([&] { EXPECT_EQ(Put(&msgq, 3, LONG_WAIT), 0); });
  EXPECT_TRUE(Becomes([&] { return WriterWaits(msgq); }, Eq(true)));
  EXPECT_EQ(Get(&msgq, K_NO_WAIT), 2);
  writer.join();
  EXPECT_EQ(Get(&msgq, K_NO_WAIT), 3);
  EXPECT_EQ(k_msgq_cleanup(&msgq), 0);
}

TEST(MsgqTest, MemoryThatCannotBeHadIsEnomem) {
  k_msgq msgq;
  EXPECT_EQ(k_msgq_alloc_init(&msgq, SIZE_MAX / 2, 4), -ENOMEM);
}

TEST(MsgqTest, PurgeFailsWriters) {
  char buffer[sizeof(int)];
  k_msgq msgq;
  k_msgq_init(&msgq, buffer, sizeof(int), 1);
  EXPECT_EQ(Put(&msgq, 1, K_NO_WAIT), 0);
  std::thread writer([&] { EXPECT_EQ(Put(&msgq, 2, LONG_WAIT), -ENOMSG); });
  EXPECT_TRUE(Becomes([&] { return WriterWaits(msgq); }, Eq(true)));
  k_msgq_purge(&msgq);
  writer.join();
  EXPECT_EQ(k_msgq_num_used_get(&msgq), 0u);
}

// ---- Events

TEST(EventTest, WaitReturnsWhatIsSet) {
  K_EVENT_DEFINE(event);
  EXPECT_EQ(k_event_wait(&event, 0x3, false, K_NO_WAIT), 0u);
  EXPECT_EQ(k_event_wait(&event, 0x3, false, SHORT_WAIT), 0u);
  EXPECT_EQ(k_event_post(&event, 0x1), 0u);
  EXPECT_EQ(k_event_wait(&event, 0x3, false, K_NO_WAIT), 0x1u);
  EXPECT_EQ(k_event_wait_all(&event, 0x3, false, K_NO_WAIT), 0u);
  EXPECT_EQ(k_event_post(&event, 0x3), 0x1u);
  EXPECT_EQ(k_event_wait_all(&event, 0x3, false, K_NO_WAIT), 0x3u);
  EXPECT_EQ(k_event_wait(&event, 0x3, /*reset=*/true, K_NO_WAIT), 0u);
}

TEST(EventTest, NobodyWaitsForNoEvents) {
  K_EVENT_DEFINE(event);
  k_event_set(&event, 0x1);
  EXPECT_EQ(k_event_wait(&event, 0, /*reset=*/true, K_NO_WAIT), 0u);
  EXPECT_EQ(k_event_test(&event, 0x1), 0x1u);
  EXPECT_EQ(k_event_wait_all(&event, 0, false, K_FOREVER), 0u);
}

TEST(EventTest, SetReplacesAndClearClears) {
  k_event event;
  k_event_init(&event);
  k_event_set(&event, 0xf);
  k_event_set(&event, 0x6);
  EXPECT_EQ(k_event_test(&event, UINT32_MAX), 0x6u);
  EXPECT_EQ(k_event_set_masked(&event, 0x1, 0x3), 0x2u);
  EXPECT_EQ(k_event_test(&event, UINT32_MAX), 0x5u);
  EXPECT_EQ(k_event_clear(&event, 0x4), 0x4u);
  EXPECT_EQ(k_event_test(&event, UINT32_MAX), 0x1u);
}

TEST(EventTest, SafeWaitTakesWhatItReturns) {
  K_EVENT_DEFINE(event);
  k_event_post(&event, 0x3);
  EXPECT_EQ(k_event_wait_safe(&event, 0x1, false, K_NO_WAIT), 0x1u);
  EXPECT_EQ(k_event_test(&event, UINT32_MAX), 0x2u);
}

TEST(EventTest, PostWakesEveryThreadThatItSatisfies) {
  K_EVENT_DEFINE(event);
  std::thread any([&] { EXPECT_EQ(k_event_wait(&event, 0x3, false, LONG_WAIT), 0x1u); });
  std::thread takes([&] { EXPECT_EQ(k_event_wait_safe(&event, 0x1, false, LONG_WAIT), 0x1u); });
  std::thread all([&] { EXPECT_EQ(k_event_wait_all(&event, 0x6, false, LONG_WAIT), 0x6u); });
  EXPECT_TRUE(Becomes([&] { return Waiters(event.wait_q); }, Eq(3u)));
  k_event_post(&event, 0x1);
  any.join();
  takes.join();
  EXPECT_EQ(k_event_test(&event, UINT32_MAX), 0u) << "taken";
  k_event_post(&event, 0x2);
  EXPECT_EQ(Waiters(event.wait_q), 1u);
  k_event_post(&event, 0x4);
  all.join();
}

// ---- Memory slab

K_MEM_SLAB_DEFINE_STATIC(two_blocks, 5, 2, 4);

TEST(MemSlabTest, GivesEachBlockOnce) {
  void* blocks[3];
  EXPECT_EQ(k_mem_slab_alloc(&two_blocks, &blocks[0], K_NO_WAIT), 0);
  EXPECT_EQ(k_mem_slab_alloc(&two_blocks, &blocks[1], K_FOREVER), 0);
  EXPECT_NE(blocks[0], blocks[1]);
  EXPECT_TRUE(IS_ALIGNED(blocks[1], sizeof(void*)));
  EXPECT_EQ(k_mem_slab_alloc(&two_blocks, &blocks[2], K_NO_WAIT), -ENOMEM);
  EXPECT_EQ(blocks[2], nullptr);
  EXPECT_EQ(k_mem_slab_alloc(&two_blocks, &blocks[2], SHORT_WAIT), -EAGAIN);
  EXPECT_EQ(k_mem_slab_num_used_get(&two_blocks), 2u);
  k_mem_slab_free(&two_blocks, blocks[0]);
  EXPECT_EQ(k_mem_slab_num_free_get(&two_blocks), 1u);
  EXPECT_EQ(k_mem_slab_alloc(&two_blocks, &blocks[2], K_NO_WAIT), 0);
  EXPECT_EQ(blocks[2], blocks[0]);
}

TEST(MemSlabTest, FreedBlockGoesToTheThreadThatWaits) {
  alignas(void*) char buffer[sizeof(void*)];
  k_mem_slab slab;
  EXPECT_EQ(k_mem_slab_init(&slab, buffer, 3, 1), -EINVAL);
  EXPECT_EQ(k_mem_slab_init(&slab, buffer, 0, 1), -EINVAL);
  EXPECT_EQ(k_mem_slab_init(&slab, buffer + 1, sizeof(buffer), 1), -EINVAL);
  ASSERT_EQ(k_mem_slab_init(&slab, buffer, sizeof(buffer), 1), 0);
  void* block = nullptr;
  ASSERT_EQ(k_mem_slab_alloc(&slab, &block, K_NO_WAIT), 0);
  std::thread waiting([&] {
    void* given = nullptr;
    EXPECT_EQ(k_mem_slab_alloc(&slab, &given, LONG_WAIT), 0);
    EXPECT_EQ(given, buffer);
  });
  EXPECT_TRUE(Becomes([&] { return Waiters(slab.wait_q); }, Eq(1u)));
  k_mem_slab_free(&slab, block);
  waiting.join();
  EXPECT_EQ(k_mem_slab_num_used_get(&slab), 1u);
}

// ---- Heap

TEST(HeapTest, AlignedBlockHasAnySizeAndAlignment) {
  for (const size_t align : {size_t{0}, size_t{1}, size_t{16}, size_t{4096}}) {
    void* const block = k_aligned_alloc(align, 3);
    ASSERT_NE(block, nullptr);
    EXPECT_TRUE(align == 0 || IS_ALIGNED(block, align));
    k_free(block);
  }
}

TEST(HeapTest, AlignedBlockOfAllMemoryIsRefused) {
  const volatile size_t size = SIZE_MAX;
  EXPECT_EQ(k_aligned_alloc(16, size), nullptr);
}

}  // namespace
}  // namespace sockhost
