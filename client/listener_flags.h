// Flags that set fields of a listener.
#ifndef SOCKHOST_CLIENT_LISTENER_FLAGS_H_
#define SOCKHOST_CLIENT_LISTENER_FLAGS_H_

#include <CLI/CLI.hpp>
#include <functional>

#include "sockhost/v1/listener.pb.h"

namespace sockhost::client {

// Told the name of each field that a flag has set, e.g. "max_connections".
using FieldObserver = std::function<void(const char* field)>;

// Adds a flag for every field that can be updated, `--address` included.
// `listener` outlives `app`.
void AddListenerFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_LISTENER_FLAGS_H_
