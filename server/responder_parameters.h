// The parameters of services that answer: decoding.
#ifndef SOCKHOST_SERVER_RESPONDER_PARAMETERS_H_
#define SOCKHOST_SERVER_RESPONDER_PARAMETERS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "banner_service.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// Limits on datagrams, for echo, daytime, time and chargen. Error: FIELD_INVALID.
absl::StatusOr<std::shared_ptr<const ResponderParameters>> DecodeResponder(
    const v1::Listener& listener);

// The above and the text of a banner; reads its file. Error: FIELD_INVALID.
absl::StatusOr<std::shared_ptr<const BannerParameters>> DecodeBanner(const v1::Listener& listener);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_RESPONDER_PARAMETERS_H_
