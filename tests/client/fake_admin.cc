#include "tests/client/fake_admin.h"

#include <gmock/gmock.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/security/server_credentials.h>
#include <grpcpp/server_builder.h>
#include <grpcpp/support/server_callback.h>

#include <cstdlib>
#include <filesystem>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"

namespace sockhost::client {
namespace {

// Writes the messages, then ends the stream or waits for the client to go.
class WatchStream final : public grpc::ServerWriteReactor<v1::WatchSocketsResponse> {
 public:
  explicit WatchStream(const FakeAdmin::Answers& answers) : answers_(answers) { WriteNext(); }

  void OnWriteDone(bool ok) override {
    if (ok) WriteNext();
  }
  void OnCancel() override {
    if (!finished_.exchange(true)) Finish(grpc::Status::CANCELLED);
  }
  void OnDone() override { delete this; }

 private:
  void WriteNext() {
    if (next_ < answers_.watch_messages.size()) {
      StartWrite(&answers_.watch_messages[next_++]);
    } else if (answers_.watch_end.has_value() && !finished_.exchange(true)) {
      Finish(*answers_.watch_end);
    }
  }

  const FakeAdmin::Answers& answers_;
  size_t next_ = 0;
  std::atomic<bool> finished_ = false;
};

template <class Resources>
auto FindByName(Resources& resources, const std::string& name) {
  return std::find_if(resources.begin(), resources.end(),
                      [&name](const auto& resource) { return resource.name() == name; });
}

}  // namespace

grpc::Status DaemonError(grpc::StatusCode code, const std::string& message,
                         const std::string& reason,
                         const std::map<std::string, std::string>& metadata,
                         const std::map<std::string, std::string>& wrong_fields) {
  google::rpc::ErrorInfo info;
  info.set_reason(reason);
  info.set_domain("sockhost");
  info.mutable_metadata()->insert(metadata.begin(), metadata.end());
  google::rpc::BadRequest bad_request;
  for (const auto& [field, description] : wrong_fields) {
    auto* violation = bad_request.add_field_violations();
    violation->set_field(field);
    violation->set_description(description);
  }
  google::rpc::Status status;
  status.set_code(code);
  status.set_message(message);
  status.add_details()->PackFrom(info);
  if (!wrong_fields.empty()) status.add_details()->PackFrom(bad_request);
  return grpc::Status(code, message, status.SerializeAsString());
}

class FakeAdmin::Service final
    : public v1::AdminService::WithCallbackMethod_WatchSockets<v1::AdminService::Service> {
 public:
  explicit Service(FakeAdmin& fake) : fake_(fake) {}

  grpc::Status CreateListener(grpc::ServerContext*, const v1::CreateListenerRequest* request,
                              v1::Listener* listener) override {
    fake_.requests.create_listener = *request;
    *listener = request->listener();
    listener->set_name(absl::StrCat("listeners/", request->listener_id()));
    listener->set_effective_address(listener->address());
    listener->set_state(v1::Listener::ACTIVE);
    return Counted();
  }

  grpc::Status UpdateListener(grpc::ServerContext*, const v1::UpdateListenerRequest* request,
                              v1::Listener* listener) override {
    fake_.requests.update_listener = *request;
    if (fake_.answers.updates_overtaken-- > 0) {
      return DaemonError(grpc::StatusCode::ABORTED, "another etag", "ETAG_MISMATCH");
    }
    return Get(fake_.answers.listeners, request->listener().name(), "LISTENER_NOT_FOUND", listener);
  }

  grpc::Status WatchEvents(grpc::ServerContext*, const v1::WatchEventsRequest*,
                           grpc::ServerWriter<v1::WatchEventsResponse>* writer) override {
    for (const auto& message : fake_.answers.event_messages) writer->Write(message);
    return fake_.answers.watch_end.value_or(grpc::Status::OK);
  }

  grpc::Status GetListener(grpc::ServerContext*, const v1::GetListenerRequest* request,
                           v1::Listener* listener) override {
    return Get(fake_.answers.listeners, request->name(), "LISTENER_NOT_FOUND", listener);
  }

  grpc::Status ListListeners(grpc::ServerContext*, const v1::ListListenersRequest* request,
                             v1::ListListenersResponse* response) override {
    fake_.requests.list_listeners = *request;
    return List(fake_.answers.listeners, *request, response, response->mutable_listeners());
  }

  grpc::Status DeleteListener(grpc::ServerContext*, const v1::DeleteListenerRequest* request,
                              google::protobuf::Empty*) override {
    fake_.requests.delete_listener.push_back(*request);
    auto& listeners = fake_.answers.listeners;
    const auto listener = FindByName(listeners, request->name());
    if (listener != listeners.end()) {
      listeners.erase(listener);
    } else if (!request->allow_missing()) {
      return NotFound(request->name(), "LISTENER_NOT_FOUND");
    }
    return Counted();
  }

  grpc::Status GetSocket(grpc::ServerContext*, const v1::GetSocketRequest* request,
                         v1::Socket* socket) override {
    fake_.requests.get_socket = *request;
    return Get(fake_.answers.sockets, request->name(), "SOCKET_NOT_FOUND", socket);
  }

  grpc::Status CloseSocket(grpc::ServerContext*, const v1::CloseSocketRequest* request,
                           v1::Socket* socket) override {
    const grpc::Status status =
        Get(fake_.answers.sockets, request->name(), "SOCKET_NOT_FOUND", socket);
    socket->set_state(v1::Socket::CLOSED);
    return status;
  }

  grpc::Status ListSockets(grpc::ServerContext*, const v1::ListSocketsRequest* request,
                           v1::ListSocketsResponse* response) override {
    fake_.requests.list_sockets = *request;
    return List(fake_.answers.sockets, *request, response, response->mutable_sockets());
  }

  grpc::Status GetService(grpc::ServerContext*, const v1::GetServiceRequest* request,
                          v1::Service* service) override {
    return Get(fake_.answers.services, request->name(), "SERVICE_NOT_FOUND", service);
  }

  grpc::Status ListServices(grpc::ServerContext*, const v1::ListServicesRequest* request,
                            v1::ListServicesResponse* response) override {
    fake_.requests.list_services = *request;
    return List(fake_.answers.services, *request, response, response->mutable_services());
  }

  grpc::Status GetHost(grpc::ServerContext* context, const v1::GetHostRequest*,
                       v1::Host* host) override {
    const auto agent = context->client_metadata().find("user-agent");
    if (agent != context->client_metadata().end()) {
      fake_.requests.user_agent.assign(agent->second.data(), agent->second.size());
    }
    *host = fake_.answers.host;
    return Counted();
  }

  grpc::ServerWriteReactor<v1::WatchSocketsResponse>* WatchSockets(
      grpc::CallbackServerContext*, const v1::WatchSocketsRequest* request) override {
    fake_.requests.watch_sockets = *request;
    ++fake_.requests.calls;
    return new WatchStream(fake_.answers);
  }

 private:
  grpc::Status Counted() {
    ++fake_.requests.calls;
    return fake_.answers.error;
  }

  static grpc::Status NotFound(const std::string& name, const std::string& reason) {
    return DaemonError(grpc::StatusCode::NOT_FOUND, absl::StrCat("no such resource: ", name),
                       reason, {{"name", name}});
  }

  template <class Resource>
  grpc::Status Get(const std::vector<Resource>& resources, const std::string& name,
                   const std::string& reason, Resource* answer) {
    const auto resource = FindByName(resources, name);
    if (resource == resources.end()) return NotFound(name, reason);
    *answer = *resource;
    return Counted();
  }

  template <class Resource, class Request, class Response, class Field>
  grpc::Status List(const std::vector<Resource>& resources, const Request& request,
                    Response* response, Field* field) {
    size_t next = request.page_token().empty() ? 0 : std::stoul(request.page_token());
    for (int i = 0; i < fake_.answers.page_size && next < resources.size(); ++i) {
      *field->Add() = resources[next++];
    }
    if (next < resources.size()) response->set_next_page_token(absl::StrCat(next));
    return Counted();
  }

  FakeAdmin& fake_;
};

FakeAdmin::FakeAdmin() : service_(std::make_unique<Service>(*this)) {
  std::string folder = (std::filesystem::temp_directory_path() / "sockctl_test.XXXXXX").string();
  EXPECT_NE(mkdtemp(folder.data()), nullptr);
  folder_ = folder;
  grpc::EnableDefaultHealthCheckService(true);
  grpc::ServerBuilder builder;
  builder.AddListeningPort(unix_address(), grpc::InsecureServerCredentials());
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
  builder.RegisterService(service_.get());
  server_ = builder.BuildAndStart();
  EXPECT_NE(server_, nullptr);
}

FakeAdmin::~FakeAdmin() {
  Stop();
  std::filesystem::remove_all(folder_);
}

std::string FakeAdmin::unix_address() const { return absl::StrCat("unix:", folder_, "/a.sock"); }

std::string FakeAdmin::tcp_address() const { return absl::StrCat("tcp://127.0.0.1:", port_); }

AdminConnection FakeAdmin::Connect(absl::Duration timeout) const {
  return AdminConnection(*ParseAdminAddress(unix_address()), timeout);
}

void FakeAdmin::Stop() {
  if (server_ == nullptr) return;
  server_->Shutdown(absl::ToChronoTime(absl::Now()));
  server_->Wait();
  server_.reset();
}

void FakeAdmin::SetServing(bool serving) {
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

}  // namespace sockhost::client
