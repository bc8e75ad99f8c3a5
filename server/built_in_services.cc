#include "built_in_services.h"

namespace sockhost {

absl::Status DefineBuiltInServices(ServiceHost& host) {
  for (const sockhost_service_definition* service :
       {&kEchoService, &kDiscardService, &kDaytimeService, &kTimeService, &kChargenService,
        &kBannerService, &kForwardService}) {
    absl::Status status = host.DefineService(*service, ServiceKind::kBuiltIn);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace sockhost
