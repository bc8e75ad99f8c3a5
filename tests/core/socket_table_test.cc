#include "service_core/socket_table.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <netinet/in.h>

#include <algorithm>
#include <cerrno>
#include <functional>
#include <iterator>
#include <map>
#include <set>
#include <thread>
#include <utility>
#include <vector>

#include "tests/core/log_lines.h"
#include "tests/core/process_limits.h"
#include "tests/core/sockets.h"
#include "tests/core/table_fixture.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class SocketTableTest : public TableFixture {
 protected:
  SocketSlot& SlotOf(SocketId id) {
    SocketSlot* slot = table_.SlotOfId(id);
    EXPECT_NE(slot, nullptr) << "socket " << id;
    return *slot;
  }

  std::vector<SocketId> AllIds() const {
    std::vector<SocketId> ids;
    table_.ForEach([&ids](SocketSnapshot&& snapshot) { ids.push_back(snapshot.id); });
    return ids;
  }

  // Lets another open file have the number of `fd`, whose file is closed.
  static void ReuseNumber(UniqueFd& fd, UniqueFd other) {
    ASSERT_EQ(dup3(other.get(), fd.get(), O_CLOEXEC), fd.get());
  }
};

// ---- Adding -----------------------------------------------------------------

TEST_F(SocketTableTest, AddedSocketIsReported) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.get());
  const std::vector<RegistrationKey> keys = BeginTurn();
  ASSERT_EQ(keys.size(), 1u);
  const SocketSlot* slot = table_.Lookup(keys[0]);
  ASSERT_NE(slot, nullptr);
  EXPECT_EQ(slot->id, id);
  EXPECT_EQ(slot->fd, fd.get());
  EXPECT_EQ(slot->service, service.get());
}

TEST_F(SocketTableTest, IdsCountUpAndAreNeverReused) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  for (SocketId expected = 1; expected <= 5; ++expected) {
    EXPECT_EQ(Add(*service, fd.get()), expected);
    EXPECT_TRUE(table_.Remove(expected, Fate::kLeaveOpen));
    table_.Reap();
  }
}

TEST_F(SocketTableTest, SocketsBeyondOneChunkAreAllReported) {
  const auto service = NewService();
  std::vector<UniqueFd> fds;
  std::vector<int> numbers;
  for (int i = 0; i < 1000; ++i) {
    fds.push_back(EventFd(true));
    numbers.push_back(fds.back().get());
    Add(*service, fds.back().get());
  }
  EXPECT_THAT(ReadyFds(), testing::UnorderedElementsAreArray(numbers));
  EXPECT_EQ(table_.size(), 1000u);
}

TEST_F(SocketTableTest, FailedAddLeavesNothingBehind) {
  const auto service = NewService();
  const UniqueFd file = RegularFile();
  for (const auto& [fd, error] : {std::pair(ClosedFd(), -EBADF), std::pair(file.get(), -EPERM)}) {
    SocketSpec spec;
    spec.fd = fd;
    spec.service = service.get();
    SocketId id = 77;
    EXPECT_EQ(table_.Add(spec, &id), error);
    EXPECT_EQ(id, 77);
  }
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_THAT(AllIds(), IsEmpty());
  EXPECT_EQ(table_.CountSockets(*service), std::pair(0, 0));
  const UniqueFd good = EventFd(true);
  EXPECT_EQ(Add(*service, good.get()), 1);
  EXPECT_THAT(ReadyFds(), ElementsAre(good.get()));
}

TEST_F(SocketTableTest, LimitIsRefusedUntilASocketGoes) {
  const auto service = NewService();
  table_.SetLimit(2);
  EXPECT_EQ(table_.max_sockets(), 2u);
  const UniqueFd first = EventFd(false);
  const UniqueFd second = EventFd(false);
  const UniqueFd third = EventFd(false);
  const SocketId id = Add(*service, first.get());
  Add(*service, second.get());
  SocketSpec spec;
  spec.fd = third.get();
  spec.service = service.get();
  SocketId unused;
  EXPECT_EQ(table_.Add(spec, &unused), -ENOSPC);
  EXPECT_TRUE(table_.Remove(id, Fate::kLeaveOpen));
  EXPECT_EQ(table_.Add(spec, &unused), 0);
}

TEST_F(SocketTableTest, SocketsOfAServiceAreCountedByKind) {
  const auto service = NewService();
  const auto other = NewService();
  const auto listener = NewListener(service);
  const UniqueFd registered = EventFd(false);
  UniqueFd owned = EventFd(false);
  ASSERT_EQ(Replace(*service, {registered.get()}), 0);
  Add(*service, owned.release(), Role::kDatagram, listener.get());
  EXPECT_EQ(table_.CountSockets(*service), std::pair(1, 2));
  EXPECT_EQ(table_.CountSockets(*other), std::pair(0, 0));
  table_.RemoveListener(*listener, true, {});
  EXPECT_EQ(table_.CountSockets(*service), std::pair(1, 1));
  table_.RemoveSet(*service, Fate::kLeaveOpen, {});
  EXPECT_EQ(table_.CountSockets(*service), std::pair(0, 0));
}

// ---- Removing ---------------------------------------------------------------

TEST_F(SocketTableTest, RemovedSocketIsNotReported) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  EXPECT_TRUE(table_.Remove(Add(*service, fd.get()), Fate::kLeaveOpen));
  EXPECT_THAT(ReadyFds(), IsEmpty());
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_TRUE(IsOpen(fd.get()));
}

TEST_F(SocketTableTest, EventAfterRemoveIsDropped) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.get());
  const std::vector<RegistrationKey> keys = BeginTurn();
  ASSERT_EQ(keys.size(), 1u);
  table_.Remove(id, Fate::kLeaveOpen);
  EXPECT_EQ(table_.Lookup(keys[0]), nullptr);
}

