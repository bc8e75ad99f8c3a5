// Why a connection went away, as the table remembers it.
#include <gmock/gmock.h>
#include <zephyr/net/socket.h>

#include <cerrno>
#include <stdexcept>
#include <utility>

#include "sockhost/socket_close.h"
#include "sockhost/socket_service_ext.h"
#include "tests/core/listeners_fixture.h"

namespace sockhost {
namespace {

class CloseReasonTest : public ListenersFixture {
 protected:
  // Connects to a new listener of the test service.
  UniqueFd Connect() {
    UniqueFd client = ConnectTo(Create(Config("web")).effective_address);
    EXPECT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
    slot_ = SlotWithId(SocketOf(Role::kConnection).id);
    return client;
  }

  // Waits until the connection is gone.
  CloseReason Reason() {
    EXPECT_TRUE(Becomes([this] { return table_.size(); }, testing::Le(1u)));
    FinishTurns(loop_);
    CloseReason reason = CloseReason::kNone;
    RunOnServiceThread(loop_, [&] { reason = slot_->close_reason; });
    return reason;
  }

 private:
  SocketSlot* SlotWithId(SocketId id) {
    SocketSlot* slot = nullptr;
    RunOnServiceThread(loop_, [&] { slot = table_.SlotOfId(id); });
    return slot;
  }

  SocketSlot* slot_ = nullptr;
};

TEST_F(CloseReasonTest, EndOfStreamIsThePeersClose) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  Connect().reset();
  EXPECT_EQ(Reason(), CloseReason::kPeerClosed);
}

TEST_F(CloseReasonTest, ResetIsAFailure) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  UniqueFd client = Connect();
  ResetOnClose(client.get());
  client.reset();
  EXPECT_EQ(Reason(), CloseReason::kFailed);
}

TEST_F(CloseReasonTest, ReceiveErrorIsAFailure) {
  DefineTestService([](const Event& event) {
    errno = ETIMEDOUT;
    CountReceive(event.event.fd, -1, 0, 0);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  SendText(client.get(), "x");
  EXPECT_EQ(Reason(), CloseReason::kFailed);
}

// No end of the stream, and no failure of the connection.
TEST_F(CloseReasonTest, ReceiveCallsThatAskForNothingEndNothing) {
  DefineTestService([](const Event& event) {
    char byte;
    EXPECT_EQ(zsock_recv(event.event.fd, &byte, 0, 0), 0);
    iovec part{&byte, 0};
    msghdr message{};
    message.msg_iov = &part;
    message.msg_iovlen = 1;
    EXPECT_EQ(zsock_recvmsg(event.event.fd, &message, 0), 0);
    EXPECT_EQ(zsock_recv(event.event.fd, &byte, 1, MSG_OOB), -1);
    EXPECT_EQ(errno, EINVAL);
    Echo(event);
  });
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  for (int i = 0; i < 3; ++i) {
    SendText(client.get(), "x");
    EXPECT_EQ(ReceiveText(client.get(), 1), "x");
  }
  EXPECT_EQ(ListenerCounters("web")[Counter::receive_errors], 3);
}

TEST_F(CloseReasonTest, HandlerThatClosesIsTheService) {
  DefineTestService([](const Event& event) { sockhost_socket_close(event.event.fd); });
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  SendText(client.get(), "x");
  EXPECT_EQ(Reason(), CloseReason::kClosedByService);
}

TEST_F(CloseReasonTest, HandlerMayGiveAReasonOfItsOwn) {
  DefineTestService(
      [](const Event& event) { CloseSocket(event.event.fd, CloseReason::kUpstreamFailed); });
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  SendText(client.get(), "x");
  EXPECT_EQ(Reason(), CloseReason::kUpstreamFailed);
}

TEST_F(CloseReasonTest, ExceptionIsTheHandlersFailure) {
  DefineTestService([](const Event&) { throw std::runtime_error("on purpose"); });
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  SendText(client.get(), "x");
  EXPECT_EQ(Reason(), CloseReason::kHandlerFailed);
}

TEST_F(CloseReasonTest, ConnectionGoesWithItsListener) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  Delete("web");
  EXPECT_EQ(Reason(), CloseReason::kListenerDeleted);
}

TEST_F(CloseReasonTest, CallerOfRemoveGivesItsReason) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  const UniqueFd client = Connect();
  EXPECT_TRUE(
      table_.Remove(SocketOf(Role::kConnection).id, Fate::kClose, CloseReason::kClosedByAdmin));
  EXPECT_EQ(Reason(), CloseReason::kClosedByAdmin);
}

TEST_F(CloseReasonTest, NextConnectionInTheSameSlotHasNone) {
  DefineTestService(Echo);
  const StopOnExit stop(loop_);
  Connect().reset();
  ASSERT_EQ(Reason(), CloseReason::kPeerClosed);
  const UniqueFd next = ConnectTo(listeners_.Find("web")->effective_address);
  ASSERT_TRUE(CounterBecomes("web", Counter::active_connections, 1));
  RunOnServiceThread(loop_, [&] {
    const SocketSlot* slot = table_.SlotOfId(SocketOf(Role::kConnection).id);
    EXPECT_EQ(slot->close_reason, CloseReason::kNone);
  });
}

}  // namespace
}  // namespace sockhost
