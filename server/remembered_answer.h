// Answers by the ids of their requests.
#ifndef SOCKHOST_SERVER_REMEMBERED_ANSWER_H_
#define SOCKHOST_SERVER_REMEMBERED_ANSWER_H_

#include <optional>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "monotonic_time.h"
#include "request_memory.h"

namespace sockhost {

// What was answered to a request that has an id, if it was. With validate_only nothing is
// remembered, and what counts is the request without it.
template <class Request>
absl::StatusOr<RequestMemory::Answer> AnswerBefore(RequestMemory& requests,
                                                   absl::string_view method,
                                                   const Request& request) {
  const absl::Duration now = MonotonicTime();
  if (!request.validate_only()) return requests.Begin(request.request_id(), method, request, now);
  Request call = request;
  call.clear_validate_only();
  return requests.Look(call.request_id(), method, call, now);
}

// Calls `call`, unless its answer to the same request is remembered.
template <class Request>
absl::Status AnswerOnce(RequestMemory& requests, absl::string_view method, const Request& request,
                        google::protobuf::MessageLite& response,
                        absl::FunctionRef<absl::Status()> call) {
  const std::string& id = request.request_id();
  if (id.empty()) return call();
  const auto before = AnswerBefore(requests, method, request);
  if (!before.ok()) return before.status();
  if (before->has_value()) {
    response.ParseFromString(**before);
    return absl::OkStatus();
  }
  const absl::Status status = call();
  if (request.validate_only()) return status;
  requests.End(id, status.ok() ? std::optional(response.SerializeAsString()) : std::nullopt,
               MonotonicTime());
  return status;
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_REMEMBERED_ANSWER_H_
