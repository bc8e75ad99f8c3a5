#include "client/rpc_error.h"

#include <string>

#include "absl/strings/cord.h"
#include "absl/strings/str_cat.h"
#include "client/reachability.h"

namespace sockhost::client {
namespace {

constexpr absl::string_view kPayload = "type.googleapis.com/google.rpc.Status";
constexpr int kExitError = 1;
constexpr int kExitRpc = 64;

// What gRPC's own error means. `hint` is empty if there is nothing to add.
Unreachable Explain(const grpc::Status& error, const AdminAddress& address,
                    absl::Duration timeout) {
  switch (error.error_code()) {
    case grpc::StatusCode::UNAVAILABLE:
      return ExplainUnreachable(address, error.error_message());
    case grpc::StatusCode::DEADLINE_EXCEEDED:
      return {
          absl::StrCat("no answer from ", address.text, " within ", absl::FormatDuration(timeout)),
          "a call that changes something may still take effect: look before you repeat it; "
          "--timeout waits longer"};
    case grpc::StatusCode::UNIMPLEMENTED:
      return {absl::StrCat("the daemon at ", address.text,
                           " does not know this call: ", error.error_message()),
              "'sockctl version' shows both versions"};
    default:
      return {error.error_message(), ""};
  }
}

google::rpc::Status DetailsOfGrpc(const grpc::Status& error, const Unreachable& explained) {
  google::rpc::Status details;
  details.set_code(error.error_code());
  details.set_message(error.error_message());
  google::rpc::ErrorInfo info;
  info.set_domain(std::string(kClientDomain));
  if (!explained.hint.empty()) (*info.mutable_metadata())["hint"] = explained.hint;
  details.add_details()->PackFrom(info);
  return details;
}

absl::Status Make(absl::StatusCode code, absl::string_view message,
                  const google::rpc::Status& details) {
  absl::Status status(code, message);
  status.SetPayload(kPayload, absl::Cord(details.SerializeAsString()));
  return status;
}

absl::Status WithMessage(const absl::Status& status, absl::string_view message) {
  absl::Status other(status.code(), message);
  status.ForEachPayload([&other](absl::string_view url, const absl::Cord& payload) {
    other.SetPayload(url, payload);
  });
  return other;
}

}  // namespace

absl::Status StatusOfCall(const grpc::Status& error, const AdminAddress& address,
                          absl::Duration timeout) {
  const auto code = static_cast<absl::StatusCode>(error.error_code());
  google::rpc::Status details;
  if (details.ParseFromString(error.error_details()) && details.details_size() > 0) {
    return Make(code, error.error_message(), details);
  }
  const Unreachable explained = Explain(error, address, timeout);
  return Make(code, explained.message, DetailsOfGrpc(error, explained));
}

absl::Status WithContext(absl::string_view what, const absl::Status& status) {
  return WithMessage(status, absl::StrCat(what, ": ", status.message()));
}

absl::Status WithSuffix(const absl::Status& status, absl::string_view advice) {
  return WithMessage(status, absl::StrCat(status.message(), advice));
}

std::optional<google::rpc::Status> DetailsOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kPayload);
  if (!payload.has_value()) return std::nullopt;
  google::rpc::Status details;
  details.ParseFromString(std::string(*payload));
  return details;
}

std::optional<google::rpc::ErrorInfo> ErrorInfoOf(const absl::Status& status) {
  const auto details = DetailsOf(status);
  if (!details.has_value()) return std::nullopt;
  google::rpc::ErrorInfo info;
  for (const auto& detail : details->details()) {
    if (detail.UnpackTo(&info)) return info;
  }
  return std::nullopt;
}

int ExitCode(const absl::Status& status) {
  if (status.ok()) return 0;
  if (DetailsOf(status).has_value()) return kExitRpc + status.raw_code();
  return absl::IsCancelled(status) ? 0 : kExitError;
}

}  // namespace sockhost::client
