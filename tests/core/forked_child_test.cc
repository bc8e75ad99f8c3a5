#include "service_core/forked_child.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zephyr/net/socket.h>

#include <atomic>
#include <cerrno>
#include <string>

#include "tests/core/eventually.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Gt;

using Event = net_socket_service_event;

class ForkedChildTest : public ProcessHostFixture {
 protected:
  // Sends back what comes.
  static void Echo(Event* event) {
    char byte;
    if (zsock_recv(event->event.fd, &byte, 1, 0) == 1) zsock_send(event->event.fd, &byte, 1, 0);
  }

  // Exit status of a child, -1: it did not exit.
  static int StatusOf(pid_t child) {
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }

  static void ExpectServed(const SocketPair& pair) {
    SendText(pair.peer.get(), "x");
    EXPECT_EQ(ReceiveText(pair.peer.get(), 1), "x");
  }

  const SocketPair pair_ = TcpPair();
};

bool IsOpen(int fd) { return fcntl(fd, F_GETFD) >= 0; }

TEST_F(ForkedChildTest, WhatAChildDoesIsNotDoneToTheParent) {
  TestService service(4, nullptr, Echo);
  const int fd = pair_.ours.get();
  ASSERT_EQ(sockhost_service_add(service, fd, POLLIN, nullptr), 0);
  const pid_t child = fork();
  ASSERT_GE(child, 0);
  if (child == 0) {
    int failed = IsForkedChild() ? 0 : 1;
    if (sockhost_service_modify(service, fd, 0) != -EIO) failed |= 2;
    if (sockhost_service_remove(service, fd) != -EIO) failed |= 4;
    if (net_socket_service_unregister(service) != -EIO) failed |= 8;
    sockhost_service_withdraw(service);  // as exit(3) does
    if (zsock_close(fd) != 0 || IsOpen(fd)) failed |= 16;
    _exit(failed);
  }
  EXPECT_EQ(StatusOf(child), 0);
  EXPECT_FALSE(IsForkedChild());
  ExpectServed(pair_);
  EXPECT_EQ(service.Snapshot().registered, 1);
}

TEST_F(ForkedChildTest, ChildThatReturnsFromTheHandlerServesNobody) {
  static std::atomic<pid_t> child;
  child = 0;
  TestService service(4, nullptr, [](Event* event) {
    if (child > 0) return Echo(event);
    char byte;
    zsock_recv(event->event.fd, &byte, 1, 0);
    const pid_t pid = fork();
    if (pid == 0) {
      zsock_close(event->event.fd);
    } else {
      child = pid;
    }
  });
  ASSERT_EQ(sockhost_service_add(service, pair_.ours.get(), POLLIN, nullptr), 0);
  SendText(pair_.peer.get(), "f");
  ASSERT_TRUE(Becomes([&] { return child.load(); }, Gt(0)));
  EXPECT_EQ(StatusOf(child), EXIT_FAILURE);
  ExpectServed(pair_);
}

}  // namespace
}  // namespace sockhost
