#include "forward_pair.h"

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <zephyr/net/socket.h>

#include <cerrno>
#include <string>
#include <utility>

#include "built_in_services.h"
#include "forward_loop.h"
#include "own_sources.h"
#include "proxy_header.h"
#include "sockhost/service_timer.h"
#include "sockhost/socket_close.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

using Progress = ForwardDirection::Progress;

// Lets close(2) answer with a reset instead of an orderly end.
void ResetOnClose(int fd) {
  const linger reset{1, 0};
  setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
}

// True if connect(2) has reached `address`, or has not, when it returns: there is no way
// on which the handshake could take time.
bool IsOnThisMachine(const sockaddr_storage& address) {
  switch (address.ss_family) {
    case AF_UNIX:
      return true;
    case AF_INET:
      return ntohl(reinterpret_cast<const sockaddr_in&>(address).sin_addr.s_addr) >> 24 ==
             IN_LOOPBACKNET;
    case AF_INET6:
      return IN6_IS_ADDR_LOOPBACK(&reinterpret_cast<const sockaddr_in6&>(address).sin6_addr);
    default:
      return false;
  }
}

bool IsConnected(int fd) {
  sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  return getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &length) == 0;
}

// Why a connect(2) has ended without a connection.
int ErrorOf(int fd) {
  int error = 0;
  socklen_t length = sizeof(error);
  getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &length);
  return error != 0 ? error : ECONNRESET;
}

// A unix socket hangs up at an orderly end: what was sent before it is there still.
bool HasUnread(int fd) {
  char byte;
  return recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) > 0;
}

// True if the process or the system is the reason, and no upstream at `address`.
bool IsOurOwnFault(int error_number, const SocketAddress& address) {
  switch (error_number) {
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case ENOSPC:
    case ECANCELED:  // the listener is being deleted
    case EINVAL:
      return true;
    case EADDRNOTAVAIL:  // no local port is left; or there is no IPv6 here
      return address.family() == AF_INET;
    default:
      return false;
  }
}

}  // namespace

bool CloseForwardSocket(int fd, CloseReason reason) {
  if (sockhost_socket_set_user_data(fd, nullptr) != 0) return false;
  CloseSocket(fd, reason);
  return true;
}

void ForwardPair::Begin(int client_fd, std::shared_ptr<ForwardRoute> route) {
  if (OwnSources::OfServiceThread().IsPeerOf(client_fd)) {
    sockhost_socket_count_connect_failure(client_fd);
    ResetOnClose(client_fd);
    sockhost_socket_close(client_fd);
    return;
  }
  auto* pair = new ForwardPair(client_fd, std::move(route));
  ForwardSocket* const client = &pair->client_;
  if (sockhost_socket_set_user_data(client_fd, client) != 0) {
    // Another thread is just removing the socket.
    delete pair;
    return;
  }
  pair->TryNext();
}

ForwardPair::ForwardPair(int client_fd, std::shared_ptr<ForwardRoute> route)
    : route_(std::move(route)), choice_(route_->upstreams) {
  client_.fd = client_fd;
  client_.events = kForwardService.connection_events;
}

// ---- Connecting --------------------------------------------------------------------

void ForwardPair::TryNext() {
  while (const std::optional<SocketAddress> address = NextAddress()) {
    if (TryAddress(*address)) return;
  }
  if (choice_.IsWaiting()) {
    SetEvents(client_, 0);
    if (!place_) place_ = route_->connecting->Enter(*this, /*for_name=*/true);
    return;
  }
  CloseUnserved();
}

// A name without an address is an upstream that fails like one that refuses.
std::optional<SocketAddress> ForwardPair::NextAddress() {
  const std::optional<SocketAddress> address = choice_.Next(ServiceClock());
  for (int i = choice_.TakeUnknown(); i > 0; --i) {
    sockhost_socket_count_connect_failure(client_.fd);
  }
  return address;
}

// True if the attempt has begun; and when the pair has gone.
bool ForwardPair::TryAddress(const SocketAddress& address) {
  if (LeadsToThisHost(address)) {
    sockhost_socket_count_connect_failure(client_.fd);
    choice_.NoteProblem(kOwnAddress);
    return false;
  }
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  const bool is_near = IsOnThisMachine(storage);
  const short events = is_near ? POLLIN : POLLOUT;
  const int fd =
      sockhost_socket_connect(client_.fd, SOCK_STREAM, reinterpret_cast<sockaddr*>(&storage),
                              length, events, static_cast<ForwardSocket*>(&upstream_));
  if (fd < 0) {
    if (!IsOurOwnFault(-fd, address)) {
      sockhost_socket_count_connect_failure(client_.fd);
      choice_.NoteProblem(-fd);
      return false;
    }
    ResetUnserved(-fd);
    return true;
  }
  upstream_.fd = fd;
  upstream_.events = events;
  source_ = OwnSources::OfServiceThread().Add(fd, address);
  if (is_near && IsConnected(fd)) {
    BeginForwarding();
    return true;
  }
  SetEvents(upstream_, POLLOUT);
  // Reads nothing before somebody can take it.
  SetEvents(client_, 0);
  LeaveQueue();
  place_ = route_->connecting->Enter(*this, /*for_name=*/false);
  return true;
}

// The address that is being tried does not work.
void ForwardPair::GiveUpAttempt(int problem) {
  sockhost_socket_count_connect_failure(client_.fd);
  choice_.NoteProblem(problem);
  if (!CloseForwardSocket(upstream_.fd, CloseReason::kFailed)) return Cut();
  upstream_.fd = -1;
  OwnSources::OfServiceThread().Remove(std::exchange(source_, {}));
  // It is not the place of one that waits for a name.
  LeaveQueue();
  TryNext();
}

