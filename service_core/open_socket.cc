#include "open_socket.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"
#include "sockhost/unix_socket_lock.h"

namespace sockhost {
namespace {

constexpr int kDefaultBacklog = 4096;

absl::Status OpenError(const SocketAddress& address, absl::string_view call, int error_number) {
  const std::string where = address.ToString();
  const auto fail = [&](Reason reason, absl::string_view advice, ErrorMetadata metadata = {}) {
    metadata["address"] = where;
    metadata["errno"] = strerrorname_np(error_number);
    return Error(reason,
                 absl::StrCat("cannot listen on ", where, ": ", call, ": ",
                              DescribeErrno(error_number), advice),
                 std::move(metadata));
  };
  switch (error_number) {
    case EADDRINUSE:
    case EEXIST:
      if (address.is_unix()) {
        return fail(
            Reason::kADDRESS_IN_USE,
            error_number == EEXIST
                ? "; a file that is no socket lies there: remove it, or use another path"
                : "; a process answers there, or is about to: stop it, or use another path");
      }
      return fail(Reason::kADDRESS_IN_USE,
                  "; choose another port, port 0, or stop the other owner of the address");
    case EACCES:
    case EPERM:
    case EROFS:
      if (address.is_unix()) {
        return fail(Reason::kBIND_NOT_PERMITTED,
                    "; the daemon needs write permission in the folder",
                    {{"capability", "CAP_DAC_OVERRIDE"}});
      }
      return fail(Reason::kBIND_NOT_PERMITTED,
                  "; ports below net.ipv4.ip_unprivileged_port_start need CAP_NET_BIND_SERVICE",
                  {{"capability", "CAP_NET_BIND_SERVICE"}});
    case EADDRNOTAVAIL:
    case EAFNOSUPPORT:
    case EPROTONOSUPPORT:
    case ENODEV:
    case EINVAL:  // bind: link-local address without a zone
    case ENOENT:
    case ENOTDIR:
      if (address.is_unix()) {
        return fail(Reason::kADDRESS_NOT_AVAILABLE, "; the folder of the path does not exist");
      }
      return fail(Reason::kADDRESS_NOT_AVAILABLE,
                  "; use an address of this host (see `ip address`)");
    case EMFILE:
    case ENFILE:
      return fail(Reason::kFD_LIMIT, "; raise the limit of open files (RLIMIT_NOFILE)",
                  {{"setting", "RLIMIT_NOFILE"}});
    default:
      return fail(Reason::kINTERNAL, "");
  }
}

absl::Status SetOption(int fd, int level, int option, int value, const SocketAddress& address,
                       absl::string_view name) {
  if (setsockopt(fd, level, option, &value, sizeof(value)) == 0) return absl::OkStatus();
  return OpenError(address, absl::StrCat("setsockopt ", name), errno);
}

// Of a socket at all addresses of the host: each datagram tells which of them was
// asked, because the answer must come from it.
absl::Status AskForDestinations(int fd, const SocketAddress& address) {
  if (address.protocol() != Protocol::kUdp || !address.is_wildcard()) return absl::OkStatus();
  const bool ipv6 = address.family() == AF_INET6;
  return SetOption(fd, ipv6 ? IPPROTO_IPV6 : IPPROTO_IP, ipv6 ? IPV6_RECVPKTINFO : IP_PKTINFO, 1,
                   address, "PKTINFO");
}

// What must be set before bind(2).
absl::Status SetBindOptions(int fd, const SocketAddress& address, const SocketOptions& options) {
  absl::Status status;
  if (!address.is_datagram()) {
    // Lets a restarted daemon bind while old connections are in TIME_WAIT. Not
    // for UDP, where it would let two sockets share, and steal, one port.
    // Means nothing to unix sockets.
    status = SetOption(fd, SOL_SOCKET, SO_REUSEADDR, 1, address, "SO_REUSEADDR");
  }
  if (status.ok() && options.reuse_port) {
    status = SetOption(fd, SOL_SOCKET, SO_REUSEPORT, 1, address, "SO_REUSEPORT");
  }
  if (status.ok() && address.family() == AF_INET6) {
    status =
        SetOption(fd, IPPROTO_IPV6, IPV6_V6ONLY, options.ipv6_only ? 1 : 0, address, "IPV6_V6ONLY");
  }
  if (status.ok()) status = AskForDestinations(fd, address);
  return status;
}

// nullptr: only datagrams ask whose port it is.
std::shared_ptr<const OwnDatagramPort> OwnPort(const SocketAddress& address) {
  if (address.protocol() != Protocol::kUdp) return nullptr;
  return std::make_shared<const OwnDatagramPort>(address);
}

// nullptr: see OwnFile.
std::shared_ptr<const OwnAddress> Own(const SocketAddress& address, const SocketOptions& options) {
  if (address.is_unix()) return nullptr;
  return std::make_shared<const OwnAddress>(address, options.ipv6_only);
}

// nullptr: it has no file.
std::shared_ptr<const OwnSocketFile> OwnFile(const SocketAddress& address) {
  if (address.path().empty()) return nullptr;
  return std::make_shared<const OwnSocketFile>(address);
}

int WholeSeconds(absl::Duration duration) {
  return static_cast<int>(absl::ToInt64Seconds(absl::Ceil(duration, absl::Seconds(1))));
}

// Before listen(2): the window of a connection is settled when it is made. A new socket has
// the system's defaults already.
absl::Status Tune(int fd, const SocketAddress& address, const SocketTuning& tuning, bool is_new) {
  if (is_new && tuning == SocketTuning()) return absl::OkStatus();
  struct Row {
    bool is_wanted;
    int level, option, value;
    const char* name;
  };
  const bool tcp = address.protocol() == Protocol::kTcp;
  const bool alive = tcp && tuning.keepalive;
  const Row rows[] = {
      {tuning.receive_buffer_bytes > 0, SOL_SOCKET, SO_RCVBUF, tuning.receive_buffer_bytes,
       "SO_RCVBUF"},
      {tuning.send_buffer_bytes > 0, SOL_SOCKET, SO_SNDBUF, tuning.send_buffer_bytes, "SO_SNDBUF"},
      {tcp && (alive || !is_new), SOL_SOCKET, SO_KEEPALIVE, alive ? 1 : 0, "SO_KEEPALIVE"},
      {alive && tuning.keepalive_idle > absl::ZeroDuration(), IPPROTO_TCP, TCP_KEEPIDLE,
       WholeSeconds(tuning.keepalive_idle), "TCP_KEEPIDLE"},
      {alive && tuning.keepalive_interval > absl::ZeroDuration(), IPPROTO_TCP, TCP_KEEPINTVL,
       WholeSeconds(tuning.keepalive_interval), "TCP_KEEPINTVL"},
      {alive && tuning.keepalive_count > 0, IPPROTO_TCP, TCP_KEEPCNT, tuning.keepalive_count,
       "TCP_KEEPCNT"},
      {tcp && (tuning.tcp_user_timeout > absl::ZeroDuration() || !is_new), IPPROTO_TCP,
       TCP_USER_TIMEOUT, static_cast<int>(absl::ToInt64Milliseconds(tuning.tcp_user_timeout)),
       "TCP_USER_TIMEOUT"},
  };
  for (const Row& row : rows) {
    if (!row.is_wanted) continue;
    absl::Status status = SetOption(fd, row.level, row.option, row.value, address, row.name);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

int IntegerOption(int fd, int option) {
  int value = 0;
  socklen_t length = sizeof(value);
  return getsockopt(fd, SOL_SOCKET, option, &value, &length) == 0 ? value : 0;
}

absl::Status ChownError(const SocketAddress& address, absl::string_view field, int64_t id,
                        int error_number) {
  if (error_number != EPERM) return OpenError(address, "chown", error_number);
  const std::string where = address.ToString();
  return Error(Reason::kBIND_NOT_PERMITTED,
               absl::StrCat("cannot listen on ", where, ": unix_access.", field, " ", id,
                            ": chown: ", DescribeErrno(error_number),
                            "; the daemon needs CAP_CHOWN to give the socket away"),
               {{"address", where}, {"errno", "EPERM"}, {"capability", "CAP_CHOWN"}},
               absl::StrCat("listener.unix_access.", field));
}

mode_t ModeOf(const UnixSocketAccess& access) {
  constexpr mode_t kDefaultMode = 0660;
  return access.mode != 0 ? access.mode : kDefaultMode;
}

// Gives `file`, that of the socket at `address`, to whom it is for.
absl::Status GiveAccess(const std::string& file, const SocketAddress& address,
                        const UnixSocketAccess& access) {
  constexpr auto kNoUser = static_cast<uid_t>(-1);
  constexpr auto kNoGroup = static_cast<gid_t>(-1);
  // One after the other tells which is not permitted. The group first: its owner may change it.
  if (access.group >= 0 && lchown(file.c_str(), kNoUser, static_cast<gid_t>(access.group)) != 0) {
    return ChownError(address, "group", access.group, errno);
  }
  if (access.owner >= 0 && lchown(file.c_str(), static_cast<uid_t>(access.owner), kNoGroup) != 0) {
    return ChownError(address, "owner", access.owner, errno);
  }
  // What the umask took away.
  if (chmod(file.c_str(), ModeOf(access)) != 0) return OpenError(address, "chmod", errno);
  return absl::OkStatus();
}

// Binds a socket that would take the place of the stale one at `address` where nobody finds it,
// and tries in the same folder what its file needs.
absl::Status BindAside(int fd, const SocketAddress& address, const UnixSocketAccess& access) {
  const std::string path = address.path();
  if (const int error = ProbeRemoval(path); error != 0) return OpenError(address, "bind", error);
  // No socket: its path might be too long for an address.
  std::string name = path + ".XXXXXX";
  const UniqueFd file_fd(mkostemp(name.data(), O_CLOEXEC));
  if (!file_fd.valid()) return OpenError(address, "bind", errno);
  const UnixSocketFile file(name);
  if (absl::Status status = GiveAccess(name, address, access); !status.ok()) return status;
  // The kernel chooses an abstract name, unix(7).
  const sockaddr nameless{.sa_family = AF_UNIX, .sa_data = {}};
  if (bind(fd, &nameless, sizeof(nameless.sa_family)) != 0) {
    return OpenError(address, "bind", errno);
  }
  return absl::OkStatus();
}

// Binds a unix socket, with its access right from the start.
absl::Status BindUnix(OpenedSocket& out, const SocketAddress& address,
                      const UnixSocketAccess& access, Keep keep) {
  const int fd = out.fd.get();
  const std::string path = address.path();
  if (!path.empty()) {
    const int type = address.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
    bool is_stale = false;
    const int error = keep == Keep::kYes ? RemoveStaleSocket(path, type)
                                         : LookForStaleSocket(path, type, is_stale);
    if (error != 0) return OpenError(address, "bind", error);
    if (is_stale) return BindAside(fd, address, access);
    // The file gets the mode of the socket, less the umask: never more than asked.
    if (fchmod(fd, ModeOf(access)) != 0) return OpenError(address, "fchmod", errno);
  }
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  if (bind(fd, reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return OpenError(address, "bind", errno);
  }
  if (path.empty()) return absl::OkStatus();
  out.file = UnixSocketFile(path);
  return GiveAccess(path, address, access);
}

absl::Status Bind(OpenedSocket& out, const SocketAddress& address, const SocketOptions& options,
                  Keep keep) {
  if (address.is_unix()) return BindUnix(out, address, options.unix_access, keep);
  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  if (bind(out.fd.get(), reinterpret_cast<sockaddr*>(&storage), length) != 0) {
    return OpenError(address, "bind", errno);
  }
  return absl::OkStatus();
}

// What listen(2) made of `asked`.
int EffectiveBacklog(int fd, int asked) {
  tcp_info info{};
  socklen_t size = sizeof(info);
  // Of a listening socket this field is the limit of its accept queue. The file
  // costs more than all else that is done for a listener.
  if (getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 && info.tcpi_state == TCP_LISTEN) {
    return static_cast<int>(info.tcpi_sacked);
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen("/proc/sys/net/core/somaxconn", "re"),
                                                   std::fclose);
  int limit = SOMAXCONN;
  const bool is_known = file && std::fscanf(file.get(), "%d", &limit) == 1;
  return std::min(asked, is_known ? limit : SOMAXCONN);
}

// The end of opening and retuning.
absl::Status Listen(int fd, const SocketOptions& options, OpenedSocket& opened) {
  if (!opened.address.is_datagram()) {
    const int backlog = options.backlog > 0 ? options.backlog : kDefaultBacklog;
    if (listen(fd, backlog) != 0) return OpenError(opened.address, "listen", errno);
    opened.effective_backlog = EffectiveBacklog(fd, backlog);
  }
  opened.receive_buffer_bytes = IntegerOption(fd, SO_RCVBUF);
  opened.send_buffer_bytes = IntegerOption(fd, SO_SNDBUF);
  return absl::OkStatus();
}

absl::StatusOr<OpenedSocket> Open(const SocketAddress& address, const SocketOptions& options,
                                  Keep keep) {
  const int type = address.is_datagram() ? SOCK_DGRAM : SOCK_STREAM;
  OpenedSocket out;
  out.fd.reset(socket(address.family(), type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!out.fd.valid()) return OpenError(address, "socket", errno);

  absl::Status status = SetBindOptions(out.fd.get(), address, options);
  if (!status.ok()) return status;

  // Until it listens.
  std::optional<UnixSocketLock> lock;
  if (!address.path().empty()) lock.emplace(address.path());
  if (lock && lock->is_taken()) return OpenError(address, "bind", EADDRINUSE);
  status = Bind(out, address, options, keep);
  if (!status.ok()) return status;
  sockaddr_storage storage;
  socklen_t length = sizeof(storage);
  if (getsockname(out.fd.get(), reinterpret_cast<sockaddr*>(&storage), &length) != 0) {
    return OpenError(address, "getsockname", errno);
  }
  out.address =
      SocketAddress::From(address.protocol(), reinterpret_cast<sockaddr*>(&storage), length);
  const bool is_one_address = !out.address.is_wildcard() && out.address.family() != AF_INET6;
  if (type == SOCK_STREAM && is_one_address) out.address_of_connections = out.address;
  out.own_port = OwnPort(out.address);
  out.own_address = Own(out.address, options);
  out.own_file = OwnFile(out.address);
  status = Tune(out.fd.get(), out.address, options.tuning, /*is_new=*/true);
  if (status.ok()) status = Listen(out.fd.get(), options, out);
  if (!status.ok()) return status;
  return out;
}

}  // namespace

absl::StatusOr<OpenedSocket> OpenSocket(const SocketAddress& address,
                                        const SocketOptions& options) {
  return Open(address, options, Keep::kYes);
}

absl::Status ProbeSocket(const SocketAddress& address, const SocketOptions& options) {
  return Open(address, options, Keep::kNo).status();
}

absl::StatusOr<OpenedSocket> AdoptSocket(UniqueFd fd, const SocketOptions& options) {
  OpenedSocket out;
  out.address = SocketAddress::OfSocket(fd.get());
  if (out.address.empty()) {
    return Error(Reason::kADDRESS_INVALID,
                 absl::StrCat("fd ", fd.get(),
                              ": no stream or datagram socket that is bound to an address of "
                              "IPv4, IPv6 or unix"),
                 {{"fd", absl::StrCat(fd.get())}});
  }
  const int flags = fcntl(fd.get(), F_GETFL);
  if (fcntl(fd.get(), F_SETFL, flags | O_NONBLOCK) != 0 ||
      fcntl(fd.get(), F_SETFD, FD_CLOEXEC) != 0) {
    return OpenError(out.address, "fcntl", errno);
  }
  absl::Status status = AskForDestinations(fd.get(), out.address);
  if (!status.ok()) return status;
  out.fd = std::move(fd);
  out.own_port = OwnPort(out.address);
  out.own_address = Own(out.address, options);
  out.own_file = OwnFile(out.address);
  status = RetuneSocket(out.fd.get(), options, out);
  if (!status.ok()) return status;
  return out;
}

absl::Status RetuneSocket(int fd, const SocketOptions& options, OpenedSocket& opened) {
  absl::Status status = Tune(fd, opened.address, options.tuning, /*is_new=*/false);
  return status.ok() ? Listen(fd, options, opened) : status;
}

}  // namespace sockhost
