// RFC 862: TCP and UDP. Runs on the service thread.
#include <poll.h>
#include <zephyr/net/socket.h>

#include <cstddef>
#include <vector>

#include "built_in_services.h"
#include "datagram_batch.h"

namespace sockhost {
namespace {

// Read at once. What the peer does not take is kept, so this is also the most
// that is ever kept for one connection.
constexpr size_t kReadSize = 64 * 1024;

// Of one connection, before the others have their turn: what many messages in
// flight gain by it is gained with 4 (16 in flight of 16 KiB), at less than 0.1 ms.
// One larger read would gain the same, but all of it may have to be kept.
constexpr int kMostReads = 4;

// Bytes that the peer has not taken yet: the user_data of a connection, nullptr
// for the usual case that there are none.
struct Backlog {
  std::vector<char> bytes;
  size_t sent = 0;
};

void FreeBacklog(void* user_data) { delete static_cast<Backlog*>(user_data); }

// One for all connections: only one handler runs at a time.
char buffer[kReadSize];

void SendBacklog(int fd, Backlog& backlog) {
  const size_t left = backlog.bytes.size() - backlog.sent;
  const ssize_t sent = zsock_send(fd, backlog.bytes.data() + backlog.sent, left, 0);
  if (sent < 0) return;  // EAGAIN, or the connection failed and POLLERR follows
  backlog.sent += static_cast<size_t>(sent);
  if (backlog.sent < backlog.bytes.size()) return;
  delete &backlog;
  sockhost_socket_set_user_data(fd, nullptr);
  sockhost_socket_set_events(fd, POLLIN);
}

// Keeps what the peer did not take, and stops reading until it has: a peer that
// does not read is not read.
void KeepBacklog(int fd, const char* begin, const char* end) {
  sockhost_socket_set_user_data(fd, new Backlog{std::vector<char>(begin, end), 0});
  sockhost_socket_set_events(fd, POLLOUT);
}

// Returns whether a whole read was there, and the peer took all of it: there may
// be more to echo.
bool EchoOneRead(int fd) {
  const ssize_t received = zsock_recv(fd, buffer, sizeof(buffer), 0);
  if (received <= 0) return false;  // the host closes what has ended or failed
  const ssize_t sent = zsock_send(fd, buffer, static_cast<size_t>(received), 0);
  if (sent == received) return received == sizeof(buffer);
  KeepBacklog(fd, buffer + (sent > 0 ? sent : 0), buffer + received);
  return false;
}

void EchoStream(int fd, Backlog* backlog) {
  if (backlog) return SendBacklog(fd, *backlog);
  for (int reads = 0; reads < kMostReads && EchoOneRead(fd); ++reads) {
  }
}

void EchoDatagrams(int fd) {
  DatagramBatch& batch = DatagramBatch::OfServiceThread();
  batch.SendBack(fd, batch.ReceiveRequests(fd, DatagramGuard::OfServiceThread()));
}

void HandleEcho(net_socket_service_event* event) {
  const int fd = event->event.fd;
  if (sockhost_socket_is_datagram(fd)) return EchoDatagrams(fd);
  EchoStream(fd, static_cast<Backlog*>(event->user_data));
}

}  // namespace

const sockhost_service_definition kEchoService = {
    .name = "echo",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleEcho,
    .capacity = 0,
    .connection_events = POLLIN,
    .free_user_data = FreeBacklog,
    .keeps_connections = 0,
};

}  // namespace sockhost
