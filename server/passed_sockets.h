// Sockets that the service manager has opened for this process.
#ifndef SOCKHOST_SERVER_PASSED_SOCKETS_H_
#define SOCKHOST_SERVER_PASSED_SOCKETS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "sockhost/service_host.h"

namespace sockhost {

struct PassedSocket {
  std::string name;
  int fd = -1;
};

// Reads LISTEN_PID, LISTEN_FDS and LISTEN_FDNAMES as sd_listen_fds(3) says, and
// takes them out of the environment. Empty if they are not for this process. The
// fds are the caller's. Error: FIELD_INVALID. Before other threads start.
absl::StatusOr<std::vector<PassedSocket>> TakePassedSockets();

// Whether each of `rules` is "NAME=SERVICE", with a name of its own. Error: FIELD_INVALID.
absl::Status CheckAdoptRules(const std::vector<std::string>& rules);

// Makes a listener of each socket: its id is the name of the socket (the second of
// one name is NAME-2, and so on), its service comes from `rules`, each of which is
// "NAME=SERVICE", its options are those that the socket has. A socket without a rule,
// and a rule without a socket, is an error, because nobody would be served; and so is
// a service that needs parameters. Errors: FIELD_INVALID, and those of
// ServiceHost::AdoptListener.
absl::Status AdoptSockets(ServiceHost& host, const std::vector<PassedSocket>& sockets,
                          const std::vector<std::string>& rules);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PASSED_SOCKETS_H_
