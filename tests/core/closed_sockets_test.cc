#include "service_core/closed_sockets.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cerrno>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "sockhost/error.h"
#include "sockhost/service_host.h"
#include "tests/core/eventually.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<SocketId> Ids(const ClosedSockets& closed) {
  std::vector<SocketId> ids;
  for (uint64_t i = closed.begin(); i < closed.end(); ++i) ids.push_back(closed[i].id);
  return ids;
}

void Add(ClosedSockets& closed, SocketId id) {
  SocketSnapshot socket;
  socket.id = id;
  closed.Add(std::move(socket));
}

TEST(ClosedSocketsTest, IsEmptyAtFirst) {
  ClosedSockets closed;
  EXPECT_EQ(closed.limit(), 0u);
  EXPECT_THAT(Ids(closed), IsEmpty());
  closed.SetLimit(3);
  EXPECT_EQ(closed.limit(), 3u);
  EXPECT_THAT(Ids(closed), IsEmpty());
}

TEST(ClosedSocketsTest, KeepsTheLastInTheOrderOfClosing) {
  ClosedSockets closed;
  closed.SetLimit(3);
  Add(closed, 7);
  Add(closed, 5);
  EXPECT_THAT(Ids(closed), ElementsAre(7, 5));
  Add(closed, 6);
  EXPECT_THAT(Ids(closed), ElementsAre(7, 5, 6));
  Add(closed, 8);
  Add(closed, 9);
  EXPECT_THAT(Ids(closed), ElementsAre(6, 8, 9));
}

// A reader that comes back goes on where it was, whatever was added meanwhile.
TEST(ClosedSocketsTest, NumbersAreNeverUsedAgain) {
  ClosedSockets closed;
  closed.SetLimit(2);
  for (SocketId id = 0; id < 10; ++id) {
    Add(closed, id);
    EXPECT_EQ(closed.end(), static_cast<uint64_t>(id) + 1);
    EXPECT_EQ(closed[closed.end() - 1].id, id);
  }
  EXPECT_EQ(closed.begin(), 8u);
}

TEST(ClosedSocketsTest, WhatTheOldestHeldIsFreed) {
  ClosedSockets closed;
  closed.SetLimit(1);
  SocketSnapshot first;
  first.service = std::make_shared<const std::string>("echo");
  const std::weak_ptr<const std::string> name = first.service;
  closed.Add(std::move(first));
  EXPECT_FALSE(name.expired());
  Add(closed, 2);
  EXPECT_TRUE(name.expired());
}

TEST(ClosedSocketsTest, OneIsKept) {
  ClosedSockets closed;
  closed.SetLimit(1);
  Add(closed, 1);
  Add(closed, 2);
  EXPECT_THAT(Ids(closed), ElementsAre(2));
}

// ---- In the table ------------------------------------------------------------

void Echo(net_socket_service_event* event) {
  char buffer[4096];
  const ssize_t got = recv(event->event.fd, buffer, sizeof(buffer), 0);
  if (got > 0) send(event->event.fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL);
}

// A host with one TCP listener of a service that echoes.
class ClosedSocketsHostTest : public testing::Test {
 protected:
  void Start(size_t closed_sockets, const std::string& address = "tcp://127.0.0.1:0") {
    sockhost_service_definition definition{};
    definition.name = "echo";
    definition.owner = "closed_sockets_test.cc:1";
    definition.handler = Echo;
    ASSERT_TRUE(host_.DefineService(definition, ServiceKind::kBuiltIn).ok());
    HostOptions options;
    options.closed_sockets = closed_sockets;
    ASSERT_TRUE(host_.Start(options).ok());
    ListenerConfig config;
    config.name = "web";
    config.service = "echo";
    config.address = *SocketAddress::Parse(address);
    const auto listener = host_.CreateListener(config);
    ASSERT_TRUE(listener.ok()) << listener.status();
    address_ = listener->effective_address;
  }

  // A connection that has echoed `text`.
  UniqueFd Connect(const std::string& text) {
    UniqueFd client = ConnectTo(address_);
    SendText(client.get(), text);
    EXPECT_EQ(ReceiveText(client.get(), text.size()), text);
    return client;
  }

  std::vector<SocketSnapshot> Open(Role role) {
    std::vector<SocketSnapshot> found;
    host_.ForEachSocket([&](SocketSnapshot&& socket) {
      if (socket.role == role) found.push_back(std::move(socket));
    });
    return found;
  }

  std::vector<SocketId> Closed() {
    std::vector<SocketId> ids;
    host_.ForEachClosedSocket([&ids](SocketSnapshot&& socket) { ids.push_back(socket.id); });
    return ids;
  }

  Reason ReasonOfClosing(SocketId id) {
    const absl::Status status = host_.CloseSocket(id, [] { ADD_FAILURE() << "it is refused"; });
    const std::optional<ErrorDetail> detail = DetailOf(status);
    return detail ? detail->reason : Reason::kINTERNAL;
  }

  ServiceHost host_;
  SocketAddress address_;
};

