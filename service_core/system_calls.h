// The system calls of nearly every event and connection.
#ifndef SOCKHOST_SERVICE_CORE_SYSTEM_CALLS_H_
#define SOCKHOST_SERVICE_CORE_SYSTEM_CALLS_H_

#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace sockhost {

// In a process with threads the C library makes each of its calls a cancellation point
// (pthreads(7)), for two atomic operations, 1.5 % of an echoed message. Nobody cancels
// the service thread. Sanitizers know only the C library's calls.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SOCKHOST_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define SOCKHOST_SANITIZED 1
#endif
#endif

// recv(2).
inline ssize_t Receive(int fd, void* bytes, size_t size, int flags) {
#ifdef SOCKHOST_SANITIZED
  return recv(fd, bytes, size, flags);
#else
  return syscall(SYS_recvfrom, fd, bytes, size, flags, nullptr, nullptr);
#endif
}

// sendto(2).
inline ssize_t Send(int fd, const void* bytes, size_t size, int flags, const sockaddr* to,
                    socklen_t to_length) {
#ifdef SOCKHOST_SANITIZED
  return sendto(fd, bytes, size, flags, to, to_length);
#else
  return syscall(SYS_sendto, fd, bytes, size, flags, to, to_length);
#endif
}

// accept4(2).
inline int Accept(int fd, sockaddr* peer, socklen_t* length, int flags) {
#ifdef SOCKHOST_SANITIZED
  return accept4(fd, peer, length, flags);
#else
  return static_cast<int>(syscall(SYS_accept4, fd, peer, length, flags));
#endif
}

// epoll_wait(2).
inline int EpollWait(int epoll, epoll_event* events, int size, int timeout_ms) {
#ifdef SOCKHOST_SANITIZED
  return epoll_wait(epoll, events, size, timeout_ms);
#elif defined(SYS_epoll_wait)
  return static_cast<int>(syscall(SYS_epoll_wait, epoll, events, size, timeout_ms));
#else
  return static_cast<int>(syscall(SYS_epoll_pwait, epoll, events, size, timeout_ms, nullptr, 8));
#endif
}

// close(2). It releases the number even when it reports EINTR: never to be tried again.
inline void CloseFd(int fd) {
#ifdef SOCKHOST_SANITIZED
  close(fd);
#else
  syscall(SYS_close, fd);
#endif
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_SYSTEM_CALLS_H_
