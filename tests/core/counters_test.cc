#include "sockhost/counters.h"

#include <gmock/gmock.h>

#include <atomic>
#include <cerrno>
#include <fstream>
#include <set>
#include <sstream>
#include <string>
#include <thread>
#include <vector>

namespace sockhost {
namespace {

using testing::Each;
using testing::Ge;

std::vector<Counter> AllCounters() {
  std::vector<Counter> all;
  for (size_t i = 0; i < kCounters; ++i) all.push_back(static_cast<Counter>(i));
  return all;
}

// Names of the int64 fields of a .proto file.
std::set<std::string> IntegerFields(const std::string& path) {
  std::ifstream file(path);
  std::set<std::string> names;
  for (std::string line; std::getline(file, line);) {
    std::istringstream words(line);
    std::string type;
    std::string name;
    if (words >> type >> name && type == "int64") names.insert(name);
  }
  return names;
}

TEST(CountersTest, NamesAreTheFieldsOfTheContract) {
  std::set<std::string> names;
  for (const Counter counter : AllCounters()) names.emplace(CounterName(counter));
  // Sent as Timestamps.
  EXPECT_EQ(names.erase("last_event_time"), 1u);
  EXPECT_EQ(names.erase("last_receive_time"), 1u);
  EXPECT_EQ(names.erase("last_transmit_time"), 1u);
  EXPECT_EQ(names, IntegerFields(SOCKHOST_SOURCE_DIR "/proto/sockhost/v1/counters.proto"));
}

TEST(CountersTest, FreshBlockIsZero) {
  const CounterBlock block;
  EXPECT_EQ(block.Read(), CounterValues());
  for (const Counter counter : AllCounters()) EXPECT_EQ(block.Get(counter), 0);
}

TEST(CountersTest, EachCounterIsACellOfItsOwn) {
  CounterBlock block;
  for (const Counter counter : AllCounters()) block.Add(counter, static_cast<int>(counter) + 1);
  const CounterValues values = block.Read();
  for (const Counter counter : AllCounters()) {
    EXPECT_EQ(values[counter], static_cast<int>(counter) + 1) << CounterName(counter);
    EXPECT_EQ(block.Get(counter), static_cast<int>(counter) + 1) << CounterName(counter);
  }
}

TEST(CountersTest, AddSums) {
  CounterBlock block;
  block.Add(Counter::handler_calls);
  block.Add(Counter::handler_calls, 41);
  block.Add(Counter::active_connections, 5);
  block.Add(Counter::active_connections, -2);
  EXPECT_EQ(block.Get(Counter::handler_calls), 42);
  EXPECT_EQ(block.Get(Counter::active_connections), 3);
}

TEST(CountersTest, MaxKeepsTheLargest) {
  CounterBlock block;
  block.Max(Counter::max_handler_time_nanos, 7);
  block.Max(Counter::max_handler_time_nanos, 3);
  EXPECT_EQ(block.Get(Counter::max_handler_time_nanos), 7);
  block.Max(Counter::max_active_connections, 2);
  block.Max(Counter::max_active_connections, 9);
  EXPECT_EQ(block.Get(Counter::max_active_connections), 9);
}

TEST(CountersTest, SetReplaces) {
  CounterBlock block;
  block.Set(Counter::last_event_time, 100);
  block.Set(Counter::last_event_time, 50);
  EXPECT_EQ(block.Get(Counter::last_event_time), 50);
}

TEST(CountersTest, ErrorsAreCountedByErrnoAndTheRestTogether) {
  CounterBlock block;
  constexpr int kFirst = 100;
  for (int i = 0; i < static_cast<int>(kErrorCells) + 3; ++i) block.AddError(kFirst + i);
  block.AddError(kFirst + 2);
  const CounterValues values = block.Read();
  for (int i = 0; i < static_cast<int>(kErrorCells); ++i) {
    const ErrorCount& error = values.errors()[static_cast<size_t>(i)];
    EXPECT_EQ(error.error_number, kFirst + i);
    EXPECT_EQ(error.count, i == 2 ? 2 : 1);
  }
  EXPECT_EQ(values.errors()[kErrorCells], (ErrorCount{0, 3}));
}

TEST(CountersTest, ValuesOfCopiesAreTheirOwn) {
  CounterBlock block;
  block.Add(Counter::masked, 2);
  const CounterValues original = block.Read();
  CounterValues copy = original;
  EXPECT_EQ(copy, original);
  ++copy[Counter::masked];
  copy.mutable_errors()[0] = {EPIPE, 1};
  EXPECT_EQ(copy[Counter::masked], 3);
  EXPECT_EQ(original[Counter::masked], 2);
  EXPECT_EQ(original.errors()[0], ErrorCount{});
  EXPECT_NE(copy, original);
}

TEST(CountersTest, ValuesThatWereNeverCountedAreZero) {
  CounterValues zeros;
  zeros[Counter::masked] = 0;
  EXPECT_EQ(zeros, CounterValues());
  EXPECT_EQ(CounterValues()[Counter::masked], 0);
  EXPECT_TRUE(CounterValues().errors().empty());
}

TEST(CountersTest, ClearStartsAtZeroAgain) {
  CounterBlock block;
  block.AddError(ECONNRESET);
  for (const Counter counter : AllCounters()) block.Add(counter, 3);
  block.AddReceivedFromAnyThread(10, 1);
  block.AddTransmittedFromAnyThread(20, 2);
  block.Clear();
  EXPECT_EQ(block.Read(), CounterValues());
  block.Add(Counter::masked);
  EXPECT_EQ(block.Get(Counter::masked), 1);
}

TEST(CountersTest, TrafficOfOtherThreadsIsAdded) {
  CounterBlock block;
  block.Add(Counter::receive_bytes, 1);
  block.Add(Counter::receive_messages, 2);
  block.Add(Counter::transmit_bytes, 3);
  block.Add(Counter::transmit_messages, 4);
  block.AddReceivedFromAnyThread(100, 200);
  block.AddTransmittedFromAnyThread(300, 400);
  const CounterValues values = block.Read();
  EXPECT_EQ(values[Counter::receive_bytes], 101);
  EXPECT_EQ(values[Counter::receive_messages], 202);
  EXPECT_EQ(values[Counter::transmit_bytes], 303);
  EXPECT_EQ(values[Counter::transmit_messages], 404);
}

TEST(CountersTest, NothingIsLostBetweenThreads) {
  constexpr int kThreads = 4;
  constexpr int kRounds = 20'000;
  CounterBlock block;
  std::atomic<bool> go{false};
  std::vector<std::thread> others;
  for (int i = 0; i < kThreads; ++i) {
    others.emplace_back([&] {
      while (!go) std::this_thread::yield();
      for (int round = 0; round < kRounds; ++round) {
        block.AddReceivedFromAnyThread(3, 1);
        block.AddTransmittedFromAnyThread(5, 1);
      }
    });
  }
  go = true;
  // This thread is the service thread.
  for (int round = 0; round < kRounds; ++round) {
    block.Add(Counter::receive_bytes, 2);
    block.Add(Counter::spurious_events);
    block.Add(Counter::would_block);
  }
  for (std::thread& thread : others) thread.join();
  const CounterValues values = block.Read();
  EXPECT_EQ(values[Counter::receive_bytes], kRounds * (2 + kThreads * 3));
  EXPECT_EQ(values[Counter::receive_messages], kRounds * kThreads);
  EXPECT_EQ(values[Counter::transmit_bytes], kRounds * kThreads * 5);
  EXPECT_EQ(values[Counter::transmit_messages], kRounds * kThreads);
  EXPECT_EQ(values[Counter::spurious_events], kRounds);
  EXPECT_EQ(values[Counter::would_block], kRounds);
}

// The few counters move to the rare ones when another thread needs those: in a new block each
// time, so that the two meet.
TEST(CountersTest, FewAreNotLostWhenAnotherThreadMovesThem) {
  constexpr int kBlocks = 2000;
  constexpr int kRounds = 20;
  std::vector<CounterBlock> blocks(kBlocks);
  std::atomic<int> current{-1};
  std::thread other([&] {
    for (int i = 0; i < kBlocks; ++i) {
      while (current < i) std::this_thread::yield();
      blocks[static_cast<size_t>(i)].AddReceivedFromAnyThread(1, 1);
    }
  });
  for (int i = 0; i < kBlocks; ++i) {
    current = i;
    for (int round = 0; round < kRounds; ++round) {
      blocks[static_cast<size_t>(i)].Add(Counter::would_block);
    }
  }
  other.join();
  for (const CounterBlock& block : blocks) {
    const CounterValues values = block.Read();
    ASSERT_EQ(values[Counter::would_block], kRounds);
    ASSERT_EQ(values[Counter::receive_messages], 1);
  }
}

TEST(CountersTest, FewNeedNoMemoryUntilTheyAreMany) {
  CounterBlock block;
  block.Add(Counter::poll_hup_events);
  block.Add(Counter::would_block, FewCounts::kMost);
  block.Add(Counter::poll_out_events, 7);
  EXPECT_FALSE(block.has_rare());
  EXPECT_FALSE(block.Read().has_rare());
  EXPECT_EQ(block.Read()[Counter::poll_hup_events], 1);
  EXPECT_EQ(block.Read()[Counter::would_block], FewCounts::kMost);
  EXPECT_EQ(block.Read()[Counter::poll_out_events], 7);
  block.Add(Counter::would_block);
  EXPECT_TRUE(block.has_rare());
  EXPECT_EQ(block.Read()[Counter::poll_hup_events], 1);
  EXPECT_EQ(block.Read()[Counter::would_block], FewCounts::kMost + 1);
  EXPECT_EQ(block.Get(Counter::poll_out_events), 7);
}

TEST(CountersTest, ValuesOfFewAreKeptWhenRareOnesAreWritten) {
  CounterBlock block;
  block.Add(Counter::would_block, 5);
  CounterValues values = block.Read();
  const CounterValues before = values;
  EXPECT_EQ(values, before);
  values[Counter::masked] = 1;
  EXPECT_EQ(values[Counter::would_block], 5);
  EXPECT_NE(values, before);
  values[Counter::masked] = 0;
  EXPECT_EQ(values, before);
}

TEST(CountersTest, ReadingIntoValuesReplacesAllOfThem) {
  CounterBlock rare;
  rare.Add(Counter::masked, 2);
  rare.AddError(EPIPE);
  CounterBlock few;
  few.Add(Counter::poll_out_events, 3);
  CounterValues values;
  rare.ReadInto(values);
  const CounterValues shared = values;
  few.ReadInto(values);
  EXPECT_EQ(values, few.Read());
  EXPECT_EQ(shared, rare.Read());
  rare.Add(Counter::masked);
  rare.ReadInto(values);
  rare.ReadInto(values);
  EXPECT_EQ(values[Counter::masked], 3);
  EXPECT_EQ(shared[Counter::masked], 2);
}

TEST(CountersTest, SumsNeverShrinkForAReader) {
  constexpr int kRounds = 20'000;
  CounterBlock block;
  std::atomic<bool> done{false};
  std::vector<int64_t> steps;
  std::thread reader([&] {
    int64_t before = 0;
    while (!done) {
      const int64_t now = block.Read()[Counter::transmit_bytes];
      steps.push_back(now - before);
      before = now;
    }
  });
  for (int round = 0; round < kRounds; ++round) {
    block.Add(Counter::transmit_bytes, 7);
    block.AddTransmittedFromAnyThread(1, 1);
  }
  done = true;
  reader.join();
  EXPECT_THAT(steps, Each(Ge(0)));
  EXPECT_EQ(block.Read()[Counter::transmit_bytes], kRounds * 8);
}

}  // namespace
}  // namespace sockhost
