// The addresses from which this host forwards.
#ifndef SOCKHOST_SERVER_OWN_SOURCES_H_
#define SOCKHOST_SERVER_OWN_SOURCES_H_

#include <netinet/in.h>

#include <cstdint>
#include <unordered_map>
#include <utility>

#include "absl/container/inlined_vector.h"
#include "absl/hash/hash.h"
#include "absl/numeric/int128.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// Tells a client that is this host itself: what comes from there would be forwarded
// for ever. This is how a loop ends that no check of addresses has seen: through a
// host name, or a port that the kernel chose.
//
// Thread rule: the service thread.
class OwnSources {
 public:
  // Address (IPv4 in its IPv6 form) and port; {0, 0}: of another family.
  using End = std::pair<absl::uint128, uint16_t>;
  // Local and remote end. Both, because one local port can serve connections to
  // different places. Of a datagram socket the remote end is left out: its port is
  // its own, and what it sends says nothing of where it was sent to.
  using Source = std::pair<End, End>;

  static OwnSources& OfServiceThread();

  // Remembers that `fd` connects to `destination`; until Remove. Not where nobody of this host
  // listens: what is accepted there is somebody else's.
  Source Add(int fd, const SocketAddress& destination);
  void Remove(const Source& source);

  // True if `fd`, an accepted connection, is the other end of one of them.
  bool IsPeerOf(int fd) const;
  // True if a datagram from `address`, or the sockaddr_in in its place, comes from one
  // of them.
  bool IsSender(const sockaddr_in6& address) const;

 private:
  bool Contains(const End& local, const End& remote) const;

  // The remote ends by the local ones: nearly always one. A client whose address is none
  // of these is nobody here, whatever address it has connected to.
  // Abseil's tables are broken when they cannot grow.
  std::unordered_map<End, absl::InlinedVector<End, 1>, absl::Hash<End>> sources_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_OWN_SOURCES_H_
