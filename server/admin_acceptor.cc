#include "admin_acceptor.h"

#include <fcntl.h>
#include <grpcpp/server_posix.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "logging.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using std::chrono::steady_clock;

constexpr int kPauseMs = 100;
// As long as gRPC waits for a TLS handshake.
constexpr std::chrono::seconds kSilence{5};
// What every HTTP/2 client sends first, see RFC 9113 section 3.4.
constexpr absl::string_view kPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
// Where so few connections are allowed, none of them is kept for operators.
constexpr size_t kFewConnections = 4;
constexpr size_t kOperatorPlaces = 2;
// So many connections of one address come in before all others, and what is open, have their
// turn: however fast somebody connects, the operator is served.
constexpr int kMostInATurn = 64;

// What a peer has sent so far, without taking it. Not OK: the connection is over.
absl::StatusOr<std::string> Peek(int fd) {
  char bytes[kPreface.size()];
  const ssize_t size = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);
  if (size > 0) return std::string(bytes, static_cast<size_t>(size));
  if (size < 0 && (errno == EAGAIN || errno == EINTR)) return std::string();
  return absl::UnavailableError("closed");
}

// An IPv4 peer of an IPv6 socket as what it is; so does gRPC call it.
void Unmap(sockaddr_storage& address) {
  sockaddr_in6 mapped;
  std::memcpy(&mapped, &address, sizeof(mapped));
  if (mapped.sin6_family != AF_INET6 || !IN6_IS_ADDR_V4MAPPED(&mapped.sin6_addr)) return;
  sockaddr_in plain{};
  plain.sin_family = AF_INET;
  plain.sin_port = mapped.sin6_port;
  std::memcpy(&plain.sin_addr, mapped.sin6_addr.s6_addr + 12, sizeof(plain.sin_addr));
  std::memcpy(&address, &plain, sizeof(plain));
}

AdminPeer TcpPeer(int fd) {
  AdminPeer peer;
  peer.transport = AdminPeer::Transport::kTcp;
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  if (getpeername(fd, reinterpret_cast<sockaddr*>(&storage), &length) == 0) {
    Unmap(storage);
    peer.address =
        SocketAddress::From(Protocol::kTcp, reinterpret_cast<sockaddr*>(&storage), length)
            .ToString();
  }
  return peer;
}

// At the limit of fds accept(2) fails on an empty queue, too.
bool IsLocalAndAwaited(const AdminListeningSocket& listening) {
  pollfd waiting{listening.fd(), POLLIN, 0};
  return listening.transport() == AdminPeer::Transport::kUnix && poll(&waiting, 1, 0) == 1;
}

}  // namespace

AdminAcceptor::AdminAcceptor(size_t max_connections, AdminPeers& peers, IsOperator is_operator)
    : max_connections_(max_connections),
      peers_(peers),
      is_operator_(std::move(is_operator)),
      epoll_(epoll_create1(EPOLL_CLOEXEC)) {
  OpenSpareFds();
}

AdminAcceptor::~AdminAcceptor() {
  StopListening();
  ShutdownConnections();
  UseSpareFds();
  close(epoll_);
}

absl::StatusOr<std::string> AdminAcceptor::Listen(const AdminAddress& address) {
  absl::StatusOr<AdminListeningSocket> socket = AdminListeningSocket::Open(address);
  if (!socket.ok()) return socket.status();
  if (absl::Status status = Watch(EPOLL_CTL_ADD, socket->fd(), EPOLLIN); !status.ok()) {
    return status;
  }
  const std::string bound = socket->address();
  // Unix sockets first: who comes there is closer to the machine.
  const bool is_unix = socket->transport() == AdminPeer::Transport::kUnix;
  listening_.insert(is_unix ? listening_.begin() : listening_.end(), *std::move(socket));
  return bound;
}

absl::Status AdminAcceptor::Watch(int operation, int fd, uint32_t events) const {
  epoll_event event{};
  event.events = events;
  event.data.fd = fd;
  if (epoll_ctl(epoll_, operation, fd, &event) == 0) return absl::OkStatus();
  return Error(Reason::kINTERNAL, absl::StrCat("epoll_ctl: ", DescribeErrno(errno)));
}

void AdminAcceptor::StopListening() { listening_.clear(); }

void AdminAcceptor::AttachTls(grpc::ServerBuilder& builder,
                              std::shared_ptr<grpc::ServerCredentials> credentials) {
  using Type = grpc::ServerBuilder::experimental_type::ExternalConnectionType;
  tls_door_ =
      builder.experimental().AddExternalConnectionAcceptor(Type::FROM_FD, std::move(credentials));
}

