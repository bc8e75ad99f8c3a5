#include "client/host_verbs.h"

#include <google/protobuf/struct.pb.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "client/resource_output.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {
namespace {

using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

std::string DaemonLine(const absl::StatusOr<v1::Host>& host) {
  if (host.ok()) return absl::StrCat("sockhostd  ", Printable(host->version()), "\n");
  return absl::StrCat("sockhostd  -  (", Printable(host.status().message()), ")\n");
}

// Health itself is a word only; the host says more, if it still answers.
std::string WhyNotServing(AdminConnection& connection) {
  const auto host = connection.Call(&v1::AdminService::Stub::GetHost, v1::GetHostRequest());
  if (!host.ok() || host->stalled_service().empty()) {
    return "it starts, it stops, or a handler does not return";
  }
  return absl::StrCat("a handler of ", Printable(host->stalled_service()), " does not return");
}

}  // namespace

absl::Status RunHost(const Arguments& arguments, AdminConnection& connection, Output& output) {
  const auto host = connection.Call(&v1::AdminService::Stub::GetHost, v1::GetHostRequest());
  if (!host.ok()) return WithContext("cannot get the host", host.status());
  return PrintSheet(*host, arguments, output);
}

void DeclareHealth(CLI::App& app, Arguments& arguments) {
  app.add_option("SERVICE", arguments.names,
                 "gRPC service, e.g. sockhost.v1.AdminService; none: the whole daemon")
      ->expected(0, 1)
      ->type_name("");
}

absl::Status RunHealth(const Arguments& arguments, AdminConnection& connection, Output& output) {
  HealthCheckRequest request;
  if (!arguments.names.empty()) request.set_service(arguments.names[0]);
  const auto response = connection.Call(&grpc::health::v1::Health::Stub::Check, request);
  const std::string what =
      request.service().empty() ? "sockhostd" : absl::StrCat("\"", request.service(), "\"");
  if (!response.ok()) {
    return WithContext(absl::StrCat("cannot ask for the health of ", what), response.status());
  }
  const std::string status =
      EnumText(response->status(), HealthCheckResponse::ServingStatus_Name<>);
  const absl::Status written = arguments.output == OutputFormat::kJson
                                   ? WriteJson(*response, JsonLayout::kIndented, output)
                                   : output.Write(absl::StrCat(status, "\n"));
  if (!written.ok() || response->status() == HealthCheckResponse::SERVING) return written;
  return absl::FailedPreconditionError(
      absl::StrCat(what, " is ", status, ": ", WhyNotServing(connection)));
}

absl::Status RunVersion(const Arguments& arguments, AdminConnection& connection, Output& output) {
  const auto host = connection.Call(&v1::AdminService::Stub::GetHost, v1::GetHostRequest());
  if (arguments.output != OutputFormat::kJson) {
    return output.Write(absl::StrCat("sockctl    ", SOCKHOST_VERSION, "\n", DaemonLine(host)));
  }
  google::protobuf::Struct versions;
  (*versions.mutable_fields())["client"].set_string_value(SOCKHOST_VERSION);
  if (host.ok()) (*versions.mutable_fields())["server"].set_string_value(host->version());
  return WriteJson(versions, JsonLayout::kIndented, output);
}

}  // namespace sockhost::client
