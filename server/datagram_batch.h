// Datagrams received and answered many at a time.
#ifndef SOCKHOST_SERVER_DATAGRAM_BATCH_H_
#define SOCKHOST_SERVER_DATAGRAM_BATCH_H_

#include <sys/socket.h>

#include <array>
#include <cstddef>
#include <memory>

namespace sockhost {

// Buffers for the datagrams of one wake-up. Thread rule: the service thread;
// what was received is valid until the next Receive.
class DatagramBatch {
 public:
  // Taken at once before other sockets have their turn.
  static constexpr size_t kMost = 32;
  // No UDP datagram is longer (65535 less the headers).
  static constexpr size_t kLongest = 65535;

  // The one batch that the built-in services share.
  static DatagramBatch& OfServiceThread();

  DatagramBatch();

  // Receives what waits, at most kMost. Returns how many; 0 if there is nothing,
  // or only an error (an ICMP message for a datagram sent before), which is
  // counted.
  size_t Receive(int fd);

  // Sends the first `count` back to where they came from. What the kernel does
  // not take is dropped, as UDP may, and counted.
  void SendBack(int fd, size_t count);

 private:
  std::unique_ptr<char[]> bytes_;
  std::array<iovec, kMost> parts_;
  // Of IPv4, IPv6 or unix.
  std::array<sockaddr_storage, kMost> peers_;
  std::array<mmsghdr, kMost> headers_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_DATAGRAM_BATCH_H_
