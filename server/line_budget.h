// How many lines the log may get of one kind.
#ifndef SOCKHOST_SERVER_LINE_BUDGET_H_
#define SOCKHOST_SERVER_LINE_BUDGET_H_

#include <atomic>
#include <cstdint>

namespace sockhost {

// So many lines a second; counts the others. Any thread.
class LineBudget {
 public:
  explicit LineBudget(int lines_per_second) : most_(lines_per_second) {}

  // For one line: how many were left out before it; -1: this one is.
  int64_t Take();

 private:
  const int most_;
  std::atomic<int64_t> second_{0};
  std::atomic<int> taken_{0};
  std::atomic<int64_t> suppressed_{0};
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LINE_BUDGET_H_
