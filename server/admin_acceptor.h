// Accepts the connections of the admin API and hands them to gRPC.
#ifndef SOCKHOST_SERVER_ADMIN_ACCEPTOR_H_
#define SOCKHOST_SERVER_ADMIN_ACCEPTOR_H_

#include <grpcpp/server_builder.h>

#include <cstdint>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "admin_address.h"

namespace sockhost {

// gRPC's own listener goes deaf for ever after one EMFILE, and its shutdown waits
// for readers that have stopped. So sockhost accepts admin connections itself:
// running out of fds is a pause, the number of connections is bounded, and a dup
// of each connection's fd lets it end any of them at once.
//
// The one file that uses gRPC's experimental acceptor (AddExternalConnection-
// Acceptor). Thread rule: one thread, main.
class AdminAcceptor {
 public:
  // At most `max_connections` at a time; more are closed at once.
  explicit AdminAcceptor(size_t max_connections);
  // Closes everything, and removes the unix sockets' files.
  ~AdminAcceptor();
  AdminAcceptor(const AdminAcceptor&) = delete;
  AdminAcceptor& operator=(const AdminAcceptor&) = delete;

  // Opens a listening socket. A file that a dead daemon left is replaced; one of
  // a living daemon is ADDRESS_IN_USE. Returns the address with the port that
  // the kernel chose. Errors: those of OpenSocket; INTERNAL.
  absl::StatusOr<std::string> Listen(const AdminAddress& address);

  // Adds the way into gRPC. Before BuildAndStart.
  void Attach(grpc::ServerBuilder& builder);

  // An fd that is readable when Serve has something to do.
  int fd() const { return epoll_; }
  // Accepts what waits, forgets what has ended. Returns the number of
  // milliseconds after which it must be called again, -1: when fd() is readable.
  int Serve();

  // Stops accepting.
  void StopListening();
  // Ends every connection: gRPC and the peer see it closed.
  void ShutdownConnections();
  size_t connections() const { return connections_.size(); }

 private:
  struct ListeningSocket {
    int fd = -1;
    std::string path;
    // Of the file at `path`, so that only our own is removed.
    uint64_t inode = 0;
  };

  absl::StatusOr<std::string> ListenUnix(const std::string& path);
  absl::StatusOr<std::string> ListenTcp(const SocketAddress& address);
  absl::Status Watch(int fd, uint32_t events) const;
  // False if accepting must pause.
  bool AcceptAll(int listening_fd);
  void HandOver(int listening_fd, int fd);

  const size_t max_connections_;
  int epoll_ = -1;
  std::vector<ListeningSocket> listening_;
  bool paused_ = false;
  // Dups of the fds that gRPC has. Kept only while the peer is there: a dup
  // keeps a connection half alive.
  std::set<int> connections_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> door_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_ACCEPTOR_H_
