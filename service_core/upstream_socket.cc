// Sockets that a service opens towards other servers.
#include <netinet/in.h>
#include <sys/socket.h>

#include <cerrno>

#include "c_border.h"
#include "listener.h"
#include "service_loop.h"
#include "sockhost/socket_service_ext.h"
#include "unique_fd.h"

using sockhost::OrOutOfMemory;
using sockhost::Protocol;
using sockhost::Role;
using sockhost::ServiceLoop;
using sockhost::SocketAddress;
using sockhost::SocketId;
using sockhost::SocketSlot;
using sockhost::SocketSpec;
using sockhost::UniqueFd;

namespace {

Protocol ProtocolOf(int family, int type) {
  if (family == AF_UNIX) {
    return type == SOCK_STREAM ? Protocol::kUnixStream : Protocol::kUnixDatagram;
  }
  return type == SOCK_STREAM ? Protocol::kTcp : Protocol::kUdp;
}

int Connect(const SocketSlot& of, int type, const sockaddr* address, socklen_t address_length,
            short events, void* user_data) {
  UniqueFd fd(socket(address->sa_family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return -errno;
  const int connected = connect(fd.get(), address, address_length);
  if (connected != 0 && errno != EINPROGRESS) return -errno;

  SocketSpec spec;
  spec.fd = fd.get();
  spec.events = static_cast<uint16_t>(events);
  spec.role = Role::kUpstream;
  spec.protocol = ProtocolOf(address->sa_family, type);
  spec.service = of.service;
  spec.polling = FirstPolling(*of.service, spec.protocol);
  spec.listener = of.listener;
  spec.address = SocketAddress::From(spec.protocol, address, address_length);
  spec.user_data = user_data;
  SocketId id;
  const int added = ServiceLoop::Current()->table().Add(spec, &id);
  if (added == 0) return fd.release();
  // Of a unix socket ENOENT means that nobody listens at its path.
  return added == -ENOENT ? -ECANCELED : added;
}

}  // namespace

extern "C" {

int sockhost_socket_connect(int of_fd, int type, const struct sockaddr* address,
                            unsigned int address_length, short events, void* user_data) {
  const SocketSlot* of = ServiceLoop::SlotOnServiceThread(of_fd);
  if (!of || !of->listener) return -EINVAL;
  return OrOutOfMemory(
      [&] { return Connect(*of, type, address, address_length, events, user_data); });
}

}  // extern "C"
