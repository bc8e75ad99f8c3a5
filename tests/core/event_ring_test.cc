#include "sockhost/event_ring.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <memory>
#include <new>
#include <thread>
#include <utility>
#include <vector>

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

HostEvent Opened(SocketId id) {
  HostEvent event;
  event.socket.id = id;
  return event;
}

std::vector<SocketId> IdsOf(const EventRing::Batch& batch) {
  std::vector<SocketId> ids;
  for (const HostEvent& event : batch.events) ids.push_back(event.socket.id);
  return ids;
}

TEST(EventRingTest, IsEmptyAtFirst) {
  EventRing ring;
  const EventRing::Batch batch = ring.Read(1);
  EXPECT_THAT(batch.events, IsEmpty());
  EXPECT_EQ(batch.first, 1);
  EXPECT_EQ(batch.last, 0);
  EXPECT_EQ(ring.last(), 0);
}

TEST(EventRingTest, EventsAreNumberedFromOneInOrder) {
  EventRing ring;
  for (const SocketId id : {7, 8, 9}) ring.Add(Opened(id));
  const EventRing::Batch batch = ring.Read(2);
  EXPECT_THAT(IdsOf(batch), ElementsAre(8, 9));
  EXPECT_EQ(batch.events[0].sequence, 2);
  EXPECT_GT(batch.events[0].time_nanos, 0);
  EXPECT_LE(batch.events[0].time_nanos, batch.events[1].time_nanos);
  EXPECT_THAT(ring.Read(4).events, IsEmpty());
  EXPECT_EQ(ring.last(), 3);
}

TEST(EventRingTest, OldestAreForgotten) {
  EventRing ring;
  ring.SetCapacity(3);
  for (SocketId id = 1; id <= 5; ++id) ring.Add(Opened(id));
  EXPECT_THAT(ring.Read(2).events, IsEmpty());
  EXPECT_EQ(ring.Read(2).first, 3);
  EXPECT_EQ(ring.Read(2).last, 5);
  EXPECT_THAT(IdsOf(ring.Read(3)), ElementsAre(3, 4, 5));
}

HostEvent OfListener(std::shared_ptr<const ListenerConfig> config) {
  auto listener = std::make_shared<ListenerSnapshot>();
  listener->config = std::move(config);
  HostEvent event;
  event.kind = HostEventKind::kListenerStateChanged;
  event.listener = std::move(listener);
  return event;
}

std::shared_ptr<const ListenerConfig> ConfigOf(size_t bytes) {
  auto attachment = std::make_shared<ListenerAttachment>();
  attachment->bytes = bytes;
  auto config = std::make_shared<ListenerConfig>();
  config->attachment = std::move(attachment);
  return config;
}

constexpr size_t kMebibyte = size_t{1} << 20;
constexpr int64_t kMebibytes = EventRing::kLeastBytes / kMebibyte;

TEST(EventRingTest, LargeListenersPushTheOldestOut) {
  EventRing ring;
  std::vector<std::weak_ptr<const ListenerConfig>> configs;
  for (int64_t i = 0; i < 3 * kMebibytes; ++i) {
    const std::shared_ptr<const ListenerConfig> config = ConfigOf(kMebibyte);
    configs.push_back(config);
    ring.Add(Opened(i));
    ring.Add(OfListener(config));
  }
  EXPECT_EQ(ring.last(), 6 * kMebibytes);
  const int64_t kept =
      std::count_if(configs.begin(), configs.end(), [](const auto& one) { return !one.expired(); });
  // One less: there is more to each than its attachment.
  EXPECT_EQ(kept, kMebibytes - 1);
  EXPECT_TRUE(configs.front().expired());
  const int64_t first = ring.Read(1).first;
  EXPECT_EQ(first, ring.last() - 2 * kept + 1) << "the socket's event before the first listener's";
  EXPECT_THAT(ring.Read(first - 1).events, IsEmpty());
  EXPECT_EQ(ring.Read(first).events.at(1).listener->config, configs[configs.size() - kept].lock());
}

TEST(EventRingTest, LargestListenerIsKeptAlone) {
  EventRing ring;
  ring.Add(OfListener(ConfigOf(1)));
  ring.Add(OfListener(ConfigOf(2 * EventRing::kLeastBytes)));
  EXPECT_EQ(ring.Read(1).first, 2);
  EXPECT_THAT(ring.Read(2).events, SizeIs(1));
  ring.Add(OfListener(ConfigOf(1)));
  EXPECT_EQ(ring.Read(1).first, 3);
  ring.Add(OfListener(ConfigOf(1)));
  EXPECT_EQ(ring.Read(1).first, 3);
}