TEST_F(SocketTableTest, EventAfterRemoveIsNotForTheNextSocketOfTheSlot) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.get());
  const std::vector<RegistrationKey> old_keys = BeginTurn();
  ASSERT_EQ(old_keys.size(), 1u);
  table_.Remove(id, Fate::kLeaveOpen);
  table_.Reap();
  Add(*service, fd.get());
  const std::vector<RegistrationKey> new_keys = BeginTurn();
  ASSERT_EQ(new_keys.size(), 1u);
  ASSERT_EQ(new_keys[0].slot, old_keys[0].slot);
  EXPECT_EQ(table_.Lookup(old_keys[0]), nullptr);
  EXPECT_NE(table_.Lookup(new_keys[0]), nullptr);
}

TEST_F(SocketTableTest, SlotIsNotReusedBeforeTheReaping) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  const SocketId first = Add(*service, fd.get());
  const SocketSlot* slot = &SlotOf(first);
  table_.Remove(first, Fate::kLeaveOpen);
  EXPECT_NE(&SlotOf(Add(*service, fd.get())), slot);
  table_.Reap();
  const UniqueFd next = EventFd(false);
  EXPECT_EQ(&SlotOf(Add(*service, next.get())), slot);
}

TEST_F(SocketTableTest, ReusedSlotStartsAfresh) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  const SocketId first = Add(*service, fd.get());
  SocketSlot& slot = SlotOf(first);
  slot.counters.Add(Counter::handler_calls, 9);
  slot.counters.Add(Counter::masked, 9);
  slot.end_of_stream = true;
  slot.pauses = 5;
  slot.idle_calls = 50;
  slot.counted_messages = 500;
  slot.counted_failures = 500;
  slot.drained_calls = 5;
  table_.SetPolling(slot, Polling::kMasked);
  table_.Remove(first, Fate::kLeaveOpen);
  table_.Reap();
  ASSERT_EQ(&SlotOf(Add(*service, fd.get())), &slot);
  EXPECT_EQ(slot.counters.Read(), CounterValues());
  EXPECT_FALSE(slot.end_of_stream);
  EXPECT_EQ(slot.pauses, 0);
  EXPECT_EQ(slot.idle_calls, 0u);
  EXPECT_EQ(slot.counted_messages, 0u);
  EXPECT_EQ(slot.counted_failures, 0u);
  EXPECT_EQ(slot.drained_calls, 0);
  EXPECT_EQ(slot.polling, Polling::kLevel);
}

TEST_F(SocketTableTest, UnknownSocketIsNotRemoved) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.get());
  EXPECT_FALSE(table_.Remove(id + 1, Fate::kClose));
  EXPECT_FALSE(table_.Remove(0, Fate::kClose));
  EXPECT_FALSE(table_.Remove(-1, Fate::kClose));
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
}

TEST_F(SocketTableTest, SecondRemoveFindsNothing) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.get());
  EXPECT_TRUE(table_.Remove(id, Fate::kLeaveOpen));
  EXPECT_FALSE(table_.Remove(id, Fate::kLeaveOpen));
  table_.Reap();
  EXPECT_FALSE(table_.Remove(id, Fate::kLeaveOpen));
}

// The service thread has looked a slot up, and another thread removes it.
TEST_F(SocketTableTest, SlotRemovedByAnotherThreadIsNotRemovedAgain) {
  const auto service = NewService();
  const auto listener = NewListener(service);
  listener->counters.Add(Counter::active_connections);
  UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.release(), Role::kConnection, listener.get());
  SocketSlot& slot = SlotOf(id);
  table_.Remove(id, Fate::kClose);
  table_.RemoveSlot(slot, Fate::kClose, CloseReason::kClosedByService);
  table_.Reap();
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_EQ(table_.CountSockets(*service), std::pair(0, 0));
  EXPECT_EQ(table_.closed_behind(), 0);
  EXPECT_EQ(listener->counters.Get(Counter::active_connections), 0);
}

// As above, and the number of the fd has a new owner already.
TEST_F(SocketTableTest, SlotRemovedByAnotherThreadDoesNotTouchTheNextOwnerOfItsFd) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  const SocketId gone = Add(*service, fd.get());
  SocketSlot& slot = SlotOf(gone);
  table_.Remove(gone, Fate::kLeaveOpen);
  const SocketId next = Add(*service, fd.get());
  table_.SetPolling(slot, Polling::kMasked);
  table_.SetEvents(slot, POLLOUT);
  table_.RemoveSlot(slot, Fate::kClose, CloseReason::kClosedByService);
  const std::vector<RegistrationKey> keys = BeginTurn();
  ASSERT_EQ(keys.size(), 1u);
  ASSERT_NE(table_.Lookup(keys[0]), nullptr);
  EXPECT_EQ(table_.Lookup(keys[0])->id, next);
}

TEST_F(SocketTableTest, FdIsClosedByTheReapingOnly) {
  const auto service = NewService();
  const SocketPair pair = UnixPair();
  const int fd = dup(pair.ours.get());
  const SocketId id = Add(*service, fd);
  table_.Remove(id, Fate::kClose);
  EXPECT_TRUE(IsOpen(fd));
  table_.Reap();
  EXPECT_FALSE(IsOpen(fd));
}

TEST_F(SocketTableTest, ReapingIsBoundedAndKeepsTheOrder) {
  constexpr int kSockets = 150;
  const auto service = NewService(kSockets);
  std::vector<SocketId> ids;
  std::vector<int> fds;
  for (int i = 0; i < kSockets; ++i) {
    fds.push_back(EventFd(false).release());
    ids.push_back(Add(*service, fds.back()));
  }
  const auto open = [&] { return std::count_if(fds.begin(), fds.end(), IsOpen); };
  for (const SocketId id : ids) EXPECT_TRUE(table_.Remove(id, Fate::kClose));
  int64_t open_when_done = -1;
  table_.RemoveSet(*service, Fate::kLeaveOpen, [&] { open_when_done = open(); });

  EXPECT_FALSE(table_.ReapSome());
  const int64_t left = open();
  EXPECT_GT(left, 0);
  EXPECT_LT(left, kSockets);
  EXPECT_FALSE(IsOpen(fds.front()));
  EXPECT_TRUE(IsOpen(fds.back()));
  EXPECT_EQ(open_when_done, -1);
  table_.Reap();
  EXPECT_EQ(open_when_done, 0);
  EXPECT_TRUE(table_.ReapSome());
}

