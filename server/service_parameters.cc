#include "service_parameters.h"

namespace sockhost {

absl::StatusOr<std::shared_ptr<const ServiceParameters>> DecodeParameters(const v1::Listener&) {
  return nullptr;
}

}  // namespace sockhost
