// The whole admin API in this process, with real connections.
#ifndef SOCKHOST_TESTS_SERVER_ADMIN_API_H_
#define SOCKHOST_TESTS_SERVER_ADMIN_API_H_

#include <grpcpp/channel.h>

#include <memory>
#include <string>
#include <thread>

#include "server/access_control.h"
#include "server/admin_acceptor.h"
#include "server/admin_peers.h"
#include "server/admin_server.h"
#include "server/admin_service.h"
#include "server/audit_log.h"
#include "server/change_log.h"
#include "server/guarded_admin_service.h"
#include "server/roles.h"
#include "server/server_certificates.h"
#include "server/task_thread.h"
#include "server/watch_set.h"
#include "service_core/unique_fd.h"
#include "sockhost/service_host.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost {

// A folder of one test, removed with what is in it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  std::string Path(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// What main.cc builds, on a unix socket, with the built-in services.
class AdminApi {
 public:
  struct Options {
    size_t max_connections = 16;
    size_t max_watches = 100;
    // Files; empty: as sockhostd without the flag.
    std::string roles;
    std::string audit_log;
    bool audit_fail_closed = false;
    // As sockhostd does: this process, the tests' clients too, has no role.
    bool refuses_own_process = false;
    // With a certificate: serves TLS, too.
    CertificateFiles certificates;
  };

  AdminApi() : AdminApi(Options()) {}
  explicit AdminApi(const Options& options);
  // Stops what Stop has not.
  ~AdminApi();
  AdminApi(const AdminApi&) = delete;
  AdminApi& operator=(const AdminApi&) = delete;

  ServiceHost& host() { return host_; }
  WatchSet& watches() { return watches_; }
  TaskThread& tasks() { return tasks_; }
  AdminServer& server() { return *server_; }
  const std::string& path() const { return path_; }
  // HOST:PORT of the addresses with TLS, if there are certificates, and without.
  const std::string& tls_address() const { return tls_address_; }
  const std::string& tcp_address() const { return tcp_address_; }
  Roles& roles() { return *roles_; }
  ServerCertificates& certificates() { return *certificates_; }

  // A connection of its own.
  std::shared_ptr<grpc::Channel> Connect() const;
  // On one connection that lives as long as this.
  v1::AdminService::Stub& stub() { return *stub_; }

  // Opens a listener at a port that the kernel chooses; returns its address.
  SocketAddress CreateListener(const std::string& id, const std::string& service,
                               const std::string& address = "tcp://127.0.0.1:0");

  void Stop();

 private:
  void ServeConnections();

  TemporaryFolder folder_;
  const std::string path_ = folder_.Path("admin.sock");
  ServiceHost host_;
  TaskThread tasks_;
  const std::unique_ptr<Roles> roles_;
  // Null without TLS, without an audit log.
  std::unique_ptr<ServerCertificates> certificates_;
  std::unique_ptr<AuditLog> audit_;
  AdminPeers peers_;
  const AccessControl access_;
  WatchSet watches_;
  ChangeLog changes_;
  AdminService service_;
  GuardedAdminService guarded_;
  AdminAcceptor acceptor_;
  std::string tls_address_;
  std::string tcp_address_;
  std::unique_ptr<AdminServer> server_;
  std::unique_ptr<v1::AdminService::Stub> stub_;
  // Readable: the thread below ends.
  UniqueFd end_;
  std::thread acceptor_thread_;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_SERVER_ADMIN_API_H_
