// From a call of the admin API to the connection that it came on.
#ifndef SOCKHOST_SERVER_ADMIN_PEERS_H_
#define SOCKHOST_SERVER_ADMIN_PEERS_H_

#include <grpcpp/server_context.h>

#include <atomic>
#include <cstddef>
#include <memory>
#include <string>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "admin_peer.h"

namespace sockhost {

// The connections that gRPC has, by their names: what gRPC calls a connection is
// all that a call tells of it. That is "fd:NUMBER", the number of gRPC's fd, for a
// plaintext connection, and the peer's address for one with TLS.
//
// Thread rule: any.
class AdminPeers {
 public:
  // The name of a plaintext connection. That of one with TLS is AdminPeer::address.
  static std::string NameOf(int number);

  // `fd`: any of the connection; not owned, and open until Remove.
  void Add(const std::string& name, int fd, AdminPeer peer);
  void Remove(const std::string& name, int fd);

  // True from the first call on that Of was asked for, of a connection with TLS: its
  // handshake is over.
  bool HasCalled(const std::string& name, int fd) const;

  // Of AdminAcceptor, those that gRPC does not have yet among them.
  void SetConnections(size_t count) { open_.store(count, std::memory_order_relaxed); }
  size_t connections() const { return open_.load(std::memory_order_relaxed); }

  // Null if the connection has ended.
  std::shared_ptr<const AdminPeer> Of(const grpc::ServerContextBase& call) const;

  // Ends the connection that gRPC calls `grpc_peer`, at once: neither its peer nor
  // gRPC has to do anything for it. Nothing happens if it has ended.
  void CutOff(const std::string& grpc_peer);

 private:
  void NoteCall(const std::string& name) const;

  struct Connection {
    int fd;
    std::shared_ptr<const AdminPeer> peer;
    // Set by Of.
    mutable bool has_called = false;
    bool is_cut_off = false;
  };

  std::atomic<size_t> open_{0};
  mutable absl::Mutex mutex_;
  // One peer may be connected to several of our addresses from the same port.
  std::unordered_multimap<std::string, Connection> connections_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_PEERS_H_
