// Where the zsock_ calls report what they did, so that the counters see it.
#ifndef SOCKHOST_SERVICE_CORE_SOCKET_TRAFFIC_H_
#define SOCKHOST_SERVICE_CORE_SOCKET_TRAFFIC_H_

#include <sys/types.h>

#include <cstddef>

namespace sockhost {

// All of these: any thread; an fd that is not registered is ignored; errno is
// read where `result` is -1, and left as it was.

// True on the service thread for a TCP connection that the host accepted or opened.
bool IsOwnTcp(int fd);

// One receive call returned `result` bytes (0: end of stream or an empty
// datagram), as `messages` messages; `truncated` of them lost their tail. `is_drained`:
// there was no more. `asked`: the most bytes that it could return; of a stream that was
// asked for none, 0 is not the end.
void CountReceive(int fd, ssize_t result, size_t messages, size_t truncated,
                  bool is_drained = false, size_t asked = 1);

// One send call was offered `offered` bytes and returned `result`.
void CountTransmit(int fd, ssize_t result, size_t offered, size_t messages);

// Who closes the fd that a program wants to close.
enum class Closer {
  kProgram,
  kHost,    // when the handler returns
  kNobody,  // it is that of a listener itself, which ends with the listener
};

// The program is about to close `fd`: tells who does. A registered socket is unregistered
// first.
Closer NoteClose(int fd);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SOCKET_TRAFFIC_H_
