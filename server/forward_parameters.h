// Parameters of the forward service, as a client gives them.
#ifndef SOCKHOST_SERVER_FORWARD_PARAMETERS_H_
#define SOCKHOST_SERVER_FORWARD_PARAMETERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/service_parameters.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// Decodes `listener.forward` of the listener `id`; names of upstreams are looked up, and
// upstreams that fail are logged, from now on. Errors, with the field: FIELD_INVALID (missing,
// out of range, or not for this kind of listener), ADDRESS_INVALID (an upstream), INTERNAL.
absl::StatusOr<std::shared_ptr<const ServiceParameters>> DecodeForward(
    absl::string_view id, const v1::Listener& listener);

// For an update from `before` to `after`: `after` with the upstreams of `before`, and what is
// known of them, if both forward, to the same upstreams by the same policy; else `after` as it is.
std::shared_ptr<const ServiceParameters> WithKnownUpstreams(
    const ServiceParameters* before, std::shared_ptr<const ServiceParameters> after);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_PARAMETERS_H_
