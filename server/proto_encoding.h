// Snapshots of the core as messages of the contract.
#ifndef SOCKHOST_SERVER_PROTO_ENCODING_H_
#define SOCKHOST_SERVER_PROTO_ENCODING_H_

#include <google/protobuf/duration.pb.h>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sockhost/error.h"
#include "sockhost/service_host.h"
#include "sockhost/v1/counters.pb.h"
#include "sockhost/v1/host.pb.h"
#include "sockhost/v1/listener.pb.h"
#include "sockhost/v1/service.pb.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost {

// Each fills an empty message. Any thread.
void Encode(const CounterValues& values, v1::Counters& out);
void Encode(const ListenerSnapshot& snapshot, v1::Listener& out);
// Fills what the host says of a listener; `out` holds what was declared.
void EncodeOutputOnly(const ListenerSnapshot& snapshot, v1::Listener& out);
// Of a call that changed nothing (validate_only): what it would have made of the listener
// `now` with `next` in force. Leaves out what only the call itself decides: etag,
// update_time, and the effective values of a socket that it would open or set anew.
void EncodeForecast(const ListenerSnapshot& now, const ListenerConfig& next, v1::Listener& out);
void Encode(const SocketSnapshot& snapshot, v1::Socket& out);
void Encode(const ServiceSnapshot& snapshot, v1::Service& out);
void Encode(const LoopStatistics& statistics, v1::LoopStatistics& out);

// FIELD_INVALID of `field`, an enum that has no value with this number; `names` are those it has.
absl::Status UnknownNumber(absl::string_view field, int number, absl::string_view names);

// Error: `reason`, with `field`, for what google.protobuf.Duration does not allow. Taken as it
// came it would be shown so, and no client could print it.
absl::Status CheckDuration(const google::protobuf::Duration& duration, absl::string_view field,
                           Reason reason = Reason::kFIELD_INVALID);

// Saturates.
absl::Duration DecodeDuration(const google::protobuf::Duration& duration);

// Nanoseconds since 1970 as a timestamp.
void EncodeTime(int64_t nanos, google::protobuf::Timestamp& out);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PROTO_ENCODING_H_
