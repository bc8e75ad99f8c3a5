#include "admin_peer.h"

#include <sys/socket.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace sockhost {
namespace {

std::vector<gid_t> GroupsOf(int fd) {
  socklen_t size = 0;
  // Tells the size that is needed by an ERANGE.
  getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, nullptr, &size);
  std::vector<gid_t> groups(size / sizeof(gid_t));
  if (groups.empty() || getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups.data(), &size) != 0) {
    return {};
  }
  groups.resize(size / sizeof(gid_t));
  return groups;
}

}  // namespace

std::string AdminPeer::ToString() const {
  switch (transport) {
    case Transport::kUnix:
      return absl::StrCat("uid ", uid, ", gid ", gid, ", pid ", pid);
    case Transport::kTls:
      if (certificate.empty()) return absl::StrCat("peer at ", address);
      return absl::StrCat("certificate of ", names.empty() ? "nobody" : absl::StrJoin(names, ", "),
                          " at ", address);
    case Transport::kTcp:
      break;
  }
  return absl::StrCat("unauthenticated peer at ", address);
}

std::string TransportName(AdminPeer::Transport transport) {
  switch (transport) {
    case AdminPeer::Transport::kUnix:
      return "unix";
    case AdminPeer::Transport::kTls:
      return "tls";
    case AdminPeer::Transport::kTcp:
      break;
  }
  return "tcp";
}

AdminPeer UnixPeer(int fd) {
  AdminPeer peer;
  peer.transport = AdminPeer::Transport::kUnix;
  ucred credentials{};
  socklen_t size = sizeof(credentials);
  // Does not fail on a connected unix socket; if it did, nobody is not root.
  const bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) == 0;
  peer.uid = known ? credentials.uid : static_cast<uid_t>(-1);
  peer.gid = known ? credentials.gid : static_cast<gid_t>(-1);
  peer.pid = credentials.pid;
  peer.groups = GroupsOf(fd);
  return peer;
}

}  // namespace sockhost