void ForwardPair::OnConnectTimeout() {
  place_.reset();
  if (upstream_.fd >= 0) return GiveUpAttempt(kNoAnswer);
  // The name servers have not answered in time.
  sockhost_socket_count_connect_failure(client_.fd);
  CloseUnserved();
}

void ForwardPair::OnMaybeResolved() { TryNext(); }

void ForwardPair::LeaveQueue() {
  if (place_) route_->connecting->Leave(*place_);
  place_.reset();
}

void ForwardPair::OnConnecting(const End& end, short events) {
  const bool is_gone = events & (POLLERR | POLLHUP);
  if (&end == &upstream_) {
    is_gone ? GiveUpAttempt(ErrorOf(end.fd)) : BeginForwarding();
  } else if (events & POLLERR) {
    Close(CloseReason::kFailed, CloseReason::kClosedByService);
  } else if (is_gone && !HasUnread(end.fd)) {
    Close(CloseReason::kPeerClosed, CloseReason::kClosedByService);
  }
}

void ForwardPair::BeginForwarding() {
  is_connecting_ = false;
  LeaveQueue();
  choice_.Arrive();
  choice_.Confirm(ServiceClock());
  sockhost_socket_count_skipped(client_.fd, static_cast<size_t>(choice_.skipped()));
  if (route_->options.proxy_protocol && !SendProxyHeader()) return Fail(upstream_);
  Poll(upstream_);
  // What a client wants it mostly says at once: then the kernel has nothing to report.
  Note(client_.direction.Receive(client_.fd, upstream_.fd), client_);
}

// The first bytes of a connection: the kernel has room for all of them.
bool ForwardPair::SendProxyHeader() {
  sockaddr_storage source{};
  sockaddr_storage destination{};
  socklen_t length = sizeof(source);
  getpeername(client_.fd, reinterpret_cast<sockaddr*>(&source), &length);
  length = sizeof(destination);
  getsockname(client_.fd, reinterpret_cast<sockaddr*>(&destination), &length);
  const std::string header = ProxyHeader(source, destination);
  return client_.direction.SendFirst(upstream_.fd, header);
}

// ---- Forwarding --------------------------------------------------------------------

void ForwardPair::OnReady(End& end, short events) {
  if (is_connecting_) return OnConnecting(end, events);
  if (events & POLLERR) return Fail(end);
  End& other = Other(end);
  if ((events & POLLOUT) && other.direction.is_stuck()) {
    if (!Note(other.direction.Send(end.fd), other)) return;
  }
  const bool is_readable = (events & (POLLIN | POLLHUP)) && (end.events & POLLIN);
  if (is_readable) Note(end.direction.Receive(end.fd, other.fd), end);
}

bool ForwardPair::Note(Progress progress, End& from) {
  switch (progress) {
    case Progress::kSenderFailed:
      Fail(from);
      return false;
    case Progress::kReceiverFailed:
      Fail(Other(from));
      return false;
    case Progress::kEnded:
      from.has_ended = true;
      if (!PassEndOn(from)) return false;
      break;
    case Progress::kFlowing:
    case Progress::kStuck:
      break;
  }
  Poll(from);
  Poll(Other(from));
  return true;
}

bool ForwardPair::PassEndOn(End& from) {
  const End& other = Other(from);
  // Its end was only read when it had nothing stuck.
  if (other.has_ended) {
    Close(CloseReason::kPeerClosed, CloseReason::kPeerClosed);
    return false;
  }
  zsock_shutdown(other.fd, SHUT_WR);
  return true;
}

// Asks for what is of use now.
void ForwardPair::Poll(End& end) {
  const bool reads = !end.has_ended && !end.direction.is_stuck();
  const bool sends = Other(end).direction.is_stuck();
  SetEvents(end, static_cast<short>((reads ? POLLIN : 0) | (sends ? POLLOUT : 0)));
}

void ForwardPair::SetEvents(End& end, short events) {
  if (events == end.events) return;
  end.events = events;
  sockhost_socket_set_events(end.fd, events);
}

// ---- The end -----------------------------------------------------------------------

void ForwardPair::CloseUnserved() { Close(CloseReason::kUpstreamFailed, CloseReason::kNone); }

// An orderly end would look like an answer.
void ForwardPair::ResetUnserved(int error_number) {
  const bool is_short = error_number != ECANCELED;
  if (is_short) sockhost_socket_count_connect_failure(client_.fd);
  if (is_short && route_->report_shortage) route_->report_shortage(error_number);
  Reset(CloseReason::kClosedByService, CloseReason::kNone);
}

void ForwardPair::Fail(const End& failed) {
  if (&failed == &client_) {
    Reset(CloseReason::kFailed, CloseReason::kClosedByService);
  } else {
    Reset(CloseReason::kUpstreamFailed, CloseReason::kFailed);
  }
}

void ForwardPair::Cut() { Reset(CloseReason::kClosedByService, CloseReason::kClosedByService); }

void ForwardPair::Reset(CloseReason of_client, CloseReason of_upstream) {
  for (const End* end : {&client_, &upstream_}) {
    if (end->fd >= 0) ResetOnClose(end->fd);
  }
  Close(of_client, of_upstream);
}

void ForwardPair::Close(CloseReason of_client, CloseReason of_upstream) {
  LeaveQueue();
  OwnSources::OfServiceThread().Remove(std::exchange(source_, {}));
  bool is_gone = true;
  for (End* end : {&client_, &upstream_}) {
    if (end->fd < 0) continue;
    if (CloseForwardSocket(end->fd, end == &client_ ? of_client : of_upstream)) {
      end->fd = -1;
    } else {
      is_gone = false;
    }
  }
  if (is_gone) delete this;
}

}  // namespace sockhost
