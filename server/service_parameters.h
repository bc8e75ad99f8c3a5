// Parameters of the built-in services, as a client gives them.
#ifndef SOCKHOST_SERVER_SERVICE_PARAMETERS_H_
#define SOCKHOST_SERVER_SERVICE_PARAMETERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/service_parameters.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// What `listener`, to be known as `id`, tells its service; nullptr if that takes nothing. Error:
// FIELD_INVALID with the field: out of range, or meant for another service.
absl::StatusOr<std::shared_ptr<const ServiceParameters>> DecodeParameters(
    absl::string_view id, const v1::Listener& listener);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SERVICE_PARAMETERS_H_