TEST_F(SocketTableTest, UserDataIsFreedOnceByTheReaping) {
  static int freed = 0;
  freed = 0;
  const auto service =
      NewService(8, [](void* user_data) { freed += *static_cast<int*>(user_data); });
  int value = 7;
  const UniqueFd with = EventFd(false);
  const UniqueFd without = EventFd(false);
  ASSERT_EQ(table_.AddOne(*service, with.get(), POLLIN, &value), 0);
  ASSERT_EQ(table_.AddOne(*service, without.get(), POLLIN, nullptr), 0);
  ASSERT_EQ(table_.RemoveOne(*service, with.get()), 0);
  ASSERT_EQ(table_.RemoveOne(*service, without.get()), 0);
  EXPECT_EQ(freed, 0);
  table_.Reap();
  EXPECT_EQ(freed, 7);
  table_.Reap();
  EXPECT_EQ(freed, 7);
}

// ---- fds closed behind the table's back --------------------------------------

TEST_F(SocketTableTest, ClosedFdIsFound) {
  const auto service = NewService();
  SocketPair gone = UnixPair();
  const SocketPair stays = UnixPair();
  const SocketId id = Add(*service, gone.ours.get());
  Add(*service, stays.ours.get());
  EXPECT_THAT(table_.FindClosedBehind(10), IsEmpty());
  gone.ours.reset();
  EXPECT_THAT(table_.FindClosedBehind(10), ElementsAre(id));
}

TEST_F(SocketTableTest, ReusedNumberIsFoundWhateverTheFile) {
  const auto service = NewService();
  UniqueFd socket = std::move(UnixPair().ours);
  UniqueFd event = EventFd(false);
  const SocketId socket_id = Add(*service, socket.get());
  const SocketId event_id = Add(*service, event.get());
  ReuseNumber(socket, std::move(UnixPair().ours));
  EXPECT_THAT(table_.FindClosedBehind(10), ElementsAre(socket_id));
  // All eventfds have one inode.
  ReuseNumber(event, EventFd(false));
  EXPECT_THAT(table_.FindClosedBehind(10), UnorderedElementsAre(socket_id, event_id));
}

TEST_F(SocketTableTest, ReusedNumberOfAPausedSocketIsFound) {
  const auto service = NewService();
  UniqueFd fd = EventFd(true);
  const SocketId id = Add(*service, fd.get());
  table_.SetPolling(SlotOf(id), Polling::kMasked);
  EXPECT_THAT(table_.FindClosedBehind(10), IsEmpty());
  // Eventfds share their inode.
  ReuseNumber(fd, EventFd(true));
  EXPECT_THAT(table_.FindClosedBehind(10), ElementsAre(id));
}

// What a handler works with is checked: not a listening socket, nor what belongs to a service
// that is built in.
TEST_F(SocketTableTest, FdsThatNoProgramWorksWithAreNotChecked) {
  sockhost_service_definition definition{};
  definition.name = "own";
  definition.handler = [](net_socket_service_event*) {};
  const auto own = *registry_.Define(definition, ServiceKind::kBuiltIn);
  const auto service = NewService();
  const auto listener = NewListener(service);
  std::vector<UniqueFd> fds;
  for (int i = 0; i < 3; ++i) fds.push_back(NewSocket(AF_INET, SOCK_DGRAM));
  Add(*own, fds[0].get(), Role::kDatagram, NewListener(own).get());
  Add(*service, fds[1].get(), Role::kListening, listener.get());
  const SocketId id = Add(*service, fds[2].get(), Role::kDatagram, listener.get());
  fds.clear();
  EXPECT_THAT(table_.FindClosedBehind(10), ElementsAre(id));
}

TEST_F(SocketTableTest, ChecksGoRoundInSmallPortions) {
  const auto service = NewService();
  std::vector<UniqueFd> fds;
  std::vector<SocketId> ids;
  for (int i = 0; i < 10; ++i) {
    fds.push_back(EventFd(false));
    ids.push_back(Add(*service, fds.back().get()));
  }
  fds.clear();
  std::multiset<SocketId> found;
  for (int round = 0; round < 8; ++round) {
    const std::vector<SocketId> portion = table_.FindClosedBehind(4);
    EXPECT_LE(portion.size(), 4u);
    found.insert(portion.begin(), portion.end());
  }
  for (const SocketId id : ids) EXPECT_GE(found.count(id), 2u) << "socket " << id;
}

TEST_F(SocketTableTest, SilentlyClosedSocketIsCountedAndNamedWhenRemoved) {
  const LogLines log;
  const auto service = NewService();
  UniqueFd fd = EventFd(false);
  const SocketId id = Add(*service, fd.get());
  fd.reset();
  table_.Remove(id, Fate::kLeaveOpen);
  EXPECT_EQ(table_.closed_behind(), 1);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("s1"), HasSubstr("owner1"))));
}

TEST_F(SocketTableTest, RegularRemoveIsNotCountedAsSilentClose) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  table_.Remove(Add(*service, fd.get()), Fate::kLeaveOpen);
  EXPECT_EQ(table_.closed_behind(), 0);
}

