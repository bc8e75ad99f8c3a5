// sockhostd: parse, build, run, stop in order.
#include <poll.h>
#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/time/clock.h"
#include "access_control.h"
#include "admin_acceptor.h"
#include "admin_peers.h"
#include "admin_server.h"
#include "admin_service.h"
#include "audit_log.h"
#include "built_in_services.h"
#include "change_log.h"
#include "config.h"
#include "config_reload.h"
#include "crash_report.h"
#include "exit_report.h"
#include "fd_budget.h"
#include "guarded_admin_service.h"
#include "health_report.h"
#include "listener_record.h"
#include "logging.h"
#include "monotonic_time.h"
#include "passed_sockets.h"
#include "process_end.h"
#include "process_signals.h"
#include "reserved_addresses.h"
#include "roles.h"
#include "server_certificates.h"
#include "service_manager_socket.h"
#include "sockhost/fd_limit.h"
#include "sockhost/module.h"
#include "sockhost/service_host.h"
#include "task_thread.h"
#include "watch_set.h"
#include "watched_files.h"

namespace sockhost {
namespace {

// How often a drain looks whether the last connection has gone.
constexpr int kDrainPollMs = 20;
// How often files are looked at. A change counts when it is a whole interval old.
constexpr absl::Duration kFileInterval = absl::Milliseconds(250);
// What the rest of the stop may take after the drain.
constexpr absl::Duration kStopLimit = absl::Seconds(1);
// Parts of it: until connections are closed, unless a handler keeps the service thread; and
// until readers of watches have been told of it, from the end of the drain on.
constexpr absl::Duration kCloseLimit = absl::Milliseconds(300);
constexpr absl::Duration kTellLimit = absl::Milliseconds(500);

int Fail(const absl::Status& status) {
  SayLastWords(status.message());
  return 1;
}

// The same for a host that runs: in order, and before the destructors of what its handlers use.
int FailAndStop(const absl::Status& status, const Config& config, ServiceHost& host,
                ProcessSignals& signals) {
  const int code = Fail(status);
  signals.EndProcessAfter(config.drain_timeout + kStopLimit);
  host.Stop();
  return code;
}

absl::StatusOr<std::vector<std::string>> Listen(const Config& config, AdminAcceptor& acceptor) {
  std::vector<std::string> addresses;
  for (const AdminAddress& address : config.admin) {
    absl::StatusOr<std::string> bound = acceptor.Listen(address);
    if (!bound.ok()) return bound.status();
    ReservedAddresses::OfProcess().Add(AdminAddress::Parse(*bound).value().ToSocketAddress(),
                                       *bound);
    addresses.push_back(*std::move(bound));
  }
  return addresses;
}

// What the operator may replace while the daemon runs. `reload` says what is wrong
// with it; it changes nothing then.
void FollowFiles(TaskThread& tasks, std::shared_ptr<WatchedFiles> files, const char* what,
                 std::function<absl::Status()> reload) {
  const std::optional<absl::Status> outcome = files->Follow(reload);
  if (outcome && outcome->ok()) {
    LogLine(LogLevel::kInfo, "files that have changed are read again", {{"what", what}});
  } else if (outcome) {
    LogLine(LogLevel::kError, "files that have changed cannot be used: the old stay in force",
            {{"what", what}, {"error", outcome->message()}});
  }
  tasks.RunAfter(kFileInterval,
                 [&tasks, files, what, reload] { FollowFiles(tasks, files, what, reload); });
}

void WarnDaily(TaskThread& tasks, const ServerCertificates& certificates) {
  certificates.LogWarnings();
  tasks.RunAfter(absl::Hours(24), [&] { WarnDaily(tasks, certificates); });
}

// Serves the admin API's connections until `stop_fd` is readable (-1: never), or
// `is_over`.
void Serve(AdminAcceptor& acceptor, int stop_fd, int poll_ms,
           const std::function<bool()>& is_over) {
  int pause_ms = -1;
  while (!is_over()) {
    pollfd fds[] = {{stop_fd, POLLIN, 0}, {acceptor.fd(), POLLIN, 0}};
    // -1, which is no limit, is the longest as an unsigned number.
    poll(fds, 2, static_cast<int>(std::min<unsigned>(pause_ms, poll_ms)));
    if (fds[0].revents != 0) return;
    pause_ms = acceptor.Serve();
  }
}

// What programs have registered is not waited for: they are not told of the drain,
// and their listening sockets would outlast every deadline.
void Drain(const Config& config, ServiceHost& host, AdminAcceptor& acceptor) {
  host.StopAccepting(config.drain_timeout);
  const absl::Duration deadline = MonotonicTime() + config.drain_timeout;
  // A second signal is not ours: it ends the process.
  Serve(acceptor, /*stop_fd=*/-1, kDrainPollMs,
        [&] { return host.sockets_of_listeners() == 0 || MonotonicTime() >= deadline; });
}

void CloseConnections(ServiceHost& host) {
  const auto closed = std::make_shared<std::promise<void>>();
  host.CloseConnections([closed] { closed->set_value(); });
  closed->get_future().wait_for(absl::ToChronoNanoseconds(kCloseLimit));
}

// Until SIGTERM or SIGINT. SIGHUP reads the configuration again.
void ServeUntilStopped(AdminAcceptor& acceptor, ProcessSignals& signals,
                       const std::function<void()>& reload) {
  while (true) {
    Serve(acceptor, signals.fd(), -1, [] { return false; });
    const int signal = signals.Take();
    if (signal == SIGTERM || signal == SIGINT) return;
    if (signal == SIGHUP) reload();
  }
}

int Run(int argc, const char* const* argv, Config config, ProcessSignals& signals) {
  const ServiceManagerSocket manager;
  StartLogging(config.log_level, config.log_format);
  ExitReport exit_report;

  const absl::StatusOr<std::vector<PassedSocket>> passed = TakePassedSockets();
  if (!passed.ok()) return Fail(passed.status());
  const int64_t fd_limit = RaiseFdLimit();
  // Passed sockets are among those of the services.
  const auto own_fds = static_cast<int64_t>(config.admin.size()) +
                       (config.audit_log.empty() ? 0 : 1) + CountOpenFds() -
                       static_cast<int64_t>(passed->size()) + FdBudget::kOwnFds;
  const absl::StatusOr<FdBudget> budget = FdBudget::Divide(fd_limit, own_fds);
  if (!budget.ok()) return Fail(budget.status());
  ServiceHost& host = ServiceHost::OfProcess();
  absl::Status status = DefineBuiltInServices(host);
  if (!status.ok()) return Fail(status);

  for (const std::string& file : config.module) {
    if (status = CheckModule(file); !status.ok()) return Fail(status);
  }
  ReportCrashes();

  // Before the files are read: what changes from then on is seen.
  const auto roles_files = std::make_shared<WatchedFiles>(std::vector{config.roles});
  const auto tls_files = std::make_shared<WatchedFiles>(
      std::vector{config.tls_cert, config.tls_key, config.tls_client_ca, config.tls_crl});
  const absl::StatusOr<std::unique_ptr<Roles>> roles = Roles::Load(config.roles);
  if (!roles.ok()) return Fail(roles.status());
  const CertificateFiles certificate_files{config.tls_cert, config.tls_key, config.tls_client_ca,
                                           config.tls_crl};
  // Null: no TLS.
  absl::StatusOr<std::unique_ptr<ServerCertificates>> certificates = nullptr;
  if (!config.tls_cert.empty()) certificates = ServerCertificates::Load(certificate_files);
  if (!certificates.ok()) return Fail(certificates.status());
  // Null: no audit log.
  absl::StatusOr<std::unique_ptr<AuditLog>> audit = nullptr;
  if (!config.audit_log.empty()) audit = AuditLog::Open(config.audit_log, config.audit_fail_closed);
  if (!audit.ok()) return Fail(audit.status());
  AdminPeers peers;
  AdminAcceptor acceptor(budget->admin_connections, peers, [&roles](const AdminPeer& peer) {
    return peer.pid != getpid() && (*roles)->RoleOf(peer) >= AdminRole::kOperator;
  });
  const absl::StatusOr<std::vector<std::string>> addresses = Listen(config, acceptor);
  if (!addresses.ok()) return Fail(addresses.status());

  HostOptions options;
  options.max_sockets =
      config.max_sockets > 0 ? std::min(config.max_sockets, budget->sockets) : budget->sockets;
  options.max_listeners = config.max_listeners;
  options.closed_sockets = config.closed_sockets;
  options.event_history = config.event_history;
  options.abort_on_stall = config.abort_on_stall;
  status = host.Start(options);
  if (!status.ok()) return Fail(status);
  for (const std::string& file : config.module) {
    if (status = LoadModule(file); !status.ok()) return FailAndStop(status, config, host, signals);
    LogLine(LogLevel::kInfo, "a module is loaded", {{"file", file}});
  }
  exit_report.GoFirst();

  if (status = AdoptSockets(host, *passed, config.adopt); !status.ok()) {
    return FailAndStop(status, config, host, signals);
  }

  TaskThread tasks;
  // Of its own: however much the watches cost, the service manager hears its pings in time.
  TaskThread watch_tasks("watches");
  HostIdentity identity{SOCKHOST_VERSION,
                        UuidText(MakeUuid()),
                        absl::GetCurrentTimeNanos(),
                        MonotonicTime(),
                        options.max_sockets < budget->sockets,
                        *addresses,
                        budget->admin_connections};
  const AccessControl access(peers, **roles, certificates->get(), getpid());
  WatchSet watches(
      host, watch_tasks, config.max_watches, identity.instance_id,
      [&peers](const std::string& peer) { peers.CutOff(peer); },
      [&access](const AdminPeer& peer) { return access.RoleOf(peer); });
  ChangeLog changes(access);
  AdminService service(identity, host, watches, tasks, changes, peers);
  GuardedAdminService guarded(service, access, audit->get(), changes);
  absl::StatusOr<std::unique_ptr<AdminServer>> server =
      AdminServer::Start(guarded, {access, changes, audit->get(), certificates->get()}, acceptor,
                         {config.reflection_tcp, config.channelz});
  if (!server.ok()) return FailAndStop(server.status(), config, host, signals);
  // Before anybody is told: whoever knows that it serves may stop it in order.
  signals.BeginToServe(config.drain_timeout + kStopLimit);
  HealthReport health(host, **server, manager, tasks);
  health.Start();
  const auto follow = [&](const auto& files, const char* what,
                          const std::function<absl::Status()>& reload) {
    FollowFiles(tasks, files, what, [&watches, reload] {
      absl::Status status = reload();
      if (status.ok()) watches.CheckRoles();
      return status;
    });
  };
  if (!config.roles.empty()) follow(roles_files, "roles", [&] { return (*roles)->Reload(); });
  if (*certificates) {
    follow(tls_files, "certificates", [&] {
      absl::Status reloaded = (*certificates)->Reload();
      if (reloaded.ok()) (*certificates)->LogWarnings();
      return reloaded;
    });
    WarnDaily(tasks, **certificates);
  }

  LogLine(LogLevel::kInfo, absl::StrCat("sockhostd ", SOCKHOST_VERSION, " serves"),
          {{"admin", absl::StrJoin(*addresses, ",")},
           {"instance", identity.instance_id},
           {"open_files", fd_limit},
           {"max_sockets", host.max_sockets()},
           {"max_listeners", host.max_listeners()},
           {"max_watches", watches.limit()},
           {"pid", getpid()}});
  // Again, for what gRPC has brought.
  exit_report.GoFirst();
  ServeUntilStopped(acceptor, signals, [&] {
    if (ReloadConfig(argc, argv, SOCKHOST_VERSION, config)) SetLogLevel(config.log_level);
  });

  LogLine(LogLevel::kInfo, "stopping",
          {{"draining", host.sockets_of_listeners()},
           {"drain_timeout", absl::FormatDuration(config.drain_timeout)}});
  health.Stop();
  Drain(config, host, acceptor);
  const absl::Duration told_by = MonotonicTime() + kTellLimit;
  CloseConnections(host);
  (*server)->Stop(watches, acceptor, told_by);
  watch_tasks.Stop();
  tasks.Stop();
  host.Stop();
  LogLine(LogLevel::kInfo, "stopped");
  StopLogging();
  return 0;
}

int ExitEarly(const EarlyExit& exit) {
  if (exit.code == 0) {
    std::fputs(exit.text.c_str(), stdout);
    return 0;
  }
  SetLogForm(exit.log_format);
  const absl::string_view advice = FormOfLog().json ? "" : "\nsockhostd: see sockhostd --help";
  SayLastWords(absl::StrCat(exit.text, advice));
  return exit.code;
}

int Main(int argc, const char* const* argv) {
  // First of all: to read the configuration may take long.
  ProcessSignals signals;
  auto config = ParseConfig(argc, argv, SOCKHOST_VERSION);
  if (const auto* exit = std::get_if<EarlyExit>(&config)) return ExitEarly(*exit);
  return Run(argc, argv, std::get<Config>(std::move(config)), signals);
}

}  // namespace
}  // namespace sockhost

int main(int argc, char** argv) { sockhost::EndProcess(sockhost::Main(argc, argv)); }
