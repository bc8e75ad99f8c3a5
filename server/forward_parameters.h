// Parameters of the forward service, as a client gives them.
#ifndef SOCKHOST_SERVER_FORWARD_PARAMETERS_H_
#define SOCKHOST_SERVER_FORWARD_PARAMETERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "sockhost/service_parameters.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// Decodes Listener.forward; names of upstreams are looked up from now on. Errors,
// with the field: FIELD_INVALID (missing, out of range, or not for this kind of
// listener), ADDRESS_INVALID (an upstream), INTERNAL.
absl::StatusOr<std::shared_ptr<const ServiceParameters>> DecodeForward(
    const v1::Listener& listener);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_PARAMETERS_H_