TEST_F(SocketTableTest, NumberThatIsSomebodyElsesIsNotClosed) {
  const auto service = NewService();
  UniqueFd fd = EventFd(false);
  ASSERT_EQ(Replace(*service, {fd.get()}), 0);
  ReuseNumber(fd, EventFd(false));
  table_.RemoveSet(*service, Fate::kClose, {});
  table_.Reap();
  EXPECT_TRUE(IsOpen(fd.get()));
  EXPECT_EQ(table_.closed_behind(), 1);
}

TEST_F(SocketTableTest, ReusedNumberBelongsToTheNewSocket) {
  const auto first = NewService();
  const auto second = NewService();
  UniqueFd fd = EventFd(true);
  ASSERT_EQ(Replace(*first, {fd.get()}), 0);
  ReuseNumber(fd, EventFd(true));
  ASSERT_EQ(Replace(*second, {fd.get()}), 0);
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
  EXPECT_EQ(table_.SlotOfFd(fd.get())->service, second.get());
  EXPECT_EQ(table_.CountSockets(*first), std::pair(0, 0));
  EXPECT_THAT(DescriptorFds(*first), testing::Each(-1));
  EXPECT_EQ(table_.closed_behind(), 1);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(SocketTableTest, ReusedNumberInTheSameServiceIsANewSocket) {
  const auto service = NewService();
  UniqueFd fd = EventFd(true);
  ASSERT_EQ(Replace(*service, {fd.get()}), 0);
  const SocketId before = table_.SlotOfFd(fd.get())->id;
  ReuseNumber(fd, EventFd(true));
  ASSERT_EQ(Replace(*service, {fd.get()}), 0);
  EXPECT_NE(table_.SlotOfFd(fd.get())->id, before);
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
  EXPECT_EQ(table_.CountSockets(*service), std::pair(1, 1));

  ReuseNumber(fd, EventFd(true));
  EXPECT_EQ(table_.AddOne(*service, fd.get(), POLLIN, nullptr), 0);
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
  EXPECT_EQ(table_.closed_behind(), 2);
}

// ---- Entries that outlive their fd -------------------------------------------

TEST_F(SocketTableTest, RemovalIsSeenFromTheNextTurnButOneOn) {
  const auto service = NewService();
  UniqueFd fd = EventFd(true);
  const UniqueFd ghost(dup(fd.get()));
  const SocketId id = Add(*service, fd.get());
  fd.reset();
  const std::vector<RegistrationKey> keys = BeginTurn();
  ASSERT_EQ(keys.size(), 1u);
  table_.Remove(id, Fate::kLeaveOpen);
  EXPECT_FALSE(table_.WasRemovedInAnEarlierTurn(keys[0])) << "the same turn";
  // The wait of the next turn may have begun before the removal.
  EXPECT_EQ(BeginTurn().size(), 1u);
  EXPECT_FALSE(table_.WasRemovedInAnEarlierTurn(keys[0])) << "the next turn";
  EXPECT_EQ(BeginTurn().size(), 1u);
  EXPECT_TRUE(table_.WasRemovedInAnEarlierTurn(keys[0]));
}

TEST_F(SocketTableTest, RebuiltSetKeepsEverySocketAndLosesGhosts) {
  const auto service = NewService();
  UniqueFd fd = EventFd(true);
  const UniqueFd ghost(dup(fd.get()));
  const UniqueFd ready = EventFd(true);
  const UniqueFd masked = EventFd(true);
  const UniqueFd writable = EventFd(true);
  const SocketId gone = Add(*service, fd.get());
  Add(*service, ready.get());
  table_.SetPolling(SlotOf(Add(*service, masked.get())), Polling::kMasked);
  table_.SetEvents(SlotOf(Add(*service, writable.get())), POLLPRI);
  fd.reset();
  table_.Remove(gone, Fate::kLeaveOpen);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(-1, ready.get()));
  ASSERT_TRUE(table_.RebuildEpoll());
  EXPECT_THAT(ReadyFds(), ElementsAre(ready.get()));
  EXPECT_EQ(table_.size(), 3u);
  EXPECT_EQ(table_.closed_behind(), 1);
}

TEST_F(SocketTableTest, RebuildingRemovesWhatWasClosedSilently) {
  const auto service = NewService();
  UniqueFd closed = EventFd(false);
  UniqueFd reused_socket = std::move(UnixPair().ours);
  UniqueFd reused_event = EventFd(false);
  const UniqueFd stays = EventFd(true);
  Add(*service, closed.get());
  Add(*service, reused_socket.get());
  Add(*service, reused_event.get());
  Add(*service, stays.get());
  closed.reset();
  ReuseNumber(reused_socket, EventFd(true));
  ReuseNumber(reused_event, EventFd(true));
  ASSERT_TRUE(table_.RebuildEpoll());
  EXPECT_THAT(ReadyFds(), ElementsAre(stays.get()));
  EXPECT_EQ(table_.closed_behind(), 3);
}

TEST_F(SocketTableTest, FailedRebuildKeepsTheOldSet) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  Add(*service, fd.get());
  {
    const NoMoreFds limit;
    EXPECT_FALSE(table_.RebuildEpoll());
  }
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
}

TEST_F(SocketTableTest, OneThreadReapsForAll) {
  const auto service = NewService(
      8, [](void* user_data) { (*static_cast<const std::function<void()>*>(user_data))(); });
  const auto other = NewService();
  const int first = EventFd(false).release();
  const int second = EventFd(false).release();
  std::function<void()> while_it_is_freed = [&] {
    std::thread([&] {
      table_.RemoveSet(*other, Fate::kClose, {});
      table_.Reap();
    }).join();
    EXPECT_TRUE(IsOpen(second)) << "two threads reaped at the same time";
  };
  ASSERT_EQ(table_.AddOne(*service, first, POLLIN, &while_it_is_freed), 0);
  ASSERT_EQ(table_.AddOne(*other, second, POLLIN, nullptr), 0);
  table_.RemoveSet(*service, Fate::kClose, {});
  table_.Reap();
  EXPECT_FALSE(IsOpen(first));
  EXPECT_FALSE(IsOpen(second));
}

