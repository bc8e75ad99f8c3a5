#include "connection_numbers.h"

#include <fcntl.h>

#include <algorithm>

namespace sockhost {
namespace {

constexpr int kRound = 4096;
// Of retired numbers that are remembered before those that have rested are forgotten.
constexpr size_t kManyRetired = 1024;

}  // namespace

int ConnectionNumbers::Duplicate(int fd, Time now, Time& usable) {
  if (next_ - first_ >= kRound) next_ = 0;
  int number = fcntl(fd, F_DUPFD_CLOEXEC, next_);
  // Nothing is free, or allowed, from there on.
  if (number < 0 && next_ > 0) number = fcntl(fd, F_DUPFD_CLOEXEC, next_ = 0);
  if (number < 0) return -1;
  if (next_ == 0) first_ = number;
  next_ = number + 1;
  const auto retired = retired_.find(number);
  usable = now;
  if (retired == retired_.end()) return number;
  usable = std::max(now, retired->second + kRest);
  retired_.erase(retired);
  return number;
}

void ConnectionNumbers::Retire(int number, Time now) {
  if (retired_.size() >= kManyRetired) {
    std::erase_if(retired_, [now](const auto& entry) { return entry.second + kRest < now; });
  }
  retired_[number] = now;
}

}  // namespace sockhost
