#include "tests/core/failed_allocation.h"

#include <gtest/gtest.h>

#include <atomic>
#include <cstdlib>
#include <new>

namespace {

// Allocations of one thread until one fails. 0: one has; negative: none will.
std::atomic<int> left_until_failure{-1};
std::atomic<pthread_t> failing_thread{};

bool MustFail() {
  if (left_until_failure.load(std::memory_order_relaxed) <= 0) return false;
  if (!pthread_equal(failing_thread.load(std::memory_order_relaxed), pthread_self())) return false;
  return left_until_failure.fetch_sub(1, std::memory_order_relaxed) == 1;
}

void* AllocateOrNull(size_t size) {
  return MustFail() ? nullptr : std::malloc(size > 0 ? size : 1);
}

void* Allocate(size_t size) {
  void* memory = AllocateOrNull(size);
  if (!memory) throw std::bad_alloc();
  return memory;
}

}  // namespace

// Not inlined: where only one of a pair is, the compiler takes them for a mistake.
[[gnu::noinline]] void* operator new(size_t size) { return Allocate(size); }
[[gnu::noinline]] void* operator new[](size_t size) { return Allocate(size); }
[[gnu::noinline]] void* operator new(size_t size, const std::nothrow_t&) noexcept {
  return AllocateOrNull(size);
}
[[gnu::noinline]] void* operator new[](size_t size, const std::nothrow_t&) noexcept {
  return AllocateOrNull(size);
}
[[gnu::noinline]] void operator delete(void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete(void* memory, size_t) noexcept { std::free(memory); }
[[gnu::noinline]] void operator delete[](void* memory, size_t) noexcept { std::free(memory); }

namespace sockhost {
namespace {

// Places are counted up until a whole run meets no failure.
constexpr int kMostPlaces = 200;

}  // namespace

FailedAllocation::FailedAllocation(pthread_t thread, int place) {
  failing_thread = thread;
  left_until_failure = place;
}

FailedAllocation::~FailedAllocation() { left_until_failure = -1; }

bool FailedAllocation::has_happened() const { return left_until_failure == 0; }

void AtEachPlace(const std::function<bool(int place)>& attempt) {
  for (int place = 1; place <= kMostPlaces; ++place) {
    SCOPED_TRACE(place);
    const bool has_failed = attempt(place);
    if (testing::Test::HasFailure()) return;
    if (has_failed) continue;
    EXPECT_GT(place, 1) << "no memory was asked for";
    return;
  }
  FAIL() << "there are more than " << kMostPlaces << " places";
}

}  // namespace sockhost
