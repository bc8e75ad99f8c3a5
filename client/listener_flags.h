// Flags that set fields of a listener.
#ifndef SOCKHOST_CLIENT_LISTENER_FLAGS_H_
#define SOCKHOST_CLIENT_LISTENER_FLAGS_H_

#include <CLI/CLI.hpp>

#include "client/field_observer.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost::client {

// Adds a flag for every field that can be updated, `--address` and the parameters of
// services included.
// `listener` outlives `app`.
void AddListenerFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_LISTENER_FLAGS_H_
