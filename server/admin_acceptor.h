// Accepts the connections of the admin API and hands them to gRPC.
#ifndef SOCKHOST_SERVER_ADMIN_ACCEPTOR_H_
#define SOCKHOST_SERVER_ADMIN_ACCEPTOR_H_

#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "admin_address.h"
#include "admin_listening_socket.h"
#include "admin_peers.h"
#include "connection_numbers.h"
#include "line_budget.h"

namespace sockhost {

// gRPC's own listener goes deaf for ever after one EMFILE, and its shutdown waits
// for readers that have stopped. So sockhost accepts admin connections itself:
// running out of fds is a pause, the number of connections is bounded, the peer
// of each is known, and a second fd for each lets it end any of them at once.
//
//               accepted                  "PRI * HTTP/2.0..."
//   plaintext  ---------> waiting ------------------------------> with gRPC
//                            | silent for 5 s, or other bytes         |
//                            v                                        | peer
//   TLS  ------------------------- with gRPC, which ends what         | gone
//                            |     does not shake hands in 5 s        v
//                            +------------------------------------> closed
//
// Gone is a peer when both directions are shut, be it by the peer, by gRPC or by CutOff: until then
// gRPC may have the connection, and it has its place and its name.
//
// The one file that uses gRPC's experimental ways in (AddInsecureChannelFromFd,
// AddExternalConnectionAcceptor). Thread rule: one thread, main.
class AdminAcceptor {
 public:
  // True for peers that may have the last places.
  using IsOperator = std::function<bool(const AdminPeer&)>;

  // At most `max_connections` at a time. The last quarter of these places is for
  // unix sockets, the last two places for operators among them. Who comes when
  // there is no place takes that of the oldest connection that has not spoken yet (on
  // TCP: of another on TCP; never that of an operator, unless it is one), or is closed. One with
  // TLS has spoken when it has made a call. `peers` is told of those that gRPC has; not owned.
  AdminAcceptor(size_t max_connections, AdminPeers& peers, IsOperator is_operator);
  // Closes everything, and removes the unix sockets' files.
  ~AdminAcceptor();
  AdminAcceptor(const AdminAcceptor&) = delete;
  AdminAcceptor& operator=(const AdminAcceptor&) = delete;

  // Opens a listening socket; returns its address, with the port that the kernel
  // chose. Errors: those of AdminListeningSocket::Open; INTERNAL.
  absl::StatusOr<std::string> Listen(const AdminAddress& address);

  // Adds the way into gRPC for TLS. Before BuildAndStart, and only if there is a
  // TLS address.
  void AttachTls(grpc::ServerBuilder& builder,
                 std::shared_ptr<grpc::ServerCredentials> credentials);
  // The server that takes the connections; before Serve. Not owned.
  void SetServer(grpc::Server& server) { server_ = &server; }

  // An fd that is readable when Serve has something to do.
  int fd() const { return epoll_; }
  // Accepts what waits, forgets what has ended. Returns the number of
  // milliseconds after which it must be called again even if fd() is not
  // readable, -1: never.
  int Serve();

  // Stops accepting.
  void StopListening();
  // Ends every connection: gRPC and the peer see it closed.
  void ShutdownConnections();
  size_t connections() const { return connections_.size(); }

 private:
  using Time = std::chrono::steady_clock::time_point;

  // By our own fd. gRPC has another of the same connection.
  struct Connection {
    AdminPeer peer;
    // In AdminPeers.
    std::string name;
    // gRPC's fd. -1: TLS, gRPC has had it from the start.
    int number = -1;
    // The number may be used from then on.
    Time usable;
    // A connection that waits is closed then; one with TLS by gRPC, if its handshake lasts so
    // long.
    Time deadline;
    bool waits = false;
  };
  using Connections = std::map<int, Connection>;

  absl::Status Watch(int operation, int fd, uint32_t events) const;
  void Pause(bool pause);
  // False if accepting must pause.
  bool AcceptSome(const AdminListeningSocket& listening);
  // Gives up the spare fds; false if they are gone.
  bool UseSpareFds();
  void OpenSpareFds();
  void Take(const AdminListeningSocket& listening, int fd);
  void LogRefusal(const AdminPeer& peer);
  // How many connections may be open together with one of the peer.
  size_t PlacesFor(const AdminPeer& peer) const;
  bool IsSilent(int fd, const Connection& connection) const;
  bool MayPushOut(const AdminPeer& newcomer, const AdminPeer& peer) const;
  bool EvictSilent(const AdminPeer& newcomer);
  void TakeTls(const AdminListeningSocket& listening, int fd, AdminPeer peer);
  void TakePlaintext(int fd, AdminPeer peer);
  void Insert(int fd, Connection connection);
  // Whether a connection that waits may be handed over, must go, or waits on.
  void Advance(Connections::iterator connection, Time now);
  void HandOver(Connections::iterator connection);
  // Forgets it; the iterator behind it.
  Connections::iterator Close(Connections::iterator connection);
  int AdvanceWaiting();

  const size_t max_connections_;
  AdminPeers& peers_;
  const IsOperator is_operator_;
  int epoll_ = -1;
  std::list<AdminListeningSocket> listening_;
  bool paused_ = false;
  // Kept for an operator who comes when no fd can be opened; -1 each when used.
  std::array<int, 2> spare_fds_{-1, -1};
  ConnectionNumbers numbers_;
  // Kept no longer than gRPC or the peer does: our fd keeps a connection half alive.
  Connections connections_;
  size_t waiting_ = 0;
  LineBudget refusals_{1};
  grpc::Server* server_ = nullptr;
  // The way in for TLS.
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> tls_door_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_ACCEPTOR_H_
