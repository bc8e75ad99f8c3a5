// An admin API on real sockets whose answers a test chooses.
#ifndef SOCKHOST_TESTS_CLIENT_FAKE_ADMIN_H_
#define SOCKHOST_TESTS_CLIENT_FAKE_ADMIN_H_

#include <grpcpp/server.h>
#include <grpcpp/support/status.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "client/admin_connection.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {

// The error of a call with the details that sockhostd would send.
grpc::Status DaemonError(grpc::StatusCode code, const std::string& message,
                         const std::string& reason,
                         const std::map<std::string, std::string>& metadata = {},
                         const std::map<std::string, std::string>& wrong_fields = {});

// Serves from its construction on, at a unix socket in a folder of its own and
// at a TCP port of 127.0.0.1. Tests fill in the answers before a call and read
// the requests after it; one call at a time.
class FakeAdmin {
 public:
  FakeAdmin();
  ~FakeAdmin();

  std::string unix_address() const;  // as for --host
  std::string tcp_address() const;
  AdminConnection Connect(absl::Duration timeout = absl::Seconds(60)) const;

  // Ends all streams and frees the addresses.
  void Stop();
  void SetServing(bool serving);

  struct Answers {
    std::vector<v1::Listener> listeners;  // DeleteListener takes them away
    std::vector<v1::Socket> sockets;      // CloseSocket closes them
    std::vector<v1::Service> services;
    v1::Host host;
    int page_size = 1000;
    grpc::Status error;         // unless OK, every call ends with it
    int updates_overtaken = 0;  // so many UpdateListener find another etag
    std::vector<v1::WatchSocketsResponse> watch_messages;
    std::vector<v1::WatchEventsResponse> event_messages;  // and then watch_end, or OK
    std::optional<grpc::Status> watch_end;                // nothing: the stream stays open
  } answers;

  struct Requests {
    v1::CreateListenerRequest create_listener;
    v1::UpdateListenerRequest update_listener;
    std::vector<v1::DeleteListenerRequest> delete_listener;
    v1::ListListenersRequest list_listeners;
    v1::GetSocketRequest get_socket;
    v1::ListSocketsRequest list_sockets;
    v1::ListServicesRequest list_services;
    v1::WatchSocketsRequest watch_sockets;
    std::string user_agent;
    int calls = 0;
  } requests;

 private:
  class Service;

  std::string folder_;
  int port_ = 0;
  std::unique_ptr<Service> service_;
  std::unique_ptr<grpc::Server> server_;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_TESTS_CLIENT_FAKE_ADMIN_H_