TEST_F(SocketTableTest, FailedRebuildForWantOfMemoryLosesNoSocket) {
  const auto service = NewService();
  const UniqueFd first = EventFd(true);
  const UniqueFd second = EventFd(true);
  UniqueFd owned = EventFd(true);
  Add(*service, first.get());
  Add(*service, second.get());
  const SocketId connection =
      Add(*service, owned.get(), Role::kConnection, NewListener(service).get());
  const int owned_number = owned.release();
  for (const int refused : {second.get(), owned_number}) {
    std::thread([&] {
      RefuseToPoll(refused);
      EXPECT_FALSE(table_.RebuildEpoll());
    }).join();
    EXPECT_THAT(ReadyFds(), UnorderedElementsAre(first.get(), second.get(), owned_number));
  }
  ASSERT_TRUE(table_.RebuildEpoll());
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(first.get(), second.get(), owned_number));
  EXPECT_EQ(table_.closed_behind(), 0);
  ASSERT_TRUE(table_.Remove(connection, Fate::kClose));
  table_.Reap();
  EXPECT_FALSE(IsOpen(owned_number));
}

TEST_F(SocketTableTest, CheckingDoesNotMakeAPausedHangUpReportAgain) {
  const auto service = NewService();
  const UniqueFd early = NewSocket(AF_INET, SOCK_STREAM);
  SocketPair pair = UnixPair();
  table_.SetPolling(SlotOf(Add(*service, early.get())), Polling::kEdge);
  table_.SetPolling(SlotOf(Add(*service, pair.ours.get())), Polling::kMasked);
  pair.peer.reset();
  ReadyFds();
  for (int round = 0; round < 10; ++round) {
    EXPECT_THAT(table_.FindClosedBehind(10), IsEmpty());
    EXPECT_THAT(ReadyFds(), IsEmpty());
  }
}

// ---- Reading ----------------------------------------------------------------

// Beyond the growth of what finds them, and with numbers and slots that are used anew.
TEST_F(SocketTableTest, SocketsAreFoundByTheirIdsHoweverManyThereAre) {
  constexpr int kSockets = 1500;
  const auto service = NewService(kSockets);
  std::vector<UniqueFd> fds;
  std::map<SocketId, int> open;
  for (int i = 0; i < kSockets; ++i) {
    fds.push_back(EventFd(false));
    open[Add(*service, fds.back().get())] = fds.back().get();
    if (i % 3 == 2) {
      const auto gone = std::next(open.begin(), i / 3);
      EXPECT_TRUE(table_.Remove(gone->first, Fate::kLeaveOpen));
      EXPECT_FALSE(table_.Find(gone->first));
      EXPECT_FALSE(table_.Remove(gone->first, Fate::kLeaveOpen));
      open.erase(gone);
    }
    if (i % 100 == 0) table_.Reap();
  }
  for (const auto& [id, fd] : open) {
    ASSERT_TRUE(table_.Find(id)) << id;
    EXPECT_EQ(table_.Find(id)->fd, fd);
    ASSERT_TRUE(table_.SlotOfId(id));
    EXPECT_EQ(table_.SlotOfId(id)->fd, fd);
  }
  EXPECT_FALSE(table_.Find(open.rbegin()->first + 1));
  EXPECT_FALSE(table_.Find(0));
}

TEST_F(SocketTableTest, SnapshotSaysWhatASocketIs) {
  const auto service = NewService();
  const SocketPair pair = TcpPair();
  const SocketId id = Add(*service, pair.ours.get());
  SlotOf(id).counters.Add(Counter::handler_calls, 3);
  const std::optional<SocketSnapshot> snapshot = table_.Find(id);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->id, id);
  EXPECT_EQ(snapshot->fd, pair.ours.get());
  EXPECT_EQ(snapshot->role, Role::kRegistered);
  EXPECT_EQ(snapshot->protocol, Protocol::kTcp);
  EXPECT_EQ(*snapshot->service, "s1");
  EXPECT_EQ(snapshot->listener, nullptr);
  EXPECT_EQ(snapshot->local, LocalAddress(pair.ours.get(), Protocol::kTcp));
  EXPECT_EQ(snapshot->remote, LocalAddress(pair.peer.get(), Protocol::kTcp));
  EXPECT_EQ(snapshot->events, static_cast<uint32_t>(POLLIN));
  EXPECT_FALSE(snapshot->masked);
  EXPECT_EQ(snapshot->counters[Counter::handler_calls], 3);
  uint64_t cookie = 0;
  socklen_t length = sizeof(cookie);
  getsockopt(pair.ours.get(), SOL_SOCKET, SO_COOKIE, &cookie, &length);
  EXPECT_EQ(snapshot->cookie, cookie);
}

TEST_F(SocketTableTest, SnapshotKnowsProtocols) {
  const auto service = NewService();
  const UniqueFd udp = NewSocket(AF_INET6, SOCK_DGRAM);
  const SocketPair stream = UnixPair(SOCK_STREAM);
  const SocketPair datagram = UnixPair(SOCK_DGRAM);
  const UniqueFd none = EventFd(false);
  EXPECT_EQ(table_.Find(Add(*service, udp.get()))->protocol, Protocol::kUdp);
  EXPECT_EQ(table_.Find(Add(*service, stream.ours.get()))->protocol, Protocol::kUnixStream);
  EXPECT_EQ(table_.Find(Add(*service, datagram.ours.get()))->protocol, Protocol::kUnixDatagram);
  const std::optional<SocketSnapshot> no_socket = table_.Find(Add(*service, none.get()));
  EXPECT_EQ(no_socket->protocol, Protocol::kNone);
  EXPECT_EQ(no_socket->cookie, 0u);
  EXPECT_TRUE(no_socket->local.empty());
}

