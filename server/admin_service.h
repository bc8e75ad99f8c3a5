// The RPCs of sockhost.v1.AdminService.
#ifndef SOCKHOST_SERVER_ADMIN_SERVICE_H_
#define SOCKHOST_SERVER_ADMIN_SERVICE_H_

#include <grpcpp/server_context.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "admin_peers.h"
#include "admin_reply.h"
#include "change_log.h"
#include "request_memory.h"
#include "sockhost/service_host.h"
#include "sockhost/v1/admin.grpc.pb.h"
#include "task_thread.h"
#include "watch_set.h"

namespace sockhost {

// What this process is, constant from start to end.
struct HostIdentity {
  std::string version;
  std::string instance_id;
  // When it started: on the wall clock, ns since 1970, and as MonotonicTime().
  int64_t start_time_nanos = 0;
  absl::Duration start = absl::ZeroDuration();
  // True if --max-sockets, not the limit of open files, is what bounds sockets.
  bool max_sockets_is_set = false;
  std::vector<std::string> admin_addresses;
  size_t max_admin_connections = 0;
};

// Each method decodes, calls the core or the watches, and encodes. No method
// waits: gRPC has few threads.
//
// Thread rule: gRPC's threads.
class AdminService {
 public:
  // All but `identity` are not owned and outlive the gRPC server.
  AdminService(HostIdentity identity, ServiceHost& host, WatchSet& watches, TaskThread& tasks,
               ChangeLog& changes, const AdminPeers& peers);

  grpc::ServerUnaryReactor* CreateListener(grpc::CallbackServerContext* context,
                                           const v1::CreateListenerRequest* request,
                                           v1::Listener* response);
  grpc::ServerUnaryReactor* GetListener(grpc::CallbackServerContext* context,
                                        const v1::GetListenerRequest* request,
                                        v1::Listener* response);
  grpc::ServerUnaryReactor* UpdateListener(grpc::CallbackServerContext* context,
                                           const v1::UpdateListenerRequest* request,
                                           v1::Listener* response);
  grpc::ServerUnaryReactor* PauseListener(grpc::CallbackServerContext* context,
                                          const v1::PauseListenerRequest* request,
                                          v1::Listener* response);
  grpc::ServerUnaryReactor* ResumeListener(grpc::CallbackServerContext* context,
                                           const v1::ResumeListenerRequest* request,
                                           v1::Listener* response);
  grpc::ServerUnaryReactor* DrainListener(grpc::CallbackServerContext* context,
                                          const v1::DrainListenerRequest* request,
                                          v1::Listener* response);
  grpc::ServerUnaryReactor* ListListeners(grpc::CallbackServerContext* context,
                                          const v1::ListListenersRequest* request,
                                          v1::ListListenersResponse* response);
  grpc::ServerUnaryReactor* DeleteListener(grpc::CallbackServerContext* context,
                                           const v1::DeleteListenerRequest* request,
                                           google::protobuf::Empty* response);
  grpc::ServerUnaryReactor* GetSocket(grpc::CallbackServerContext* context,
                                      const v1::GetSocketRequest* request, v1::Socket* response);
  grpc::ServerUnaryReactor* ListSockets(grpc::CallbackServerContext* context,
                                        const v1::ListSocketsRequest* request,
                                        v1::ListSocketsResponse* response);
  grpc::ServerUnaryReactor* CloseSocket(grpc::CallbackServerContext* context,
                                        const v1::CloseSocketRequest* request,
                                        v1::Socket* response);
  grpc::ServerUnaryReactor* GetService(grpc::CallbackServerContext* context,
                                       const v1::GetServiceRequest* request, v1::Service* response);
  grpc::ServerUnaryReactor* ListServices(grpc::CallbackServerContext* context,
                                         const v1::ListServicesRequest* request,
                                         v1::ListServicesResponse* response);
  grpc::ServerUnaryReactor* GetHost(grpc::CallbackServerContext* context,
                                    const v1::GetHostRequest* request, v1::Host* response);
  grpc::ServerWriteReactor<grpc::ByteBuffer>* WatchSockets(grpc::CallbackServerContext* context,
                                                           const v1::WatchSocketsRequest* request);
  grpc::ServerWriteReactor<v1::WatchEventsResponse>* WatchEvents(
      grpc::CallbackServerContext* context, const v1::WatchEventsRequest* request);

 private:
  class Deletion;

  absl::Status Create(const v1::CreateListenerRequest& request, v1::Listener& response);
  // Those that say whether they have `changed` anything set it to true if so.
  absl::Status Update(const v1::UpdateListenerRequest& request, v1::Listener& response,
                      bool& changed);
  absl::Status TryUpdate(const ListenerSnapshot& now, const v1::UpdateListenerRequest& request,
                         v1::Listener& response, bool& changed);
  // Answers when the service thread has closed what the call has removed; OK also
  // when that takes too long.
  grpc::ServerUnaryReactor* ReplyWhenClosed(grpc::CallbackServerContext* context,
                                            const absl::Status& status);
  absl::Status Pause(const v1::PauseListenerRequest& request, v1::Listener& response,
                     bool& changed);
  absl::Status Resume(const v1::ResumeListenerRequest& request, v1::Listener& response,
                      bool& changed);
  absl::Status Drain(const v1::DrainListenerRequest& request, v1::Listener& response);
  // The listener of that name, if it has `etag` or that is empty. Errors:
  // NAME_INVALID, LISTENER_NOT_FOUND, ETAG_MISMATCH with the field.
  absl::StatusOr<ListenerSnapshot> FindListener(const std::string& name, const std::string& etag,
                                                absl::string_view etag_field) const;
  absl::Status ExplainLimit(const absl::Status& status) const;
  absl::Status Get(const v1::GetListenerRequest& request, v1::Listener& response) const;
  absl::Status List(const v1::ListListenersRequest& request,
                    v1::ListListenersResponse& response) const;
  void Delete(const grpc::CallbackServerContext& context, const v1::DeleteListenerRequest& request,
              const std::shared_ptr<Deletion>& deletion);
  // Logs that `method` has changed `listener`, if `status` says so; returns it.
  absl::Status Noted(const grpc::CallbackServerContext* context, absl::string_view method,
                     absl::string_view listener, absl::Status status) const;
  // For the deletion of the listener `name`, which waits for the service thread.
  absl::Status StalledError(const std::string& name) const;
  absl::Status Get(const v1::GetSocketRequest& request, v1::Socket& response) const;
  absl::Status List(const v1::ListSocketsRequest& request, v1::ListSocketsResponse& response) const;
  absl::Status Get(const v1::GetServiceRequest& request, v1::Service& response) const;
  absl::Status List(const v1::ListServicesRequest& request,
                    v1::ListServicesResponse& response) const;

  const HostIdentity identity_;
  ServiceHost& host_;
  WatchSet& watches_;
  TaskThread& tasks_;
  ChangeLog& changes_;
  const AdminPeers& peers_;
  RequestMemory requests_;
  // Held while a listener that forwards is checked and made or changed.
  absl::Mutex forwarders_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_SERVICE_H_