int AdminAcceptor::Serve() {
  std::array<epoll_event, 64> events;
  const int count = epoll_wait(epoll_, events.data(), events.size(), 0);
  bool accept = paused_;
  for (int i = 0; i < count; ++i) {
    const epoll_event& event = events[static_cast<size_t>(i)];
    const auto connection = connections_.find(event.data.fd);
    if (connection == connections_.end()) {
      accept = true;
    } else if (!connection->second.waits && (event.events & EPOLLHUP) != 0) {
      Close(connection);
    }
  }
  // Before accepting: what goes makes place.
  int timeout_ms = AdvanceWaiting();
  OpenSpareFds();
  if (accept) {
    bool has_fds = true;
    for (const AdminListeningSocket& socket : listening_) has_fds &= AcceptSome(socket);
    Pause(!has_fds);
    timeout_ms = AdvanceWaiting();
  }
  if (!paused_) return timeout_ms;
  return timeout_ms < 0 ? kPauseMs : std::min(kPauseMs, timeout_ms);
}

// ---- Accepting ---------------------------------------------------------------

// A listening socket that is not accepted from would be readable all the time.
void AdminAcceptor::Pause(bool pause) {
  if (pause == paused_) return;
  paused_ = pause;
  for (const AdminListeningSocket& socket : listening_) {
    // Fails for no reason known; at worst the loop spins until there are fds.
    Watch(EPOLL_CTL_MOD, socket.fd(), pause ? 0u : uint32_t{EPOLLIN}).IgnoreError();
  }
}

