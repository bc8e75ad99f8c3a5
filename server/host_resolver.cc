#include "host_resolver.h"

#include <ares.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <pthread.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <map>
#include <optional>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr int kAttempts = 3;
// Without an upstream to look up, the thread waits so long for one.
constexpr absl::Duration kIdleWait = absl::Hours(1);

absl::Duration Now() {
  return absl::FromChrono(std::chrono::steady_clock::now().time_since_epoch());
}

void InitializeAresOnce() {
  static const int result = ares_library_init(ARES_LIB_INIT_ALL);
  static_cast<void>(result);
}

// Which file a path leads to, and when that was written; all zero: to none that
// can be read.
struct FileStamp {
  dev_t device = 0;
  ino_t inode = 0;
  off_t bytes = 0;
  int64_t change_time_nanos = 0;

  bool operator==(const FileStamp&) const = default;
};

// Nothing if no fd is free to look at it: c-ares would take the default for what it cannot read.
std::optional<FileStamp> StampOf(const std::string& path) {
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (fd < 0 && (errno == EMFILE || errno == ENFILE)) return std::nullopt;
  struct stat status {};
  const bool is_known = fd >= 0 && fstat(fd, &status) == 0;
  if (fd >= 0) close(fd);
  if (!is_known) return FileStamp();
  return FileStamp{status.st_dev, status.st_ino, status.st_size,
                   absl::ToUnixNanos(absl::TimeFromTimespec(status.st_ctim))};
}

std::vector<SocketAddress> HostsOf(const ares_addrinfo& answer) {
  std::vector<SocketAddress> hosts;
  for (const ares_addrinfo_node* node = answer.nodes; node; node = node->ai_next) {
    hosts.push_back(SocketAddress::From(Protocol::kTcp, node->ai_addr, node->ai_addrlen));
  }
  return hosts;
}

absl::Duration TimeToLive(const ares_addrinfo& answer) {
  int seconds = answer.nodes ? answer.nodes->ai_ttl : 0;
  for (const ares_addrinfo_node* node = answer.nodes; node; node = node->ai_next) {
    seconds = std::min(seconds, node->ai_ttl);
  }
  return absl::Seconds(seconds);
}

}  // namespace

// The questions of the resolver's thread: which are in flight, which are due.
class HostResolver::Lookups {
 public:
  explicit Lookups(const ResolverOptions& options) : options_(options) {}

  // Calls back for every question in flight.
  ~Lookups() {
    if (channel_) ares_destroy(channel_);
  }
  Lookups(const Lookups&) = delete;
  Lookups& operator=(const Lookups&) = delete;

  void Add(Followed followed) { due_.emplace(Now(), std::move(followed)); }

  // Asks what is due.
  void AskDue() {
    if (!due_.empty() && due_.begin()->first <= Now()) ReadConfiguration();
    while (!due_.empty() && due_.begin()->first <= Now()) {
      Followed followed = std::move(due_.begin()->second);
      due_.erase(due_.begin());
      Ask(std::move(followed));
    }
  }

