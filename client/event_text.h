// Events as lines of text.
#ifndef SOCKHOST_CLIENT_EVENT_TEXT_H_
#define SOCKHOST_CLIENT_EVENT_TEXT_H_

#include <string>

#include "absl/time/time.h"
#include "sockhost/v1/event.pb.h"

namespace sockhost::client {

// "2026-11-26 04:00:00.123  SOCKET_CLOSED  sockets/12  listener=web ...": time, kind,
// name, and what else there is to say as KEY=VALUE. Ends with a line end.
std::string EventLine(const v1::Event& event, absl::TimeZone time_zone = absl::LocalTimeZone());

// The name of what it happened to: `sockets/12`, `listeners/web`, `services/echo`.
const std::string& SubjectOf(const v1::Event& event);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_EVENT_TEXT_H_
