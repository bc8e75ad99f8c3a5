// Numbers that a person or a nightly run may change: how long a randomized test
// runs, and with which seed.
#ifndef SOCKHOST_TESTS_CORE_TEST_NUMBERS_H_
#define SOCKHOST_TESTS_CORE_TEST_NUMBERS_H_

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>

namespace sockhost {

// What takes seconds takes minutes under ThreadSanitizer: long tests do a part there.
#if defined(__SANITIZE_THREAD__)
inline constexpr bool kThreadSanitizer = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool kThreadSanitizer = true;
#else
inline constexpr bool kThreadSanitizer = false;
#endif
#else
inline constexpr bool kThreadSanitizer = false;
#endif

// The environment variable `name` as a number, or `otherwise`.
inline int64_t NumberFromEnvironment(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  return text ? std::strtoll(text, nullptr, 10) : otherwise;
}

// The seed from environment variable `name`, or another one in each run. Printed,
// so that a failure can be repeated.
inline uint64_t SeedFromEnvironment(const char* name) {
  const auto seed =
      static_cast<uint64_t>(NumberFromEnvironment(name, int64_t{std::random_device()()}));
  std::printf("seed: %s=%llu\n", name, static_cast<unsigned long long>(seed));
  return seed;
}

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_TEST_NUMBERS_H_
