// How many connections a listener takes in one wake-up.
#ifndef SOCKHOST_SERVICE_CORE_ACCEPT_BUDGET_H_
#define SOCKHOST_SERVICE_CORE_ACCEPT_BUDGET_H_

#include <algorithm>

namespace sockhost {

// Nobody tells how long the queue of a listening socket is: an accept(2) too many finds nothing,
// and costs as much as one hundredth of a short connection. So the budget is what the queue
// held, and twice that is tried when the queue has been long enough for a while: soon at first,
// later and later where that was in vain.
//
// Thread rule: one thread.
class AcceptBudget {
 public:
  // Of full wake-ups in a row, before more is tried.
  static constexpr int kFewestFullTurns = 4;
  static constexpr int kMostFullTurns = 64;

  // How many to take now, at most `most`, which is 1 or more.
  int Next(int most) {
    most_ = most;
    size_ = std::min(size_, most);
    return size_;
  }

  // `taken` of them were there.
  void Note(int taken) {
    if (taken < size_) {
      if (is_trial_) wanted_full_turns_ = std::min(2 * wanted_full_turns_, kMostFullTurns);
      size_ = std::max(taken, 1);
      full_turns_ = 0;
      is_trial_ = false;
      return;
    }
    if (is_trial_) wanted_full_turns_ = kFewestFullTurns;
    is_trial_ = false;
    if (size_ == most_ || ++full_turns_ < wanted_full_turns_) return;
    full_turns_ = 0;
    size_ = std::min(2 * size_, most_);
    is_trial_ = true;
  }

 private:
  int most_ = 1;
  int size_ = 1;
  int full_turns_ = 0;
  int wanted_full_turns_ = kFewestFullTurns;
  // More than was found before.
  bool is_trial_ = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_ACCEPT_BUDGET_H_
