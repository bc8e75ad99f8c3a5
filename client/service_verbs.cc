#include "client/service_verbs.h"

#include "absl/strings/str_cat.h"
#include "client/list_flags.h"
#include "client/resource_name.h"
#include "client/resource_output.h"
#include "sockhost/v1/admin.grpc.pb.h"

namespace sockhost::client {

using Stub = v1::AdminService::Stub;

void DeclareServiceList(CLI::App& app, Arguments& arguments) {
  AddListFlags(app, arguments.list_services, "services", kServiceFilter,
               "counters.handler_time_nanos desc");
}

absl::Status RunServiceList(const Arguments& arguments, AdminConnection& connection,
                            Output& output) {
  const auto all = connection.CallAllPages(&Stub::ListServices, arguments.list_services);
  if (!all.ok()) return WithContext("cannot list services", all.status());
  return PrintList(*all, all->services(), arguments, output);
}

void DeclareServiceGet(CLI::App& app, Arguments& arguments) {
  AddName(app, arguments, "Service, e.g. echo or services/echo");
}

absl::Status RunServiceGet(const Arguments& arguments, AdminConnection& connection,
                           Output& output) {
  v1::GetServiceRequest request;
  request.set_name(FullName(kServices, arguments.names[0]));
  const auto service = connection.Call(&Stub::GetService, request);
  if (!service.ok()) {
    return WithContext(absl::StrCat("cannot get service \"", arguments.names[0], "\""),
                       service.status());
  }
  return PrintSheet(*service, arguments, output);
}

}  // namespace sockhost::client
