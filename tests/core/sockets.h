// Real sockets for tests. Everything here is non-blocking unless it says so.
#ifndef SOCKHOST_TESTS_CORE_SOCKETS_H_
#define SOCKHOST_TESTS_CORE_SOCKETS_H_

#include <sys/socket.h>

#include <string>

#include "absl/strings/string_view.h"
#include "service_core/unique_fd.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// Two connected sockets: one to be registered, one to drive it.
struct SocketPair {
  UniqueFd ours;
  UniqueFd peer;
};

SocketPair UnixPair(int type = SOCK_STREAM);
SocketPair TcpPair();

// The number of an eventfd, readable or not.
UniqueFd EventFd(bool readable);
// An eventfd with this number, which was closed a moment ago. Waits for as long as another
// thread has a file under it: not only the test opens files in its process.
UniqueFd EventFdNumbered(int number, bool readable);
// A socket that was only made: neither bound nor connected.
UniqueFd NewSocket(int family, int type);
// A UDP socket on 127.0.0.1.
UniqueFd BoundUdp();
// Cannot be polled.
UniqueFd RegularFile();
// A number that is not open, however many files are.
int ClosedFd();

// Binds to a port of 127.0.0.1 that the kernel chooses.
void BindToLoopback(int fd);
SocketAddress LocalAddress(int fd, Protocol protocol);

// A client: connected, blocking.
UniqueFd ConnectTo(const SocketAddress& address);
// Another attempt that may fail; not valid then.
UniqueFd TryConnect(const SocketAddress& address);

void SendText(int fd, absl::string_view text);
// Waits until `fd` has something to read.
bool WaitReadable(int fd);
// Waits for `size` bytes; fewer if the peer closes or nothing comes.
std::string ReceiveText(int fd, size_t size);
// Waits for the end of the stream; data before it is thrown away.
bool WaitClosed(int fd);
// Takes everything that is there, as a handler should. True if something was.
bool TakeAll(int fd);

bool IsOpen(int fd);
// Lets close(2) answer with RST instead of FIN.
void ResetOnClose(int fd);

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_SOCKETS_H_
