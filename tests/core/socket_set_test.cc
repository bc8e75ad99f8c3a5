// The registered sockets of a service: ReplaceSet and its relatives.
#include <gmock/gmock.h>

#include <cerrno>
#include <functional>
#include <ostream>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "service_core/socket_table.h"
#include "tests/core/log_lines.h"
#include "tests/core/sockets.h"
#include "tests/core/table_fixture.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::UnorderedElementsAre;

class SocketSetTest : public TableFixture {
 protected:
  // Readable: whoever is polled is reported.
  const UniqueFd a_ = EventFd(true);
  const UniqueFd b_ = EventFd(true);
  const UniqueFd c_ = EventFd(true);
  const int a = a_.get();
  const int b = b_.get();
  const int c = c_.get();
  const std::shared_ptr<Service> service_ = NewService(4);
  const std::shared_ptr<Service> other_ = NewService(4);

  SocketSlot& SlotOfFd(int fd) {
    SocketSlot* slot = table_.SlotOfFd(fd);
    EXPECT_NE(slot, nullptr) << "fd " << fd;
    return *slot;
  }
  SocketId IdOf(int fd) { return SlotOfFd(fd).id; }
};

// ---- The whole set ------------------------------------------------------------

TEST_F(SocketSetTest, SetIsPolledAndShownInTheDescriptor) {
  int user_data = 0;
  ASSERT_EQ(Replace(*service_, {a, b}, &user_data), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(a, b, -1, -1));
  EXPECT_EQ(service_->descriptor->pev[0].event.events, POLLIN);
  EXPECT_EQ(service_->descriptor->pev[1].user_data, &user_data);
  EXPECT_EQ(SlotOfFd(a).user_data, &user_data);
  EXPECT_EQ(SlotOfFd(a).role, Role::kRegistered);
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(2, 2));
}

TEST_F(SocketSetTest, SocketsThatAreNotInTheNewSetAreNotPolled) {
  ASSERT_EQ(Replace(*service_, {a, b}), 0);
  ASSERT_EQ(Replace(*service_, {b, c}), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(b, c));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(b, c, -1, -1));
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(2, 2));
  EXPECT_EQ(table_.size(), 2u);
}

TEST_F(SocketSetTest, KeptSocketStaysTheSameSocket) {
  ASSERT_EQ(Replace(*service_, {a, b}), 0);
  const SocketId id = IdOf(b);
  SlotOfFd(b).counters.Add(Counter::handler_calls, 5);
  ASSERT_EQ(Replace(*service_, {b, c}), 0);
  EXPECT_EQ(IdOf(b), id);
  EXPECT_EQ(SlotOfFd(b).counters.Get(Counter::handler_calls), 5);
}

TEST_F(SocketSetTest, KeptSocketGetsNewEventsAndUserData) {
  const SocketPair pair = UnixPair();
  int before = 0;
  int after = 0;
  const pollfd readable{pair.ours.get(), POLLIN, 0};
  const pollfd writable{pair.ours.get(), POLLOUT, 0};
  ASSERT_EQ(table_.ReplaceSet(*service_, {&readable, 1}, &before), 0);
  EXPECT_THAT(ReadyFds(), IsEmpty());
  ASSERT_EQ(table_.ReplaceSet(*service_, {&writable, 1}, &after), 0);
  EXPECT_THAT(ReadyFds(), ElementsAre(pair.ours.get()));
  EXPECT_EQ(SlotOfFd(pair.ours.get()).user_data, &after);
  EXPECT_EQ(SlotOfFd(pair.ours.get()).events, static_cast<uint32_t>(POLLOUT));
  EXPECT_EQ(service_->descriptor->pev[0].event.events, POLLOUT);
}

TEST_F(SocketSetTest, FreeEntriesAreSkipped) {
  ASSERT_EQ(Replace(*service_, {-1, a, -1, b}), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(-1, a, -1, b));
  // Their events mean nothing.
  const pollfd free_entry{-1, static_cast<short>(0x7fff), 0};
  EXPECT_EQ(table_.ReplaceSet(*service_, {&free_entry, 1}, nullptr), 0);
}

TEST_F(SocketSetTest, EmptySetRemovesEverySocket) {
  ASSERT_EQ(Replace(*service_, {a, b}), 0);
  ASSERT_EQ(Replace(*service_, {}), 0);
  EXPECT_THAT(ReadyFds(), IsEmpty());
  EXPECT_THAT(DescriptorFds(*service_), Each(-1));
  EXPECT_EQ(table_.size(), 0u);
  EXPECT_FALSE(table_.HasExposed());
  EXPECT_TRUE(IsOpen(a));
}

