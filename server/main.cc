// sockhostd: parse, build, run, stop in order.
#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "admin_acceptor.h"
#include "admin_server.h"
#include "admin_service.h"
#include "built_in_services.h"
#include "config.h"
#include "listener_record.h"
#include "logging.h"
#include "passed_sockets.h"
#include "socket_watch.h"
#include "sockhost/fd_limit.h"
#include "sockhost/module.h"
#include "sockhost/service_host.h"
#include "stop_signals.h"
#include "task_thread.h"

namespace sockhost {
namespace {

constexpr absl::Duration kHealthInterval = absl::Milliseconds(50);
// How often a drain looks whether the last connection has gone.
constexpr int kDrainPollMs = 20;
// What the rest of the stop may take after the drain.
constexpr absl::Duration kStopLimit = absl::Seconds(1);

// fds and connections of the admin API, taken out of what sockets may use. Each
// connection needs two fds.
struct FdBudget {
  explicit FdBudget(int64_t limit)
      : admin_connections(static_cast<size_t>(std::clamp<int64_t>(limit / 16, 8, 256))),
        sockets(static_cast<size_t>(std::max<int64_t>(
            limit - kReservedFds - 2 * static_cast<int64_t>(admin_connections), limit / 2))) {}
  size_t admin_connections;
  size_t sockets;
};

int Fail(const absl::Status& status) {
  StopLogging();
  std::fprintf(stderr, "sockhostd: %s\n", std::string(status.message()).c_str());
  return 1;
}

absl::StatusOr<std::vector<std::string>> Listen(const Config& config, AdminAcceptor& acceptor) {
  std::vector<std::string> addresses;
  for (const AdminAddress& address : config.admin) {
    absl::StatusOr<std::string> bound = acceptor.Listen(address);
    if (!bound.ok()) return bound.status();
    addresses.push_back(*std::move(bound));
  }
  return addresses;
}

// Health follows the service thread, from now on until the tasks stop.
void FollowHealth(const ServiceHost& host, AdminServer& server, TaskThread& tasks,
                  bool was_serving) {
  const bool serving = !host.IsStalled();
  if (serving != was_serving) {
    server.SetServing(serving);
    LogLine(serving ? LogLevel::kInfo : LogLevel::kError,
            serving ? "the service thread is back: SERVING"
                    : absl::StrCat("service ", host.StalledService(),
                                   " holds the service thread: NOT_SERVING"));
  }
  tasks.RunAfter(kHealthInterval,
                 [&host, &server, &tasks, serving] { FollowHealth(host, server, tasks, serving); });
}

// Serves the admin API's connections until `stop_fd` is readable (-1: never), or
// `is_over`.
void Serve(AdminAcceptor& acceptor, int stop_fd, int poll_ms,
           const std::function<bool()>& is_over) {
  int pause_ms = -1;
  while (!is_over()) {
    const bool paused = pause_ms >= 0;
    pollfd fds[] = {{stop_fd, POLLIN, 0}, {acceptor.fd(), POLLIN, 0}};
    poll(fds, paused ? 1 : 2, paused ? pause_ms : poll_ms);
    if (fds[0].revents != 0) return;
    pause_ms = acceptor.Serve();
  }
}

// What programs have registered is not waited for: they are not told of the drain,
// and their listening sockets would outlast every deadline.
void Drain(const Config& config, ServiceHost& host, AdminAcceptor& acceptor, StopSignals& signals) {
  signals.EndProcessAfter(config.drain_timeout + kStopLimit);
  host.StopAccepting();
  const absl::Time deadline = absl::Now() + config.drain_timeout;
  // A second signal is not ours: it ends the process.
  Serve(acceptor, /*stop_fd=*/-1, kDrainPollMs,
        [&] { return host.sockets_of_listeners() == 0 || absl::Now() >= deadline; });
}

int Run(const Config& config) {
  StopSignals signals;
  StartLogging(config.log_level);

  const absl::StatusOr<std::vector<PassedSocket>> passed = TakePassedSockets();
  if (!passed.ok()) return Fail(passed.status());
  const int64_t fd_limit = RaiseFdLimit();
  const FdBudget budget(fd_limit);
  ServiceHost& host = ServiceHost::OfProcess();
  absl::Status status = DefineBuiltInServices(host);
  if (!status.ok()) return Fail(status);

  for (const std::string& file : config.module) {
    if (status = CheckModule(file); !status.ok()) return Fail(status);
  }

  AdminAcceptor acceptor(budget.admin_connections);
  const absl::StatusOr<std::vector<std::string>> addresses = Listen(config, acceptor);
  if (!addresses.ok()) return Fail(addresses.status());

  HostOptions options;
  options.max_sockets =
      config.max_sockets > 0 ? std::min(config.max_sockets, budget.sockets) : budget.sockets;
  options.max_listeners = config.max_listeners;
  status = host.Start(options);
  if (!status.ok()) return Fail(status);
  for (const std::string& file : config.module) {
    if (status = LoadModule(file); !status.ok()) {
      // Before the destructors of the modules that are loaded.
      host.Stop();
      return Fail(status);
    }
    LogLine(LogLevel::kInfo, absl::StrCat("module ", file, " is loaded"));
  }

  if (status = AdoptSockets(host, *passed, config.adopt); !status.ok()) {
    host.Stop();
    return Fail(status);
  }

  TaskThread tasks;
  HostIdentity identity{SOCKHOST_VERSION, MakeUuid(), absl::GetCurrentTimeNanos(),
                        options.max_sockets < budget.sockets, *addresses};
  WatchSet watches(host, tasks, config.max_watches, identity.instance_id);
  AdminService service(identity, host, watches, tasks);
  absl::StatusOr<std::unique_ptr<AdminServer>> server = AdminServer::Start(service, acceptor);
  if (!server.ok()) return Fail(server.status());
  FollowHealth(host, **server, tasks, /*was_serving=*/true);

  LogLine(LogLevel::kInfo,
          absl::StrCat("sockhostd ", SOCKHOST_VERSION,
                       " serves: admin=", absl::StrJoin(*addresses, ","),
                       " instance=", identity.instance_id, " open_files=", fd_limit,
                       " max_sockets=", host.max_sockets(), " max_listeners=", host.max_listeners(),
                       " max_watches=", watches.limit(), " pid=", getpid()));
  Serve(acceptor, signals.fd(), -1, [] { return false; });
  signals.Take();

  LogLine(LogLevel::kInfo,
          absl::StrCat("stopping: drains ", host.sockets_of_listeners(), " sockets for at most ",
                       absl::FormatDuration(config.drain_timeout)));
  (*server)->SetServing(false);
  Drain(config, host, acceptor, signals);
  (*server)->Stop(watches, acceptor);
  tasks.Stop();
  host.Stop();
  LogLine(LogLevel::kInfo, "stopped");
  StopLogging();
  return 0;
}

}  // namespace
}  // namespace sockhost

int main(int argc, char** argv) {
  auto config = sockhost::ParseConfig(argc, argv, SOCKHOST_VERSION);
  if (const auto* exit = std::get_if<sockhost::EarlyExit>(&config)) {
    std::fputs(exit->text.c_str(), exit->code == 0 ? stdout : stderr);
    return exit->code;
  }
  return sockhost::Run(std::get<sockhost::Config>(config));
}
