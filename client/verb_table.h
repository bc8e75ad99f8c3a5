// The verbs of sockctl. This one table drives dispatch, help and completion.
#ifndef SOCKHOST_CLIENT_VERB_TABLE_H_
#define SOCKHOST_CLIENT_VERB_TABLE_H_

#include <CLI/CLI.hpp>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "client/admin_connection.h"
#include "client/arguments.h"
#include "client/output.h"

namespace sockhost::client {

struct Verb {
  // The words that call it, e.g. "listener create". A row of one word without
  // `run` is the head of a group and stands before its verbs.
  absl::string_view path;
  // One line for help.
  absl::string_view summary;
  // A command line that a user might type; empty for groups.
  absl::string_view example;
  // Adds the verb's own flags and arguments to `app`; they are written into
  // `arguments`, which outlives `app`. May be null.
  void (*declare)(CLI::App& app, Arguments& arguments) = nullptr;
  // Does it. The error says what failed, and of which resource.
  absl::Status (*run)(const Arguments& arguments, AdminConnection& connection,
                      Output& output) = nullptr;
};

// All verbs in the order of help.
absl::Span<const Verb> Verbs();

// The row of `path`; null if there is none.
const Verb* FindVerb(absl::string_view path);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_VERB_TABLE_H_