// By the protocol, not by the type: sockets of other protocols are neither TCP nor UDP.
TEST_F(SocketTableTest, SnapshotDoesNotGuessProtocols) {
  const auto service = NewService();
  const SocketPair packets = UnixPair(SOCK_SEQPACKET);
  std::vector<UniqueFd> others;
  others.push_back(UniqueFd(dup(packets.ours.get())));
  // Where the machine has it and lets us.
  const int kinds[][3] = {{AF_INET, SOCK_RAW, IPPROTO_ICMP},
                          {AF_INET, SOCK_DGRAM, IPPROTO_ICMP},
                          {AF_INET, SOCK_STREAM, IPPROTO_SCTP}};
  for (const auto& [family, type, protocol] : kinds) {
    UniqueFd fd(socket(family, type | SOCK_CLOEXEC, protocol));
    if (fd.valid()) others.push_back(std::move(fd));
  }
  for (const UniqueFd& fd : others) {
    const std::optional<SocketSnapshot> snapshot = table_.Find(Add(*service, fd.get()));
    EXPECT_EQ(snapshot->protocol, Protocol::kNone);
    EXPECT_NE(snapshot->cookie, 0u);
    EXPECT_TRUE(snapshot->local.empty());
  }
}

TEST_F(SocketTableTest, SnapshotSaysNothingOfAReusedNumber) {
  const auto service = NewService();
  UniqueFd fd = std::move(TcpPair().ours);
  const SocketId id = Add(*service, fd.get());
  ReuseNumber(fd, std::move(TcpPair().ours));
  const std::optional<SocketSnapshot> snapshot = table_.Find(id);
  ASSERT_TRUE(snapshot.has_value());
  EXPECT_EQ(snapshot->fd, fd.get());
  EXPECT_EQ(snapshot->protocol, Protocol::kNone);
  EXPECT_EQ(snapshot->cookie, 0u);
  EXPECT_TRUE(snapshot->local.empty());
  EXPECT_TRUE(snapshot->remote.empty());
}

TEST_F(SocketTableTest, SnapshotShowsMaskAndPolling) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  const SocketId id = Add(*service, fd.get());
  table_.SetEvents(SlotOf(id), POLLOUT | POLLPRI);
  table_.SetPolling(SlotOf(id), Polling::kMasked);
  EXPECT_EQ(table_.Find(id)->events, static_cast<uint32_t>(POLLOUT | POLLPRI));
  EXPECT_TRUE(table_.Find(id)->masked);
  table_.SetPolling(SlotOf(id), Polling::kEdge);
  EXPECT_FALSE(table_.Find(id)->masked);
}

TEST_F(SocketTableTest, UnknownSocketHasNoSnapshot) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  const SocketId id = Add(*service, fd.get());
  EXPECT_FALSE(table_.Find(id + 1).has_value());
  EXPECT_FALSE(table_.Find(0).has_value());
  EXPECT_FALSE(table_.Find(-1).has_value());
  table_.Remove(id, Fate::kLeaveOpen);
  EXPECT_FALSE(table_.Find(id).has_value());
}

TEST_F(SocketTableTest, EverySocketIsVisitedOnce) {
  const auto service = NewService();
  std::vector<UniqueFd> fds;
  std::vector<SocketId> expected;
  for (int i = 0; i < 600; ++i) {
    fds.push_back(EventFd(false));
    const SocketId id = Add(*service, fds.back().get());
    if (i % 3 == 0) {
      table_.Remove(id, Fate::kLeaveOpen);
    } else {
      expected.push_back(id);
    }
  }
  EXPECT_THAT(AllIds(), testing::UnorderedElementsAreArray(expected));
}

TEST_F(SocketTableTest, VisitorMayUseTheTable) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  Add(*service, fd.get());
  int visits = 0;
  table_.ForEach([&](SocketSnapshot&& snapshot) {
    ++visits;
    EXPECT_TRUE(table_.Find(snapshot.id).has_value());
    EXPECT_TRUE(table_.Remove(snapshot.id, Fate::kLeaveOpen));
  });
  EXPECT_EQ(visits, 1);
  EXPECT_EQ(table_.size(), 0u);
}

// ---- Polling ----------------------------------------------------------------

TEST_F(SocketTableTest, MaskedSocketIsSilentUntilUnmasked) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(true);
  SocketSlot& slot = SlotOf(Add(*service, fd.get()));
  table_.SetPolling(slot, Polling::kMasked);
  EXPECT_THAT(ReadyFds(), IsEmpty());
  table_.SetPolling(slot, Polling::kLevel);
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
}

TEST_F(SocketTableTest, MaskedSocketReportsAHangUpAtMostOnce) {
  const auto service = NewService();
  SocketPair pair = UnixPair();
  SocketSlot& slot = SlotOf(Add(*service, pair.ours.get()));
  table_.SetPolling(slot, Polling::kMasked);
  pair.peer.reset();
  size_t reports = 0;
  for (int turn = 0; turn < 100; ++turn) reports += ReadyFds().size();
  EXPECT_LE(reports, 1u);
}

TEST_F(SocketTableTest, EdgePolledSocketReportsAHangUpOnce) {
  const auto service = NewService();
  const UniqueFd fd = NewSocket(AF_INET, SOCK_STREAM);
  SocketSlot& slot = SlotOf(Add(*service, fd.get()));
  table_.SetPolling(slot, Polling::kEdge);
  EXPECT_THAT(ReadyFds(), ElementsAre(fd.get()));
  EXPECT_THAT(ReadyFds(), IsEmpty());
}