TEST(EventRingTest, SharedConfigurationCountsOnce) {
  EventRing ring;
  const std::shared_ptr<const ListenerConfig> large = ConfigOf(kMebibyte);
  const std::shared_ptr<const ListenerConfig> other = ConfigOf(kMebibyte);
  for (int64_t i = 0; i < 2 * kMebibytes; ++i) ring.Add(OfListener(i % 2 == 0 ? large : other));
  EXPECT_EQ(ring.Read(1).first, 1);
}

TEST(EventRingTest, SmallListenersAreKeptToTheCount) {
  EventRing ring;
  constexpr int64_t kCount = 20'000;
  static_assert(kCount * EventRing::kBytesPerEvent > EventRing::kLeastBytes);
  ring.SetCapacity(kCount);
  const size_t bytes =
      EventRing::kBytesPerEvent - sizeof(ListenerConfig) - sizeof(ListenerSnapshot);
  for (int64_t i = 0; i <= kCount; ++i) ring.Add(OfListener(ConfigOf(bytes)));
  EXPECT_EQ(ring.Read(1).first, 2);
}

TEST(EventRingTest, ChangeOfTheCapacityForgetsWhatIsTooMuch) {
  EventRing ring;
  ring.SetCapacity(4 * EventRing::kLeastBytes / EventRing::kBytesPerEvent);
  for (int64_t i = 0; i < 2 * kMebibytes; ++i) ring.Add(OfListener(ConfigOf(kMebibyte)));
  EXPECT_EQ(ring.Read(1).first, 1);
  ring.SetCapacity(EventRing::kDefaultCapacity);
  EXPECT_EQ(ring.Read(1).first, kMebibytes + 2);
  EXPECT_THAT(ring.Read(kMebibytes + 2).events, SizeIs(EventRing::kMostAtOnce));
}

TEST(EventRingTest, EventWithoutMemoryIsLostAndCounted) {
  EventRing ring;
  ring.Record([] { return Opened(7); });
  ring.Record([]() -> HostEvent { throw std::bad_alloc(); });
  ring.Record([] { return Opened(8); });
  EXPECT_THAT(IdsOf(ring.Read(1)), ElementsAre(7, 8));
  EXPECT_EQ(ring.last(), 2);
  EXPECT_EQ(ring.lost(), 1);
}

TEST(EventRingTest, ReadsInBatches) {
  EventRing ring;
  const SocketId count = static_cast<SocketId>(EventRing::kMostAtOnce) + 10;
  for (SocketId id = 1; id <= count; ++id) ring.Add(Opened(id));
  EXPECT_THAT(ring.Read(1).events, SizeIs(EventRing::kMostAtOnce));
  EXPECT_THAT(ring.Read(EventRing::kMostAtOnce + 1).events, SizeIs(10));
}

TEST(EventRingTest, CapacityCanChangeWhileThereAreEvents) {
  for (const size_t capacity : {1, 2, 5, 1000}) {
    EventRing ring;
    ring.SetCapacity(5);
    for (SocketId id = 1; id <= 7; ++id) ring.Add(Opened(id));
    ring.SetCapacity(capacity);
    const EventRing::Batch batch = ring.Read(7);
    EXPECT_THAT(IdsOf(batch), ElementsAre(7)) << capacity;
    ring.Add(Opened(8));
    EXPECT_EQ(ring.Read(8).events.at(0).socket.id, 8) << capacity;
  }
}