TEST_F(SocketSetTest, SameSetTwiceChangesNothing) {
  ASSERT_EQ(Replace(*service_, {a, b}), 0);
  const SocketId id = IdOf(a);
  ASSERT_EQ(Replace(*service_, {a, b}), 0);
  EXPECT_EQ(IdOf(a), id);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b));
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(2, 2));
}

TEST_F(SocketSetTest, OrderOfTheSetIsTheOrderOfTheDescriptor) {
  ASSERT_EQ(Replace(*service_, {a, b, c}), 0);
  ASSERT_EQ(Replace(*service_, {c, -1, a}), 0);
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(c, -1, a, -1));
  // Entries follow their sockets.
  ASSERT_EQ(table_.RemoveOne(*service_, c), 0);
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(-1, -1, a, -1));
}

TEST_F(SocketSetTest, ServicesDoNotTouchEachOther) {
  ASSERT_EQ(Replace(*service_, {a}), 0);
  ASSERT_EQ(Replace(*other_, {b}), 0);
  ASSERT_EQ(Replace(*service_, {c}), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(b, c));
  EXPECT_THAT(DescriptorFds(*other_), ElementsAre(b, -1, -1, -1));
}

TEST_F(SocketSetTest, SocketIsFreeForAnotherServiceAfterItsRemoval) {
  ASSERT_EQ(Replace(*service_, {a}), 0);
  ASSERT_EQ(Replace(*service_, {}), 0);
  EXPECT_EQ(Replace(*other_, {a}), 0);
  EXPECT_EQ(SlotOfFd(a).service, other_.get());
}

TEST_F(SocketSetTest, FullCapacityFits) {
  const UniqueFd d = EventFd(true);
  EXPECT_EQ(Replace(*service_, {a, b, c, d.get()}), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b, c, d.get()));
}

TEST_F(SocketSetTest, RequestedErrorBitsAreIgnored) {
  const pollfd wanted{a, POLLIN | POLLERR | POLLHUP | POLLNVAL, 0};
  ASSERT_EQ(table_.ReplaceSet(*service_, {&wanted, 1}, nullptr), 0);
  EXPECT_EQ(SlotOfFd(a).events, static_cast<uint32_t>(POLLIN));
}

TEST_F(SocketSetTest, EveryEventThatPollKnowsIsAccepted) {
  for (const short event : {POLLIN, POLLPRI, POLLOUT, POLLRDNORM, POLLRDBAND, POLLWRNORM,
                            POLLWRBAND, POLLRDHUP, POLLERR, POLLHUP, POLLNVAL}) {
    const pollfd wanted{a, event, 0};
    EXPECT_EQ(table_.ReplaceSet(*service_, {&wanted, 1}, nullptr), 0) << "event " << event;
  }
}

// ---- Errors keep the old set ----------------------------------------------------

struct RefusedSet {
  const char* why;
  int error;
  // The set that is refused: what stands before and behind the fault is sound.
  std::function<std::vector<pollfd>(int kept, int fresh, int file, int foreign)> set;

  friend void PrintTo(const RefusedSet& c, std::ostream* out) { *out << c.why; }
};

class RefusedSetTest : public SocketSetTest, public testing::WithParamInterface<RefusedSet> {};

TEST_P(RefusedSetTest, OldSetStaysInForce) {
  const LogLines log;
  int user_data = 0;
  int other_user_data = 0;
  const UniqueFd foreign = EventFd(true);
  const UniqueFd file = RegularFile();
  const std::vector<pollfd> old_set = {{a, POLLIN, 0}, {-1, 0, 0}, {b, POLLIN | POLLPRI, 0}};
  ASSERT_EQ(table_.ReplaceSet(*service_, old_set, &user_data), 0);
  ASSERT_EQ(Replace(*other_, {foreign.get()}), 0);
  const SocketId id_a = IdOf(a);
  const SocketId id_b = IdOf(b);

  const std::vector<pollfd> set = GetParam().set(b, c, file.get(), foreign.get());
  EXPECT_EQ(table_.ReplaceSet(*service_, set, &other_user_data), GetParam().error);

  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b, foreign.get()));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(a, -1, b, -1));
  EXPECT_EQ(service_->descriptor->pev[2].event.events, POLLIN | POLLPRI);
  EXPECT_EQ(service_->descriptor->pev[0].user_data, &user_data);
  EXPECT_EQ(IdOf(a), id_a);
  EXPECT_EQ(IdOf(b), id_b);
  EXPECT_EQ(SlotOfFd(b).events, static_cast<uint32_t>(POLLIN | POLLPRI));
  EXPECT_EQ(SlotOfFd(b).user_data, &user_data);
  EXPECT_EQ(table_.SlotOfFd(c), nullptr);
  EXPECT_EQ(SlotOfFd(foreign.get()).service, other_.get());
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(2, 2));
  EXPECT_EQ(table_.size(), 3u);
  EXPECT_EQ(table_.closed_behind(), 0);
  // And it can still be replaced.
  EXPECT_EQ(Replace(*service_, {c}), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(c, foreign.get()));
}

