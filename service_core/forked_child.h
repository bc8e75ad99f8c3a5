// Children that the programs of this process fork.
#ifndef SOCKHOST_SERVICE_CORE_FORKED_CHILD_H_
#define SOCKHOST_SERVICE_CORE_FORKED_CHILD_H_

#include <atomic>

namespace sockhost {

// For IsForkedChild, which is asked after each call of a handler.
inline std::atomic<bool> is_forked_child{false};

// This process hosts sockets from now on: its children are told apart. Any thread.
void HostInThisProcess();

// True in a child of the process that hosts, and in what it forks, until it executes another
// program or hosts itself. It has the fds of the parent, the epoll instance among them, so that
// what it changes there is changed for the parent: nothing may be. Nor may a lock be taken,
// which another thread of the parent could have held. Any thread. Source: fork(2), epoll(7).
inline bool IsForkedChild() { return is_forked_child.load(std::memory_order_relaxed); }

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_FORKED_CHILD_H_
