// Latencies in buckets: constant time and memory for any number of messages.
#ifndef SOCKHOST_TESTS_BENCH_LATENCY_HISTOGRAM_H_
#define SOCKHOST_TESTS_BENCH_LATENCY_HISTOGRAM_H_

#include <algorithm>
#include <array>
#include <bit>
#include <cstdint>

namespace sockhost {

// 32 buckets for each power of two: a percentile is at most 3 % too small.
class LatencyHistogram {
 public:
  void Add(int64_t nanos) {
    ++buckets_[BucketOf(static_cast<uint64_t>(std::max<int64_t>(nanos, 0)))];
    ++count_;
  }

  int64_t count() const { return count_; }

  // The latency that `fraction` of all do not exceed, in ns; 0 if there are none.
  int64_t Percentile(double fraction) const {
    auto left = static_cast<int64_t>(fraction * static_cast<double>(count_));
    for (size_t i = 0; i < buckets_.size(); ++i) {
      left -= buckets_[i];
      if (left < 0) return LowerBound(i);
    }
    return 0;
  }

 private:
  static constexpr int kBits = 5;
  static constexpr uint64_t kPerPower = uint64_t{1} << kBits;

  static size_t BucketOf(uint64_t value) {
    if (value < kPerPower) return value;
    const int shift = std::bit_width(value) - kBits - 1;
    return static_cast<size_t>(shift) * kPerPower + (value >> shift);
  }

  static int64_t LowerBound(size_t bucket) {
    if (bucket < kPerPower) return static_cast<int64_t>(bucket);
    const size_t shift = bucket / kPerPower - 1;
    return static_cast<int64_t>((bucket % kPerPower + kPerPower) << shift);
  }

  std::array<int64_t, (64 - kBits + 1) * kPerPower> buckets_{};
  int64_t count_ = 0;
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_BENCH_LATENCY_HISTOGRAM_H_