INSTANTIATE_TEST_SUITE_P(
    Errors, RefusedSetTest,
    testing::Values(
        RefusedSet{
            "more entries than the capacity", -ENOMEM,
            [](int kept, int fresh, int, int) {
              return std::vector<pollfd>{
                  {kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {-1, 0, 0}, {-1, 0, 0}, {-1, 0, 0}};
            }},
        RefusedSet{"an fd that is not open", -EBADF,
                   [](int kept, int fresh, int, int) {
                     return std::vector<pollfd>{
                         {kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {ClosedFd(), POLLIN, 0}};
                   }},
        RefusedSet{
            "an fd below -1", -EINVAL,
            [](int kept, int fresh, int, int) {
              return std::vector<pollfd>{{kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {-2, POLLIN, 0}};
            }},
        RefusedSet{"unknown events", -EINVAL,
                   [](int kept, int fresh, int, int) {
                     return std::vector<pollfd>{{kept, POLLOUT, 0}, {fresh, 0x1000, 0}};
                   }},
        RefusedSet{
            "a regular file", -EPERM,
            [](int kept, int fresh, int file, int) {
              return std::vector<pollfd>{{kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {file, POLLIN, 0}};
            }},
        RefusedSet{"a new fd twice", -EEXIST,
                   [](int kept, int fresh, int, int) {
                     return std::vector<pollfd>{
                         {kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {fresh, POLLIN, 0}};
                   }},
        RefusedSet{
            "a kept fd twice", -EEXIST,
            [](int kept, int fresh, int, int) {
              return std::vector<pollfd>{{kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {kept, POLLIN, 0}};
            }},
        RefusedSet{"an fd of another service", -EEXIST, [](int kept, int fresh, int, int foreign) {
                     return std::vector<pollfd>{
                         {kept, POLLOUT, 0}, {fresh, POLLIN, 0}, {foreign, POLLIN, 0}};
                   }}));

TEST_F(SocketSetTest, SocketLimitKeepsTheOldSet) {
  ASSERT_EQ(Replace(*service_, {a}), 0);
  const SocketId id = IdOf(a);
  table_.SetLimit(2);
  EXPECT_EQ(Replace(*service_, {b, c}), -ENOSPC);
  EXPECT_THAT(ReadyFds(), ElementsAre(a));
  EXPECT_EQ(IdOf(a), id);
  EXPECT_EQ(table_.size(), 1u);
}

TEST_F(SocketSetTest, DuplicateOfAnotherServiceNamesBothOwners) {
  const LogLines log;
  ASSERT_EQ(Replace(*service_, {a}), 0);
  EXPECT_EQ(Replace(*other_, {a}), -EEXIST);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("s1"), HasSubstr("owner1"), HasSubstr("s2"),
                                          HasSubstr("owner2"))));
}

TEST_F(SocketSetTest, FdThatStandsTwiceInACallIsNotSaidToBeRegistered) {
  const LogLines log;
  EXPECT_EQ(Replace(*service_, {a, a}), -EEXIST);
  EXPECT_THAT(log.lines(), Contains(AllOf(HasSubstr("twice"), HasSubstr("owner1"))));
  EXPECT_THAT(log.lines(), Not(Contains(HasSubstr("registered"))));
}

TEST_F(SocketSetTest, DuplicateOfAListenersSocketNamesItsServiceAndTheListener) {
  const LogLines log;
  const auto listener = NewListener(other_);
  UniqueFd owned = EventFd(false);
  const int fd = owned.get();
  Add(*other_, owned.release(), Role::kDatagram, listener.get());
  EXPECT_EQ(Replace(*service_, {fd}), -EEXIST);
  EXPECT_THAT(log.lines(),
              Contains(AllOf(HasSubstr("owner2"),
                             HasSubstr(absl::StrCat("listener=", *listener->name())))));
  EXPECT_EQ(SlotOfFd(fd).role, Role::kDatagram);
  table_.RemoveListener(*listener, true, {});
}

TEST_F(SocketSetTest, DuplicateOfAMaskedListenersSocketIsFoundToo) {
  const LogLines log;
  const auto listener = NewListener(other_);
  UniqueFd owned = EventFd(true);
  const int fd = owned.get();
  Add(*other_, owned.release(), Role::kListening, listener.get());
  table_.SetPolling(SlotOfFd(fd), Polling::kMasked);
  EXPECT_EQ(Replace(*service_, {fd}), -EEXIST);
  EXPECT_EQ(table_.AddOne(*service_, fd, POLLIN, nullptr), -EEXIST);
  EXPECT_THAT(ReadyFds(), IsEmpty());
  table_.RemoveListener(*listener, true, {});
}

TEST_F(SocketSetTest, WithdrawnServiceTakesNoSockets) {
  ASSERT_EQ(Replace(*service_, {a}), 0);
  table_.WithdrawService(service_, {});
  EXPECT_THAT(ReadyFds(), IsEmpty());
  EXPECT_EQ(Replace(*service_, {b}), -ENOENT);
  EXPECT_EQ(table_.AddOne(*service_, b, POLLIN, nullptr), -ENOENT);
  EXPECT_TRUE(IsOpen(a));
}

TEST_F(SocketSetTest, WithdrawnServiceLivesUntilItsSocketsAreReaped) {
  auto service = NewService();
  ASSERT_EQ(Replace(*service, {a}), 0);
  const std::weak_ptr<Service> watched = service;
  registry_.Withdraw(*service);
  bool alive_when_done = false;
  table_.WithdrawService(std::move(service), [&] { alive_when_done = !watched.expired(); });
  EXPECT_FALSE(watched.expired());
  table_.Reap();
  EXPECT_TRUE(alive_when_done);
  EXPECT_TRUE(watched.expired());
}

// ---- One socket ---------------------------------------------------------------

TEST_F(SocketSetTest, AddedOneJoinsTheOthers) {
  int user_data_a = 0;
  int user_data_b = 0;
  ASSERT_EQ(table_.AddOne(*service_, a, POLLIN, &user_data_a), 0);
  ASSERT_EQ(table_.AddOne(*service_, b, POLLIN, &user_data_b), 0);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(a, b, -1, -1));
  EXPECT_EQ(SlotOfFd(a).user_data, &user_data_a);
  EXPECT_EQ(SlotOfFd(b).user_data, &user_data_b);
  EXPECT_EQ(service_->descriptor->pev[1].user_data, &user_data_b);
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(2, 2));
}

TEST_F(SocketSetTest, RemovedOneFreesItsEntry) {
  ASSERT_EQ(Replace(*service_, {a, b}), 0);
  ASSERT_EQ(table_.RemoveOne(*service_, a), 0);
  EXPECT_THAT(ReadyFds(), ElementsAre(b));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(-1, b, -1, -1));
  ASSERT_EQ(table_.AddOne(*service_, c, POLLIN, nullptr), 0);
  EXPECT_THAT(DescriptorFds(*service_), Contains(c));
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(2, 2));
}

