// Flags that take a duration: 100ms, 1s, 1m30s.
#ifndef SOCKHOST_CLIENT_DURATION_FLAG_H_
#define SOCKHOST_CLIENT_DURATION_FLAG_H_

#include <CLI/CLI.hpp>
#include <functional>
#include <string>

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"

namespace sockhost::client {

enum class LeastDuration { kAboveZero, kZero };

// Adds `flag`, which calls `set` with a finite duration from `least` up. Anything
// else is a usage error that names the value and the form.
CLI::Option* AddDurationFlag(CLI::App& app, const std::string& flag, const std::string& description,
                             std::function<void(absl::Duration)> set,
                             LeastDuration least = LeastDuration::kAboveZero);

// As the message Duration.
void SetDuration(absl::Duration duration, google::protobuf::Duration& out);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_DURATION_FLAG_H_
