#include "grpc_status.h"

#include <grpc/grpc.h>

#include <optional>
#include <string>

#include "absl/strings/escaping.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "sockhost/error.h"

namespace sockhost {

grpc::Status ToGrpcStatus(const absl::Status& status) {
  if (status.ok()) return grpc::Status::OK;
  const std::optional<ErrorDetail> known = DetailOf(status);
  const ErrorDetail detail = known.value_or(ErrorDetail{});
  // absl and gRPC number the codes alike.
  const int code = known ? static_cast<int>(status.code()) : grpc::StatusCode::INTERNAL;

  google::rpc::Status rich;
  rich.set_code(code);
  rich.set_message(std::string(status.message()));
  google::rpc::ErrorInfo info;
  info.set_domain("sockhost");
  info.set_reason(std::string(ReasonName(detail.reason)));
  info.mutable_metadata()->insert(detail.metadata.begin(), detail.metadata.end());
  rich.add_details()->PackFrom(info);
  if (!detail.field.empty()) {
    google::rpc::BadRequest bad_request;
    const auto add = [&bad_request](const std::string& field, absl::string_view description) {
      google::rpc::BadRequest::FieldViolation* violation = bad_request.add_field_violations();
      violation->set_field(field);
      violation->set_description(std::string(description));
    };
    add(detail.field, status.message());
    for (const FieldViolation& other : detail.others) add(other.field, other.description);
    rich.add_details()->PackFrom(bad_request);
  }
  return {static_cast<grpc::StatusCode>(code), rich.message(), rich.SerializeAsString()};
}

void DenyCall(grpc::ServerContextBase& call, absl::string_view why) {
  // TryCancel would say CANCELLED.
  grpc_call_cancel_with_status(call.c_call(), GRPC_STATUS_PERMISSION_DENIED,
                               absl::CHexEscape(why).c_str(), nullptr);
}

}  // namespace sockhost
