#include "service_parameters.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "filter_syntax.h"
#include "forward_parameters.h"
#include "resource_name.h"
#include "responder_parameters.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// `service` is the client's text: whether there is one is not known yet.
absl::Status OfAnotherService(absl::string_view field, absl::string_view service) {
  return Error(
      Reason::kFIELD_INVALID,
      absl::StrCat("parameters \"", field, "\" are not for service ", QuoteForMessage(service)),
      {{"value", std::string(field)}}, absl::StrCat("listener.", field));
}

bool AnswersDatagrams(absl::string_view service) {
  for (const absl::string_view one : {"echo", "daytime", "time", "chargen", "banner"}) {
    if (service == one) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<std::shared_ptr<const ServiceParameters>> DecodeParameters(
    absl::string_view id, const v1::Listener& listener) {
  const absl::string_view service = ServiceId(listener.service());
  if (listener.has_udp_guard() && !AnswersDatagrams(service)) {
    return OfAnotherService("udp_guard", service);
  }
  if (listener.has_udp_guard() && !absl::StartsWith(listener.address(), "udp:")) {
    const std::string value = listener.udp_guard().ShortDebugString();
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("udp_guard {", value, "}: it is for udp:// addresses, not for ",
                              listener.address(), "; leave it out"),
                 {{"value", value}, {"address", listener.address()}}, "listener.udp_guard");
  }
  if (listener.has_forward() && service != "forward") return OfAnotherService("forward", service);
  if (listener.has_banner() && service != "banner") return OfAnotherService("banner", service);
  if (service == "forward") return DecodeForward(id, listener);
  if (service == "banner") return DecodeBanner(listener);
  // Without it the limits are the usual ones.
  if (listener.has_udp_guard()) return DecodeResponder(listener);
  return nullptr;
}

}  // namespace sockhost
