// The addresses of the admin API, to which nothing is forwarded.
#ifndef SOCKHOST_SERVER_RESERVED_ADDRESSES_H_
#define SOCKHOST_SERVER_RESERVED_ADDRESSES_H_

#include <sys/types.h>

#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// Whoever came to the admin API through a listener of this host would come as the host itself:
// with the daemon's user on a unix socket, from loopback on TCP.
//
// Thread rule: any thread.
class ReservedAddresses {
 public:
  // The one of the process, never destroyed: what the admin API and the forward service share
  // without knowing of each other.
  static ReservedAddresses& OfProcess();

  // `address` is that of a listening socket, as it is bound; `name` is the operator's word
  // for it, with the scheme of TLS.
  void Add(const SocketAddress& address, std::string name);

  // The name of the one that a connection to `upstream` would reach, if there is one: also by
  // another spelling, a symbolic or a hard link of the path of a unix socket, and by every address
  // of this machine where it listens at a wildcard.
  std::optional<std::string> ReachedBy(const SocketAddress& upstream) const;

 private:
  struct Entry {
    SocketAddress address;
    std::string name;
    // Of a unix socket's file; 0: there is none.
    dev_t device = 0;
    ino_t inode = 0;
  };

  mutable absl::Mutex mutex_;
  std::vector<Entry> entries_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_RESERVED_ADDRESSES_H_