TEST_F(ClosedSocketsHostTest, ClosedSocketKeepsItsFinalState) {
  Start(8);
  UniqueFd client = Connect("hello");
  const SocketSnapshot open = Open(Role::kConnection).at(0);
  EXPECT_EQ(open.close_reason, CloseReason::kNone);
  EXPECT_FALSE(host_.FindClosedSocket(open.id).has_value());
  const int64_t before = absl::GetCurrentTimeNanos();
  client.reset();
  ASSERT_TRUE(Becomes([&] { return Closed(); }, ElementsAre(open.id)));
  const SocketSnapshot closed = host_.FindClosedSocket(open.id).value();
  EXPECT_EQ(closed.close_reason, CloseReason::kPeerClosed);
  EXPECT_GE(closed.close_time_nanos, before);
  EXPECT_EQ(closed.fd, open.fd);
  EXPECT_EQ(closed.local, open.local);
  EXPECT_EQ(closed.remote, open.remote);
  EXPECT_EQ(closed.protocol, Protocol::kTcp);
  EXPECT_EQ(*closed.service, "echo");
  EXPECT_EQ(*closed.listener, "web");
  EXPECT_GE(closed.counters[Counter::handler_calls], open.counters[Counter::handler_calls]);
  EXPECT_FALSE(host_.FindSocket(open.id).has_value());
}

// A program that a handler has forked, say. Streams of unix sockets are polled by level: the end
// of such a connection would be reported again and again.
TEST_F(ClosedSocketsHostTest, ConnectionThatLivesOnElsewhereIsNotReportedForEver) {
  Start(8, absl::StrCat("unix:@closed-sockets-test-", getpid()));
  const UniqueFd other = Connect("x");
  const SocketId other_id = Open(Role::kConnection).at(0).id;
  UniqueFd client = Connect("x");
  std::vector<SocketSnapshot> connections = Open(Role::kConnection);
  std::erase_if(connections, [&](const SocketSnapshot& socket) { return socket.id == other_id; });
  const UniqueFd elsewhere(fcntl(connections.at(0).fd, F_DUPFD_CLOEXEC, 0));
  client.reset();
  ASSERT_TRUE(Becomes([&] { return Closed(); }, ElementsAre(connections.at(0).id)));
  EXPECT_TRUE(Becomes([&] { return host_.Statistics().epoll_rebuilds; }, 1));
  const int64_t wakeups = host_.Statistics().wakeups;
  SendText(other.get(), "y");
  EXPECT_EQ(ReceiveText(other.get(), 1), "y");
  EXPECT_LE(host_.Statistics().wakeups, wakeups + 2);
  EXPECT_LE(host_.Statistics().stale_events, 2);
}

TEST_F(ClosedSocketsHostTest, OfManyAtOnceTheLastStay) {
  Start(3);
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 10; ++i) clients.push_back(Connect("x"));
  std::promise<void> done;
  ASSERT_TRUE(host_.DeleteListener("web", /*force=*/true, [&done] { done.set_value(); }).ok());
  done.get_future().wait();
  EXPECT_EQ(Closed().size(), 3u);
  EXPECT_EQ(host_.closed_sockets(), 3u);
  EXPECT_EQ(host_.max_closed_sockets(), 3u);
}

TEST_F(ClosedSocketsHostTest, NoneIsKeptIfNoneIsWanted) {
  Start(0);
  UniqueFd client = Connect("x");
  const SocketId id = Open(Role::kConnection).at(0).id;
  client.reset();
  EXPECT_TRUE(Becomes([&] { return host_.FindSocket(id).has_value(); }, false));
  EXPECT_THAT(Closed(), IsEmpty());
  EXPECT_EQ(host_.max_closed_sockets(), 0u);
}

TEST_F(ClosedSocketsHostTest, CloseSocketEndsOneConnection) {
  Start(8);
  const UniqueFd client = Connect("x");
  const UniqueFd other = Connect("x");
  const SocketSnapshot open = Open(Role::kConnection).at(0);
  std::promise<void> done;
  ASSERT_TRUE(host_.CloseSocket(open.id, [&done] { done.set_value(); }).ok());
  done.get_future().wait();
  EXPECT_EQ(host_.FindClosedSocket(open.id).value().close_reason, CloseReason::kClosedByAdmin);
  EXPECT_EQ(Open(Role::kConnection).size(), 1u);
  EXPECT_EQ(ReasonOfClosing(open.id), Reason::kSOCKET_NOT_FOUND);
}

TEST_F(ClosedSocketsHostTest, OnlyConnectionsCanBeClosed) {
  Start(8);
  EXPECT_EQ(ReasonOfClosing(Open(Role::kListening).at(0).id), Reason::kSTATE_INVALID);
  for (const SocketId id : {SocketId{0}, SocketId{-1}, SocketId{4711}}) {
    EXPECT_EQ(ReasonOfClosing(id), Reason::kSOCKET_NOT_FOUND);
  }
  EXPECT_EQ(host_.sockets(), 1u);
}

TEST_F(ClosedSocketsHostTest, InspectGivesTheFdWhileItIsOpen) {
  Start(8);
  UniqueFd client = Connect("x");
  const SocketSnapshot open = Open(Role::kConnection).at(0);
  int seen = -1;
  EXPECT_TRUE(host_.InspectSocket(open, [&seen](int fd) { seen = fd; }));
  EXPECT_EQ(seen, open.fd);
  client.reset();
  ASSERT_TRUE(Becomes([&] { return Closed(); }, ElementsAre(open.id)));
  EXPECT_FALSE(host_.InspectSocket(open, [](int) { ADD_FAILURE() << "it is closed"; }));
  // The number is used again, by another socket.
  const UniqueFd next = Connect("x");
  EXPECT_FALSE(host_.InspectSocket(open, [](int) { ADD_FAILURE() << "another socket's fd"; }));
}

}  // namespace
}  // namespace sockhost