// Everything comes back as it was added, also behind places that others had before.
TEST(EventRingTest, EventsOfAllKindsComeBackWhole) {
  EventRing ring;
  ring.SetCapacity(5);
  for (int round = 0; round < 4; ++round) {
    HostEvent closed = Opened(round);
    closed.kind = HostEventKind::kSocketClosed;
    closed.time_nanos = 2000;
    closed.service = std::make_shared<const std::string>("echo");
    closed.socket.fd = 9;
    closed.socket.role = Role::kConnection;
    closed.socket.protocol = Protocol::kUnixStream;
    closed.socket.listener = std::make_shared<const std::string>("web");
    closed.socket.remote = SocketAddress::Parse("unix:@peer").value();
    closed.socket.create_time_nanos = 1000;
    closed.close_reason = CloseReason::kIdleTimeout;
    closed.counters[Counter::receive_bytes] = 7 + round;
    closed.counters[Counter::would_block] = round;
    HostEvent changed;
    changed.kind = HostEventKind::kListenerStateChanged;
    changed.service = closed.service;
    changed.listener = std::make_shared<const ListenerSnapshot>();
    ring.Add(closed);
    ring.Add(changed);
    ring.Add(Opened(round));

    const std::vector<HostEvent> events = ring.Read(ring.last() - 2).events;
    ASSERT_EQ(events.size(), 3);
    const HostEvent& first = events[0];
    EXPECT_EQ(first.kind, HostEventKind::kSocketClosed);
    EXPECT_EQ(first.time_nanos, 2000);
    EXPECT_EQ(first.service, closed.service);
    EXPECT_EQ(first.socket.id, round);
    EXPECT_EQ(first.socket.fd, 9);
    EXPECT_EQ(first.socket.role, Role::kConnection);
    EXPECT_EQ(first.socket.protocol, Protocol::kUnixStream);
    EXPECT_EQ(first.socket.listener, closed.socket.listener);
    EXPECT_EQ(first.socket.remote, closed.socket.remote);
    EXPECT_EQ(first.socket.create_time_nanos, 1000);
    EXPECT_EQ(first.close_reason, CloseReason::kIdleTimeout);
    EXPECT_EQ(first.counters, closed.counters);
    EXPECT_EQ(events[1].kind, HostEventKind::kListenerStateChanged);
    EXPECT_EQ(events[1].service, closed.service);
    EXPECT_EQ(events[1].listener, changed.listener);
    EXPECT_EQ(events[2].socket.id, round);
    EXPECT_EQ(events[2].socket.create_time_nanos, events[2].time_nanos);
    EXPECT_EQ(events[2].listener, nullptr);
    EXPECT_EQ(events[2].counters, CounterValues());
  }
}

// The names of the last event are looked at first for the next: also where they go with it.
TEST(EventRingTest, NamesTakeTurnsInTheSmallestRing) {
  EventRing ring;
  ring.SetCapacity(1);
  for (int round = 0; round < 6; ++round) {
    HostEvent event = Opened(round);
    event.service = std::make_shared<const std::string>(round % 2 == 0 ? "echo" : "discard");
    if (round % 3 != 0) event.socket.listener = std::make_shared<const std::string>("web");
    for (int times = 0; times < 2; ++times) {
      ring.Add(event);
      const EventRing::Batch batch = ring.Read(ring.last());
      ASSERT_THAT(batch.events, SizeIs(1));
      EXPECT_EQ(batch.events[0].service, event.service);
      EXPECT_EQ(batch.events[0].socket.listener, event.socket.listener);
    }
  }
}

TEST(EventRingTest, WhatAnEventHoldsIsFreedWithIt) {
  EventRing ring;
  ring.SetCapacity(2);
  HostEvent event = Opened(1);
  event.service = std::make_shared<const std::string>("echo");
  event.listener = std::make_shared<const ListenerSnapshot>();
  const std::weak_ptr<const std::string> service = event.service;
  const std::weak_ptr<const ListenerSnapshot> listener = event.listener;
  ring.Add(event);
  event = HostEvent();
  ring.Add(Opened(2));
  EXPECT_FALSE(service.expired());
  EXPECT_FALSE(listener.expired());
  ring.Add(Opened(3));
  EXPECT_TRUE(service.expired());
  EXPECT_TRUE(listener.expired());
}

// Readers see every event that is still kept, whole and in order.
TEST(EventRingTest, ReadersAndWritersAtOnce) {
  constexpr int kWriters = 3;
  constexpr SocketId kEach = 5000;
  EventRing ring;
  std::vector<std::thread> threads;
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&ring, writer] {
      for (SocketId i = 1; i <= kEach; ++i) ring.Add(Opened(writer * kEach + i));
    });
  }
  std::vector<SocketId> newest(kWriters, 0);
  int64_t next = 1;
  while (next <= kWriters * kEach) {
    for (const HostEvent& event : ring.Read(next).events) {
      ASSERT_EQ(event.sequence, next++);
      SocketId& of_writer = newest[static_cast<size_t>((event.socket.id - 1) / kEach)];
      ASSERT_GT(event.socket.id, of_writer);
      of_writer = event.socket.id;
    }
    std::this_thread::yield();
  }
  for (std::thread& thread : threads) thread.join();
}

}  // namespace
}  // namespace sockhost