TEST_F(SocketSetTest, AddFillsEveryEntryOfTheCapacity) {
  const auto service = NewService(2);
  EXPECT_EQ(table_.AddOne(*service, a, POLLIN, nullptr), 0);
  EXPECT_EQ(table_.AddOne(*service, b, POLLIN, nullptr), 0);
  EXPECT_EQ(table_.AddOne(*service, c, POLLIN, nullptr), -ENOMEM);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b));
  ASSERT_EQ(table_.RemoveOne(*service, b), 0);
  EXPECT_EQ(table_.AddOne(*service, c, POLLIN, nullptr), 0);
}

TEST_F(SocketSetTest, ServiceWithoutCapacityTakesNone) {
  const auto service = NewService(0);
  EXPECT_EQ(table_.AddOne(*service, a, POLLIN, nullptr), -ENOMEM);
  EXPECT_EQ(Replace(*service, {a}), -ENOMEM);
  EXPECT_EQ(Replace(*service, {}), 0);
}

TEST_F(SocketSetTest, FaultsOfAddLeaveTheSetAlone) {
  const LogLines log;
  const UniqueFd file = RegularFile();
  ASSERT_EQ(Replace(*service_, {a}), 0);
  ASSERT_EQ(Replace(*other_, {b}), 0);
  EXPECT_EQ(table_.AddOne(*service_, -1, POLLIN, nullptr), -EINVAL);
  EXPECT_EQ(table_.AddOne(*service_, c, 0x1000, nullptr), -EINVAL);
  EXPECT_EQ(table_.AddOne(*service_, ClosedFd(), POLLIN, nullptr), -EBADF);
  EXPECT_EQ(table_.AddOne(*service_, file.get(), POLLIN, nullptr), -EPERM);
  EXPECT_EQ(table_.AddOne(*service_, a, POLLIN, nullptr), -EEXIST);
  EXPECT_EQ(table_.AddOne(*service_, b, POLLIN, nullptr), -EEXIST);
  table_.SetLimit(2);
  EXPECT_EQ(table_.AddOne(*service_, c, POLLIN, nullptr), -ENOSPC);
  EXPECT_THAT(ReadyFds(), UnorderedElementsAre(a, b));
  EXPECT_THAT(DescriptorFds(*service_), ElementsAre(a, -1, -1, -1));
  EXPECT_EQ(table_.CountSockets(*service_), std::pair(1, 1));
}

