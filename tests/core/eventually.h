// Waiting for what another thread brings about.
#ifndef SOCKHOST_TESTS_CORE_EVENTUALLY_H_
#define SOCKHOST_TESTS_CORE_EVENTUALLY_H_

#include <gmock/gmock.h>

#include <chrono>
#include <thread>
#include <type_traits>

namespace sockhost {

// Long enough for a loaded machine under a sanitizer: only a failure waits so
// long.
inline constexpr std::chrono::seconds kDeadline{30};

// Reads again and again until the value matches:
//   EXPECT_TRUE(Becomes([&] { return calls.count(); }, Ge(3u)));
template <typename Read, typename M>
testing::AssertionResult Becomes(Read read, M matcher) {
  using Value = std::decay_t<decltype(read())>;
  const testing::Matcher<const Value&> wanted = testing::SafeMatcherCast<const Value&>(matcher);
  const auto deadline = std::chrono::steady_clock::now() + kDeadline;
  while (true) {
    const Value value = read();
    if (wanted.Matches(value)) return testing::AssertionSuccess();
    if (std::chrono::steady_clock::now() >= deadline) {
      return testing::AssertionFailure()
             << "waited for a value that " << testing::DescribeMatcher<const Value&>(wanted)
             << ", last seen: " << testing::PrintToString(value);
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_CORE_EVENTUALLY_H_
