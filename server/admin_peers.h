// From a call of the admin API to the peer that made it.
#ifndef SOCKHOST_SERVER_ADMIN_PEERS_H_
#define SOCKHOST_SERVER_ADMIN_PEERS_H_

#include <grpcpp/server_context.h>

#include <memory>
#include <unordered_map>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "admin_peer.h"

namespace sockhost {

// The peers of the plaintext connections, by the number of the fd that gRPC has:
// gRPC calls such a connection "fd:NUMBER", which is all that a call tells of it.
// TLS connections need no entry: their calls carry the certificate.
//
// Thread rule: any.
class AdminPeers {
 public:
  void Add(int number, AdminPeer peer);
  void Remove(int number);

  // Null if the connection has ended.
  std::shared_ptr<const AdminPeer> Of(const grpc::ServerContextBase& call) const;

 private:
  mutable absl::Mutex mutex_;
  std::unordered_map<int, std::shared_ptr<const AdminPeer>> peers_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_PEERS_H_