TEST_F(SocketSetTest, ModifiedEventsTakeEffect) {
  const SocketPair pair = UnixPair();
  const int fd = pair.ours.get();
  ASSERT_EQ(table_.AddOne(*service_, fd, POLLIN, nullptr), 0);
  EXPECT_THAT(ReadyFds(), IsEmpty());
  ASSERT_EQ(table_.ModifyOne(*service_, fd, POLLOUT), 0);
  EXPECT_THAT(ReadyFds(), ElementsAre(fd));
  EXPECT_EQ(service_->descriptor->pev[0].event.events, POLLOUT);
  EXPECT_EQ(table_.ModifyOne(*service_, fd, 0x1000), -EINVAL);
  EXPECT_EQ(SlotOfFd(fd).events, static_cast<uint32_t>(POLLOUT));
}

TEST_F(SocketSetTest, UserDataIsReplaced) {
  int before = 0;
  int after = 0;
  ASSERT_EQ(table_.AddOne(*service_, a, POLLIN, &before), 0);
  ASSERT_EQ(table_.SetUserData(*service_, a, &after), 0);
  EXPECT_EQ(SlotOfFd(a).user_data, &after);
  EXPECT_EQ(service_->descriptor->pev[0].user_data, &after);
}

TEST_F(SocketSetTest, FdsOfOthersAreUnknown) {
  ASSERT_EQ(Replace(*other_, {b}), 0);
  for (const int fd : {a, b, ClosedFd(), -1}) {
    EXPECT_EQ(table_.ModifyOne(*service_, fd, POLLIN), -ENOENT) << "fd " << fd;
    EXPECT_EQ(table_.SetUserData(*service_, fd, nullptr), -ENOENT) << "fd " << fd;
    EXPECT_EQ(table_.RemoveOne(*service_, fd), -ENOENT) << "fd " << fd;
  }
  EXPECT_THAT(ReadyFds(), ElementsAre(b));
}

// ---- Closing the set ------------------------------------------------------------

TEST_F(SocketSetTest, ClosedSetIsClosedBeforeItIsDone) {
  const int first = dup(a);
  const int second = dup(b);
  ASSERT_EQ(Replace(*service_, {first, second}), 0);
  bool closed = false;
  table_.RemoveSet(*service_, Fate::kClose, [&] { closed = !IsOpen(first) && !IsOpen(second); });
  EXPECT_THAT(DescriptorFds(*service_), Each(-1));
  EXPECT_TRUE(IsOpen(first));
  table_.Reap();
  EXPECT_TRUE(closed);
  // Not closed twice.
  const UniqueFd reused_first = EventFd(false);
  const UniqueFd reused_second = EventFd(false);
  table_.Reap();
  EXPECT_TRUE(IsOpen(reused_first.get()));
  EXPECT_TRUE(IsOpen(reused_second.get()));
}

TEST_F(SocketSetTest, ClosingAnEmptySetIsDoneAsWell) {
  bool done = false;
  table_.RemoveSet(*service_, Fate::kClose, [&] { done = true; });
  EXPECT_FALSE(done);
  table_.Reap();
  EXPECT_TRUE(done);
}

}  // namespace
}  // namespace sockhost
