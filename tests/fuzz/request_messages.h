// Which request messages the contract has: one that no fuzz target knows is found
// when the target starts.
#ifndef SOCKHOST_TESTS_FUZZ_REQUEST_MESSAGES_H_
#define SOCKHOST_TESTS_FUZZ_REQUEST_MESSAGES_H_

#include <google/protobuf/descriptor.h>
#include <google/protobuf/stubs/logging.h>

#include <algorithm>
#include <cstdio>
#include <vector>

#include "require.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {

enum class Reply { kOne, kStream };

// protobuf has a line for each text that is not UTF-8.
inline void SilenceProtobuf() { google::protobuf::SetLogHandler(nullptr); }

// Requires that `known` has the request of each method that is answered like that;
// one without fields has nothing to decode.
inline void RequireRequestsOf(Reply reply,
                              const std::vector<const google::protobuf::Descriptor*>& known) {
  const google::protobuf::FileDescriptor& file = *v1::GetHostRequest::descriptor()->file();
  const google::protobuf::ServiceDescriptor* service = file.FindServiceByName("AdminService");
  Require(service != nullptr, "the contract has its service");
  for (int i = 0; i < service->method_count(); ++i) {
    const google::protobuf::MethodDescriptor& method = *service->method(i);
    if (method.server_streaming() != (reply == Reply::kStream)) continue;
    const google::protobuf::Descriptor* request = method.input_type();
    if (request->field_count() == 0) continue;
    if (std::find(known.begin(), known.end(), request) != known.end()) continue;
    std::fprintf(stderr, "unknown request: %s\n", request->full_name().c_str());
    Require(false, "each request is fuzzed");
  }
}

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_FUZZ_REQUEST_MESSAGES_H_
