// The flags of `sockctl listener create` and `update` that are for banner, and for UDP listeners
// of the services that answer.
#ifndef SOCKHOST_CLIENT_RESPONDER_FLAGS_H_
#define SOCKHOST_CLIENT_RESPONDER_FLAGS_H_

#include <CLI/CLI.hpp>

#include "client/field_observer.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost::client {

// They are written into `listener`, which outlives `app`.
void AddResponderFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_RESPONDER_FLAGS_H_
