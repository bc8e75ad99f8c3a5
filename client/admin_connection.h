// A connection to the admin API of one sockhostd.
#ifndef SOCKHOST_CLIENT_ADMIN_CONNECTION_H_
#define SOCKHOST_CLIENT_ADMIN_CONNECTION_H_

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>
#include <grpcpp/security/credentials.h>

#include <memory>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "client/admin_address.h"
#include "client/rpc_error.h"

namespace sockhost::client {

// Any thread. gRPC connects at the first call and again after a loss.
class AdminConnection {
 public:
  // A method of a generated stub, e.g. &v1::AdminService::Stub::GetHost.
  template <class Stub, class Request, class Response>
  using Unary = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  // `timeout` bounds each unary call; InfiniteDuration() waits for ever.
  // `server_name`: see TlsFiles.
  AdminConnection(AdminAddress address, absl::Duration timeout,
                  const std::shared_ptr<grpc::ChannelCredentials>& credentials =
                      grpc::InsecureChannelCredentials(),
                  const std::string& server_name = "");

  // Calls `method` once. Errors are those of StatusOfCall.
  template <class Stub, class Request, class Response>
  absl::StatusOr<Response> Call(Unary<Stub, Request, Response> method,
                                const Request& request) const {
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout_));
    Stub stub(channel_);
    Response response;
    const grpc::Status status = (stub.*method)(&context, request, &response);
    if (!status.ok()) return ErrorOf(status);
    return response;
  }

  // Calls a List method until its last page; the answer holds all of them and
  // no token. INTERNAL if the daemon gives the same token twice in a row.
  template <class Stub, class Request, class Response>
  absl::StatusOr<Response> CallAllPages(Unary<Stub, Request, Response> method,
                                        Request request) const {
    Response all;
    while (true) {
      absl::StatusOr<Response> page = Call(method, request);
      if (!page.ok()) return page.status();
      const std::string token = std::exchange(*page->mutable_next_page_token(), "");
      all.MergeFrom(*page);
      if (token.empty()) return all;
      if (token == request.page_token()) return absl::InternalError("a page leads to itself");
      request.set_page_token(token);
    }
  }

  // The error of a call, e.g. of a stream that the caller runs itself.
  absl::Status ErrorOf(const grpc::Status& error) const {
    return StatusOfCall(error, address_, timeout_);
  }

  const std::shared_ptr<grpc::Channel>& channel() const { return channel_; }
  const AdminAddress& address() const { return address_; }

 private:
  const AdminAddress address_;
  const absl::Duration timeout_;
  const std::shared_ptr<grpc::Channel> channel_;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_ADMIN_CONNECTION_H_