bool AdminAcceptor::AcceptSome(const AdminListeningSocket& listening) {
  for (int i = 0; i < kMostInATurn; ++i) {
    const int fd = accept4(listening.fd(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Take(listening, fd);
      continue;
    }
    switch (errno) {
      case EAGAIN:
        return true;
      case EMFILE:
      case ENFILE:
      case ENOBUFS:
      case ENOMEM:
        // One more on the unix socket: the operator who comes to look at it.
        if (!IsLocalAndAwaited(listening) || !UseSpareFds()) return false;
        continue;
      default:  // an error of the connection that waited, see accept(2)
        continue;
    }
  }
  // What still waits makes the socket readable again.
  return true;
}

bool AdminAcceptor::UseSpareFds() {
  const bool had_them = spare_fds_[0] >= 0;
  for (int& fd : spare_fds_) {
    if (fd >= 0) close(fd);
    fd = -1;
  }
  return had_them;
}

void AdminAcceptor::OpenSpareFds() {
  for (int& fd : spare_fds_) {
    if (fd < 0) fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
  }
}

void AdminAcceptor::Take(const AdminListeningSocket& listening, int fd) {
  AdminPeer peer =
      listening.transport() == AdminPeer::Transport::kUnix ? UnixPeer(fd) : TcpPeer(fd);
  peer.transport = listening.transport();
  const size_t places = PlacesFor(peer);
  const bool is_short_of_one = connections_.size() == places;
  if (connections_.size() >= places && !(is_short_of_one && EvictSilent(peer))) {
    LogRefusal(peer);
    close(fd);
    return;
  }
  if (peer.transport == AdminPeer::Transport::kTls) {
    TakeTls(listening, fd, std::move(peer));
  } else {
    TakePlaintext(fd, std::move(peer));
  }
}

void AdminAcceptor::LogRefusal(const AdminPeer& peer) {
  const int64_t suppressed = refusals_.Take();
  if (suppressed < 0) return;
  constexpr absl::string_view kMessage =
      "an admin connection is refused: those that are open have all places of its kind";
  const std::string transport = TransportName(peer.transport);
  const LogField by("transport", transport), open("open", connections_.size()),
      limit("limit", max_connections_), before("suppressed", suppressed);
  if (peer.transport == AdminPeer::Transport::kUnix) {
    return LogLine(LogLevel::kWarning, kMessage,
                   {by, {"uid", peer.uid}, {"pid", peer.pid}, open, limit, before});
  }
  LogLine(LogLevel::kWarning, kMessage, {by, {"address", peer.address}, open, limit, before});
}

size_t AdminAcceptor::PlacesFor(const AdminPeer& peer) const {
  if (max_connections_ <= kFewConnections) return max_connections_;
  if (peer.transport != AdminPeer::Transport::kUnix) {
    return max_connections_ - std::max(max_connections_ / 4, kOperatorPlaces);
  }
  return max_connections_ - (is_operator_(peer) ? 0 : kOperatorPlaces);
}

// What gRPC knows of a handshake it does not tell.
bool AdminAcceptor::IsSilent(int fd, const Connection& connection) const {
  if (connection.peer.transport == AdminPeer::Transport::kTls) {
    return !peers_.HasCalled(connection.name, fd);
  }
  if (!connection.waits) return false;
  // It may have spoken since it was looked at last.
  const absl::StatusOr<std::string> sent = Peek(fd);
  return !sent.ok() || *sent != kPreface;
}

// Who comes from elsewhere does not push out who sits here, and who is no operator no operator.
bool AdminAcceptor::MayPushOut(const AdminPeer& newcomer, const AdminPeer& peer) const {
  if (peer.transport != AdminPeer::Transport::kUnix) return true;
  if (newcomer.transport != AdminPeer::Transport::kUnix) return false;
  return !is_operator_(peer) || is_operator_(newcomer);
}

bool AdminAcceptor::EvictSilent(const AdminPeer& newcomer) {
  auto oldest = connections_.end();
  for (auto i = connections_.begin(); i != connections_.end(); ++i) {
    const bool is_older =
        oldest == connections_.end() || i->second.deadline < oldest->second.deadline;
    if (!is_older || !IsSilent(i->first, i->second)) continue;
    if (MayPushOut(newcomer, i->second.peer)) oldest = i;
  }
  if (oldest == connections_.end()) return false;
  // gRPC, which has another fd of it, lets go then.
  shutdown(oldest->first, SHUT_RDWR);
  Close(oldest);
  return true;
}

void AdminAcceptor::TakeTls(const AdminListeningSocket& listening, int fd, AdminPeer peer) {
  const int own = fcntl(fd, F_DUPFD_CLOEXEC, 0);
  // As in HandOver.
  if (own < 0 || !Watch(EPOLL_CTL_ADD, own, EPOLLET).ok()) {
    if (own >= 0) close(own);
    close(fd);
    return;
  }
  Connection connection;
  connection.name = peer.address;
  connection.peer = std::move(peer);
  connection.deadline = steady_clock::now() + kSilence;
  peers_.Add(connection.name, own, connection.peer);
  Insert(own, std::move(connection));
  const int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters parameters;
  parameters.listener_fd = listening.fd();
  parameters.fd = fd;
  tls_door_->HandleNewConnection(&parameters);
}

void AdminAcceptor::TakePlaintext(int fd, AdminPeer peer) {
  const Time now = steady_clock::now();
  Connection connection;
  connection.peer = std::move(peer);
  connection.number = numbers_.Duplicate(fd, now, connection.usable);
  connection.deadline = std::max(now, connection.usable) + kSilence;
  connection.waits = true;
  // Edges: a peer that sends half a preface must not make the loop spin.
  if (connection.number < 0 || !Watch(EPOLL_CTL_ADD, fd, EPOLLIN | EPOLLRDHUP | EPOLLET).ok()) {
    if (connection.number >= 0) close(connection.number);
    close(fd);
    return;
  }
  Insert(fd, std::move(connection));
  ++waiting_;
}

void AdminAcceptor::Insert(int fd, Connection connection) {
  connections_.emplace(fd, std::move(connection));
  peers_.SetConnections(connections_.size());
}

// ---- Connections -------------------------------------------------------------

int AdminAcceptor::AdvanceWaiting() {
  if (waiting_ == 0) return -1;
  const Time now = steady_clock::now();
  Time next = Time::max();
  for (auto i = connections_.begin(); i != connections_.end();) {
    const auto connection = i++;
    if (connection->second.waits) Advance(connection, now);
  }
  for (const auto& [fd, connection] : connections_) {
    if (!connection.waits) continue;
    next = std::min(next, connection.usable > now ? connection.usable : connection.deadline);
  }
  if (next == Time::max()) return -1;
  const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(next - now);
  return static_cast<int>(wait.count()) + 1;
}

void AdminAcceptor::Advance(Connections::iterator connection, Time now) {
  const absl::StatusOr<std::string> sent = Peek(connection->first);
  if (!sent.ok() || !absl::StartsWith(kPreface, *sent) || now >= connection->second.deadline) {
    Close(connection);
  } else if (*sent == kPreface && now >= connection->second.usable) {
    HandOver(connection);
  }
}

void AdminAcceptor::HandOver(Connections::iterator connection) {
  const int fd = connection->first;
  Connection& state = connection->second;
  // From now on only its end is of interest: EPOLLHUP, which is always reported, and at once if it
  // has come already. Not EPOLLRDHUP: a peer that writes no more may still read, and gRPC has the
  // connection as long as it has not read so far.
  if (!Watch(EPOLL_CTL_MOD, fd, EPOLLET).ok()) {
    Close(connection);
    return;
  }
  state.waits = false;
  --waiting_;
  state.name = AdminPeers::NameOf(state.number);
  peers_.Add(state.name, fd, state.peer);
  const int on = 1;
  // Fails on unix sockets, which have no such delay.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  grpc::AddInsecureChannelFromFd(server_, state.number);
}

AdminAcceptor::Connections::iterator AdminAcceptor::Close(Connections::iterator connection) {
  Connection& state = connection->second;
  if (state.waits) {
    // gRPC does not have it yet.
    close(state.number);
    --waiting_;
  } else {
    peers_.Remove(state.name, connection->first);
    if (state.number >= 0) numbers_.Retire(state.number, steady_clock::now());
  }
  // gRPC's fd is the same open file: closing ours would leave it in the epoll set,
  // where it would speak for the next connection with the number.
  epoll_ctl(epoll_, EPOLL_CTL_DEL, connection->first, nullptr);
  close(connection->first);
  peers_.SetConnections(connections_.size() - 1);
  return connections_.erase(connection);
}

void AdminAcceptor::ShutdownConnections() {
  for (auto i = connections_.begin(); i != connections_.end();) {
    shutdown(i->first, SHUT_RDWR);
    i = Close(i);
  }
}

}  // namespace sockhost
