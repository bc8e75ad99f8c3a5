// Who is at the other end of an admin connection.
#ifndef SOCKHOST_SERVER_ADMIN_PEER_H_
#define SOCKHOST_SERVER_ADMIN_PEER_H_

#include <sys/types.h>

#include <string>
#include <vector>

namespace sockhost {

// What the kernel or the peer's certificate says. Plain data.
struct AdminPeer {
  enum class Transport { kUnix, kTls, kTcp };

  Transport transport = Transport::kTcp;

  // kUnix: of the process that connected, see SO_PEERCRED in unix(7).
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  // Its supplementary groups.
  std::vector<gid_t> groups;

  // kTls: the subject alternative names of the certificate: "dns:NAME",
  // "uri:URI", "email:ADDRESS". The common name is not among them: nothing says
  // what kind of name it is.
  std::vector<std::string> names;
  // kTls: its certificate and those it has sent with it, PEM. Empty: not known yet.
  std::string certificate;

  // kTls, kTcp: tcp://HOST:PORT.
  std::string address;

  // "uid 1000, gid 1000, pid 77", "certificate of dns:ops.example.com at ...".
  std::string ToString() const;
};

// "unix", "tls" or "tcp".
std::string TransportName(AdminPeer::Transport transport);

// The peer of a connected unix socket. Groups are empty where the kernel does
// not tell them (before 4.13).
AdminPeer UnixPeer(int fd);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_PEER_H_
