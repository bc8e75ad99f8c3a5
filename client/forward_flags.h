// The flags of `sockctl listener create` and `update` that are for the forward service.
#ifndef SOCKHOST_CLIENT_FORWARD_FLAGS_H_
#define SOCKHOST_CLIENT_FORWARD_FLAGS_H_

#include <CLI/CLI.hpp>
#include <string>
#include <vector>

#include "client/field_observer.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost::client {

// They are written into `listener`, which outlives `app`.
void AddForwardFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set);

// What --policy takes.
std::vector<std::string> PolicyWords();

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_FORWARD_FLAGS_H_