TEST_F(SocketTableTest, ChangedEventsDecideWhatIsReported) {
  const auto service = NewService();
  const SocketPair pair = UnixPair();
  SocketSlot& slot = SlotOf(Add(*service, pair.ours.get()));
  EXPECT_THAT(ReadyFds(), IsEmpty());
  table_.SetEvents(slot, POLLOUT);
  EXPECT_THAT(ReadyFds(), ElementsAre(pair.ours.get()));
  table_.SetEvents(slot, 0);
  EXPECT_THAT(ReadyFds(), IsEmpty());
}

TEST_F(SocketTableTest, OnlyConnectionsThatAreReadReportTheClosingPeerUnasked) {
  const auto service = NewService();
  const auto listener = NewListener(service);
  SocketPair owned = TcpPair();
  const SocketPair registered = TcpPair();
  const int owned_fd = owned.ours.release();
  SocketSlot& connection = SlotOf(Add(*service, owned_fd, Role::kConnection, listener.get()));
  SocketSlot& other = SlotOf(Add(*service, registered.ours.get()));
  shutdown(owned.peer.get(), SHUT_WR);
  shutdown(registered.peer.get(), SHUT_WR);
  ASSERT_TRUE(WaitReadable(owned_fd));
  ASSERT_TRUE(WaitReadable(registered.ours.get()));

  epoll_event buffer[8];
  std::map<int, uint32_t> events;
  for (const epoll_event& event : table_.epoll().Wait(buffer, 0)) {
    events[table_.Lookup(RegistrationKey::Unpack(event.data.u64))->fd] = event.events;
  }
  EXPECT_EQ(events[owned_fd], EPOLLIN | EPOLLRDHUP);
  EXPECT_EQ(events[registered.ours.get()], static_cast<uint32_t>(EPOLLIN));
  // A connection that is not read would report it for ever.
  table_.SetEvents(connection, POLLPRI);
  table_.SetEvents(other, POLLPRI);
  EXPECT_THAT(ReadyFds(), IsEmpty());
  table_.RemoveSlot(connection, Fate::kClose, CloseReason::kClosedByService);
}

// ---- Listeners --------------------------------------------------------------

class ListenerSocketsTest : public SocketTableTest {
 protected:
  void SetUp() override {
    service_ = NewService();
    listener_ = NewListener(service_);
    listening_ = dup(pair_.ours.get());
    Add(*service_, listening_, Role::kListening, listener_.get());
  }

  int AddConnection() {
    const int fd = dup(pair_.ours.get());
    Add(*service_, fd, Role::kConnection, listener_.get());
    listener_->counters.Add(Counter::active_connections);
    service_->counters.Add(Counter::active_connections);
    return fd;
  }

  const SocketPair pair_ = UnixPair();
  std::shared_ptr<Service> service_;
  std::shared_ptr<Listener> listener_;
  int listening_ = -1;
};

TEST_F(ListenerSocketsTest, LiveConnectionsKeepItUnlessForced) {
  const int connection = AddConnection();
  bool done = false;
  EXPECT_EQ(table_.RemoveListener(*listener_, false, [&] { done = true; }), 1u);
  table_.Reap();
  EXPECT_FALSE(done);
  EXPECT_TRUE(IsOpen(listening_));
  EXPECT_TRUE(IsOpen(connection));
  EXPECT_EQ(table_.size(), 2u);
  EXPECT_FALSE(listener_->is_draining());
  table_.RemoveListener(*listener_, true, {});
}

TEST_F(ListenerSocketsTest, ForceClosesEverySocketBeforeItIsDone) {
  const int connection = AddConnection();
  bool closed = false;
  table_.RemoveListener(*listener_, true,
                        [&] { closed = !IsOpen(listening_) && !IsOpen(connection); });
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_TRUE(IsOpen(connection));
  EXPECT_EQ(listener_->Snapshot().state, ListenerState::kDraining);
  table_.Reap();
  EXPECT_TRUE(closed);
  EXPECT_EQ(listener_->counters.Get(Counter::active_connections), 0);
  EXPECT_EQ(service_->counters.Get(Counter::active_connections), 0);
}

TEST_F(ListenerSocketsTest, WithoutConnectionsItIsClosedByTheCallBetweenTurns) {
  table_.SetClosedLimit(1);
  const SocketId id = table_.SlotOfFd(listening_)->id;
  table_.BeginTurn();
  table_.EndTurn();
  bool closed = false;
  table_.RemoveListener(*listener_, false, [&] { closed = !IsOpen(listening_); });
  EXPECT_TRUE(closed);
  EXPECT_EQ(table_.size(), 0u);
  ASSERT_TRUE(table_.FindClosed(id).has_value());
  EXPECT_EQ(table_.FindClosed(id)->close_reason, CloseReason::kListenerDeleted);
  // Nothing is left to reap, and what waits for a reaping does not wait for this one.
  EXPECT_TRUE(table_.ReapSome());
  bool ran = false;
  table_.RunBetweenHandlers([] {}, [&] { ran = true; });
  table_.Reap();
  EXPECT_TRUE(ran);
}

TEST_F(ListenerSocketsTest, ATurnThatMayHoldItsSlotClosesIt) {
  table_.BeginTurn();
  bool done = false;
  table_.RemoveListener(*listener_, false, [&] { done = true; });
  EXPECT_FALSE(done);
  EXPECT_TRUE(IsOpen(listening_));
  table_.Reap();
  EXPECT_TRUE(done);
  EXPECT_FALSE(IsOpen(listening_));
  table_.EndTurn();
}

TEST_F(ListenerSocketsTest, WithoutSocketsItIsGoneAtOnceBetweenTurns) {
  table_.StopAccepting(*listener_);
  bool done = false;
  // Its socket is not closed yet.
  table_.RemoveListener(*listener_, false, [&] { done = true; });
  EXPECT_FALSE(done);
  table_.Reap();
  EXPECT_TRUE(done);
  bool done_again = false;
  table_.RemoveListener(*listener_, false, [&] { done_again = true; });
  EXPECT_TRUE(done_again);
}

