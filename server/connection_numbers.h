// Numbers of fds as names of connections.
#ifndef SOCKHOST_SERVER_CONNECTION_NUMBERS_H_
#define SOCKHOST_SERVER_CONNECTION_NUMBERS_H_

#include <chrono>
#include <unordered_map>

namespace sockhost {

// gRPC names a connection by the number of its fd, and a call of a connection
// that has just ended may still wait to be dispatched. If the number already
// stood for another connection then, the call would have the rights of another
// peer. So numbers go round, and one that a connection had rests for a while.
//
// Thread rule: one thread.
class ConnectionNumbers {
 public:
  using Time = std::chrono::steady_clock::time_point;

  // How long a number rests. A call is dispatched within milliseconds.
  static constexpr std::chrono::seconds kRest{2};

  // A duplicate of `fd` whose number is the connection's name, or -1 and errno.
  // It must not be handed to gRPC before `usable`.
  int Duplicate(int fd, Time now, Time& usable);

  // The connection of that name has ended.
  void Retire(int number, Time now);

 private:
  // Where the current round began and where it goes on. A round is short, because
  // the kernel's table is as long as the highest number.
  int first_ = 0;
  int next_ = 0;
  // When each number was retired; of those that may still rest.
  std::unordered_map<int, Time> retired_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONNECTION_NUMBERS_H_
