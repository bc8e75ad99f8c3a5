// The flags of every list verb.
#ifndef SOCKHOST_CLIENT_LIST_FLAGS_H_
#define SOCKHOST_CLIENT_LIST_FLAGS_H_

#include <CLI/CLI.hpp>
#include <string>

#include "absl/strings/str_cat.h"

namespace sockhost::client {

// Filters as help and hints show them.
inline constexpr char kListenerFilter[] = "service = echo AND labels.env = prod";
inline constexpr char kSocketFilter[] = "role = CONNECTION AND listener = web";
inline constexpr char kServiceFilter[] = "sockets > 0";
inline constexpr char kEventFilter[] = "kind = SOCKET_CLOSED AND listener = web";

// Adds --filter and --order-by, which are written into `request`; it outlives
// `app`. `resources` says what is listed, the others are examples.
template <class Request>
void AddListFlags(CLI::App& app, Request& request, const std::string& resources,
                  const std::string& filter, const std::string& order) {
  app.add_option_function<std::string>(
         "--filter", [&request](const std::string& text) { request.set_filter(text); },
         absl::StrCat("Which ", resources, ", e.g. '", filter, "'"))
      ->type_name("EXPR");
  app.add_option_function<std::string>(
         "--order-by", [&request](const std::string& text) { request.set_order_by(text); },
         absl::StrCat("In which order, e.g. '", order, "'; by name without it"))
      ->type_name("FIELDS");
}

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_LIST_FLAGS_H_
