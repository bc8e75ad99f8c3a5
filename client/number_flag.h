// Flags that take a whole number.
#ifndef SOCKHOST_CLIENT_NUMBER_FLAG_H_
#define SOCKHOST_CLIENT_NUMBER_FLAG_H_

#include <CLI/CLI.hpp>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>

namespace sockhost::client {

struct NumberRange {
  int64_t least = 0;
  int64_t most = std::numeric_limits<int32_t>::max();
};

// From 1 up: how many of something are wanted.
inline constexpr NumberRange kAnyCount = {1, std::numeric_limits<int64_t>::max()};

// Adds `flag`, which calls `set` with a number of `range`, written in decimal digits.
// Anything else is a usage error that names the value and the range.
CLI::Option* AddNumberFlag(CLI::App& app, const std::string& flag, const std::string& description,
                           NumberRange range, std::function<void(int64_t)> set);

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_NUMBER_FLAG_H_