  // Waits for an answer, for what is due next, or for `wake_fd`.
  void Wait(int wake_fd) {
    ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
    const int wanted = channel_ ? ares_getsock(channel_, sockets, ARES_GETSOCK_MAXNUM) : 0;
    std::vector<pollfd> fds = {{wake_fd, POLLIN, 0}};
    for (int i = 0; i < ARES_GETSOCK_MAXNUM; ++i) {
      short events = 0;
      if (ARES_GETSOCK_READABLE(wanted, i)) events |= POLLIN;
      if (ARES_GETSOCK_WRITABLE(wanted, i)) events |= POLLOUT;
      if (events != 0) fds.push_back({sockets[i], events, 0});
    }
    poll(fds.data(), fds.size(), TimeoutMs());
    if (!channel_) return;
    for (size_t i = 1; i < fds.size(); ++i) {
      const bool failed = fds[i].revents & (POLLERR | POLLHUP);
      const bool readable = failed || (fds[i].revents & POLLIN);
      ares_process_fd(channel_, readable ? fds[i].fd : ARES_SOCKET_BAD,
                      fds[i].revents & POLLOUT ? fds[i].fd : ARES_SOCKET_BAD);
    }
    // Questions that have waited too long.
    ares_process_fd(channel_, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
  }

 private:
  struct Question {
    Lookups& lookups;
    Followed followed;
  };

  // c-ares reads it when a channel is made: where it has changed there is a new channel, and what
  // was asked through the old one is asked again. While that fails all stays as it is.
  void ReadConfiguration() {
    const std::optional<FileStamp> now = StampOf(options_.configuration);
    if (!now || (channel_ && *now == read_)) return;
    const ares_channel fresh = NewChannel();
    if (!fresh) return;
    read_ = *now;
    const ares_channel old = std::exchange(channel_, fresh);
    if (old) ares_destroy(old);
  }

  // Null: there is no memory.
  ares_channel NewChannel() const {
    // c-ares copies it.
    std::string configuration = options_.configuration;
    ares_options settings{};
    settings.timeout = static_cast<int>(absl::ToInt64Milliseconds(options_.timeout));
    settings.tries = kAttempts;
    settings.udp_port = options_.port;
    settings.resolvconf_path = configuration.data();
    const int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_UDP_PORT | ARES_OPT_RESOLVCONF;
    ares_channel channel = nullptr;
    if (ares_init_options(&channel, &settings, mask) != ARES_SUCCESS) return nullptr;
    if (!options_.servers.empty()) ares_set_servers_ports_csv(channel, options_.servers.c_str());
    return channel;
  }

  void Ask(Followed followed) {
    const std::shared_ptr<Upstream> upstream = followed.upstream.lock();
    if (!upstream) return;
    auto* question = new Question{*this, std::move(followed)};
    if (!channel_) return Answered(question, ARES_ENOMEM, 0, nullptr);
    ares_addrinfo_hints hints{};
    hints.ai_family = AF_UNSPEC;
    hints.ai_socktype = SOCK_STREAM;
    ares_getaddrinfo(channel_, upstream->host().c_str(), nullptr, &hints, Answered, question);
  }

  static void Answered(void* arg, int status, int, ares_addrinfo* answer) {
    const std::unique_ptr<Question> question(static_cast<Question*>(arg));
    const std::unique_ptr<ares_addrinfo, void (*)(ares_addrinfo*)> owned(answer,
                                                                         [](ares_addrinfo* a) {
                                                                           if (a)
                                                                             ares_freeaddrinfo(a);
                                                                         });
    const std::shared_ptr<Upstream> upstream = question->followed.upstream.lock();
    if (!upstream) return;
    // The channel has gone: it makes place for another one, or all ends.
    if (status == ARES_EDESTRUCTION) return question->lookups.Add(std::move(question->followed));
    question->lookups.Take(status, answer, *upstream, std::move(question->followed));
  }

  void Take(int status, const ares_addrinfo* answer, Upstream& upstream, Followed followed) {
    absl::Duration next = options_.shortest_interval;
    std::string problem;
    if (status == ARES_SUCCESS && answer) {
      upstream.SetAddresses(HostsOf(*answer));
      next = std::clamp(TimeToLive(*answer), options_.shortest_interval, options_.longest_interval);
    } else if (status == ARES_ENOTFOUND || status == ARES_ENODATA) {
      // An answer, too: the name is gone.
      problem = ares_strerror(status);
      upstream.SetAddresses({});
    } else {
      problem = ares_strerror(status);
      upstream.SetFailed();
    }
    if (problem != followed.problem && followed.report) followed.report(upstream, problem);
    followed.problem = problem;
    due_.emplace(Now() + next, std::move(followed));
  }

  int TimeoutMs() {
    absl::Duration wait = due_.empty() ? kIdleWait : due_.begin()->first - Now();
    timeval limit{};
    timeval soonest{};
    limit.tv_sec = absl::ToInt64Seconds(kIdleWait);
    if (channel_) {
      const timeval* const asked = ares_timeout(channel_, &limit, &soonest);
      wait = std::min(wait, absl::DurationFromTimeval(*asked));
    }
    // Rounded up: waking early would mean to wake twice.
    return static_cast<int>(
        absl::ToInt64Milliseconds(std::clamp(wait, absl::ZeroDuration(), kIdleWait)) + 1);
  }

  const ResolverOptions& options_;
  ares_channel channel_ = nullptr;
  FileStamp read_;
  std::multimap<absl::Duration, Followed> due_;
};

HostResolver& HostResolver::OfProcess() {
  static auto* resolver = new HostResolver;
  return *resolver;
}

HostResolver::HostResolver(ResolverOptions options) : options_(std::move(options)) {}

HostResolver::~HostResolver() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (!thread_.joinable()) return;
  eventfd_write(wake_fd_, 1);
  thread_.join();
  close(wake_fd_);
}

absl::Status HostResolver::Follow(const std::shared_ptr<Upstream>& upstream, LookUpReport report) {
  absl::MutexLock lock(&mutex_);
  if (absl::Status status = Start(); !status.ok()) return status;
  added_.push_back({upstream, report, ""});
  eventfd_write(wake_fd_, 1);
  return absl::OkStatus();
}

absl::Status HostResolver::Start() {
  if (thread_.joinable()) return absl::OkStatus();
  InitializeAresOnce();
  if (wake_fd_ < 0) wake_fd_ = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) {
    return Error(Reason::kINTERNAL,
                 absl::StrCat("cannot look up host names: eventfd: ", DescribeErrno(errno)));
  }
  try {
    thread_ = std::thread([this] { Run(); });
  } catch (const std::system_error& error) {
    return Error(Reason::kINTERNAL,
                 absl::StrCat("cannot start the thread that looks up host names: ", error.what()));
  }
  pthread_setname_np(thread_.native_handle(), "resolver");
  return absl::OkStatus();
}

void HostResolver::Run() {
  Lookups lookups(options_);
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (stopping_) return;
      for (Followed& followed : added_) lookups.Add(std::move(followed));
      added_.clear();
    }
    lookups.AskDue();
    lookups.Wait(wake_fd_);
    eventfd_t ignored;
    eventfd_read(wake_fd_, &ignored);
  }
}

}  // namespace sockhost