TEST_F(ListenerSocketsTest, WhatWasRemovedBeforeIsClosedFirst) {
  const int connection = AddConnection();
  EXPECT_EQ(table_.NoteClose(connection), Closer::kHost);
  bool closed = false;
  table_.RemoveListener(*listener_, false, [&] { closed = !IsOpen(connection); });
  EXPECT_FALSE(closed);
  table_.Reap();
  EXPECT_TRUE(closed);
}

TEST_F(ListenerSocketsTest, UserDataOfADatagramSocketIsNotFreedByTheCall) {
  const auto other = NewListener(service_);
  const int fd = dup(pair_.ours.get());
  Add(*service_, fd, Role::kDatagram, other.get());
  int data = 0;
  table_.SlotOfFd(fd)->user_data = &data;
  bool done = false;
  table_.RemoveListener(*other, false, [&] { done = true; });
  EXPECT_FALSE(done);
  table_.Reap();
  EXPECT_TRUE(done);
}

TEST_F(ListenerSocketsTest, ListenersKeepTheirSocketsApart) {
  constexpr int kConnections = 100;
  const auto other = NewListener(service_);
  std::vector<int> ours;
  std::vector<int> others;
  for (int i = 0; i < kConnections; ++i) {
    ours.push_back(AddConnection());
    others.push_back(dup(pair_.ours.get()));
    Add(*service_, others.back(), Role::kConnection, other.get());
  }
  // The first, the last, and one in between.
  for (const size_t i : {size_t{0}, ours.size() - 1, ours.size() / 2}) {
    EXPECT_EQ(table_.NoteClose(ours[i]), Closer::kHost);
  }
  EXPECT_EQ(table_.RemoveListener(*listener_, true, {}), ours.size() - 3);
  EXPECT_EQ(table_.size(), others.size());
  table_.Reap();
  EXPECT_TRUE(std::none_of(ours.begin(), ours.end(), IsOpen));
  EXPECT_TRUE(std::all_of(others.begin(), others.end(), IsOpen));
  EXPECT_EQ(table_.RemoveListener(*other, true, {}), others.size());
  table_.Reap();
  EXPECT_TRUE(std::none_of(others.begin(), others.end(), IsOpen));
}

TEST_F(ListenerSocketsTest, RemovedListenerTakesNoConnectionAnyMore) {
  table_.RemoveListener(*listener_, false, {});
  const UniqueFd late = EventFd(false);
  SocketSpec spec;
  spec.fd = late.get();
  spec.role = Role::kConnection;
  spec.service = service_.get();
  spec.listener = listener_.get();
  SocketId id;
  EXPECT_EQ(table_.Add(spec, &id), -ENOENT);
}

TEST_F(ListenerSocketsTest, OtherSocketsOfTheServiceStay) {
  const UniqueFd registered = EventFd(true);
  ASSERT_EQ(Replace(*service_, {registered.get()}), 0);
  table_.RemoveListener(*listener_, true, {});
  EXPECT_THAT(ReadyFds(), ElementsAre(registered.get()));
}

TEST_F(ListenerSocketsTest, NotedCloseOfAnOwnedFdIsLeftToTheReaping) {
  const int connection = AddConnection();
  EXPECT_EQ(table_.NoteClose(connection), Closer::kHost);
  EXPECT_TRUE(IsOpen(connection));
  table_.Reap();
  EXPECT_FALSE(IsOpen(connection));
  EXPECT_EQ(listener_->counters.Get(Counter::active_connections), 0);
  table_.RemoveListener(*listener_, true, {});
}

TEST_F(ListenerSocketsTest, StoppedListenerKeepsItsConnections) {
  const int connection = AddConnection();
  table_.StopAccepting(*listener_);
  table_.Reap();
  EXPECT_FALSE(IsOpen(listening_));
  EXPECT_TRUE(IsOpen(connection));
  EXPECT_EQ(listener_->Snapshot().state, ListenerState::kDraining);
  table_.RemoveListener(*listener_, true, {});
  table_.Reap();
  EXPECT_FALSE(IsOpen(connection));
}

// ---- Notes of the zsock_ calls ------------------------------------------------

TEST_F(SocketTableTest, NotedCloseUnregisters) {
  const auto service = NewService();
  UniqueFd fd = EventFd(true);
  ASSERT_EQ(Replace(*service, {fd.get()}), 0);
  EXPECT_EQ(table_.NoteClose(fd.get()), Closer::kProgram);
  fd.reset();
  EXPECT_THAT(ReadyFds(), IsEmpty());
  EXPECT_THAT(DescriptorFds(*service), testing::Each(-1));
  EXPECT_EQ(table_.closed_behind(), 0);
}

TEST_F(SocketTableTest, NotedCloseOfAnUnknownFdIsIgnored) {
  const UniqueFd fd = EventFd(true);
  EXPECT_EQ(table_.NoteClose(fd.get()), Closer::kProgram);
  EXPECT_EQ(table_.NoteClose(-1), Closer::kProgram);
  EXPECT_EQ(table_.NoteClose(ClosedFd()), Closer::kProgram);
}

TEST_F(SocketTableTest, ForeignTrafficIsCountedForSocketAndService) {
  const auto service = NewService();
  const UniqueFd fd = EventFd(false);
  const SocketId id = Add(*service, fd.get());
  table_.CountForeign(fd.get(), 10, 1, 20, 2);
  table_.CountForeign(ClosedFd(), 1000, 1000, 1000, 1000);
  for (const CounterValues& values : {table_.Find(id)->counters, service->counters.Read()}) {
    EXPECT_EQ(values[Counter::receive_bytes], 10);
    EXPECT_EQ(values[Counter::receive_messages], 1);
    EXPECT_EQ(values[Counter::transmit_bytes], 20);
    EXPECT_EQ(values[Counter::transmit_messages], 2);
  }
}

}  // namespace
}  // namespace sockhost
