#include "epoll_set.h"

#include <sys/eventfd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "sockhost/error.h"
#include "system_calls.h"

namespace sockhost {
namespace {

// No socket has this key: slots are numbered far below.
constexpr uint64_t kWakeData = ~uint64_t{0};

int Control(int epoll, int operation, int fd, uint32_t events, uint64_t data) {
  epoll_event event{};
  event.events = events;
  event.data.u64 = data;
  return epoll_ctl(epoll, operation, fd, &event) == 0 ? 0 : errno;
}

absl::Status OpenFailed(absl::string_view call, int error_number) {
  const bool limit = error_number == EMFILE || error_number == ENFILE;
  return Error(
      limit ? Reason::kFD_LIMIT : Reason::kINTERNAL,
      absl::StrCat("cannot start the service thread: ", call, ": ", DescribeErrno(error_number)));
}

}  // namespace

absl::Status EpollSet::Open() {
  wake_.reset(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC));
  if (!wake_.valid()) return OpenFailed("eventfd", errno);
  return Replace();
}

absl::Status EpollSet::Replace(absl::FunctionRef<int(int fresh)> fill) {
  UniqueFd fresh(epoll_create1(EPOLL_CLOEXEC));
  if (!fresh.valid()) return OpenFailed("epoll_create1", errno);
  // Edge-triggered: the wake-up counter is never read, each write is an edge.
  int error = Control(fresh.get(), EPOLL_CTL_ADD, wake_.get(), EPOLLIN | EPOLLET, kWakeData);
  if (error == 0) error = fill(fresh.get());
  if (error != 0) return OpenFailed("epoll_ctl", error);
  epoll_ = fresh.get();
  epoll_owner_ = std::move(fresh);
  return absl::OkStatus();
}

int EpollSet::AddTo(int epoll, int fd, uint32_t events, RegistrationKey key) {
  return Control(epoll, EPOLL_CTL_ADD, fd, events, key.Pack());
}

int EpollSet::Modify(int fd, uint32_t events, RegistrationKey key) const {
  return Control(epoll_, EPOLL_CTL_MOD, fd, events, key.Pack());
}

int EpollSet::Remove(int fd) const { return Control(epoll_, EPOLL_CTL_DEL, fd, 0, 0); }

std::span<epoll_event> EpollSet::Wait(std::span<epoll_event> buffer, int timeout_ms) {
  const int count = EpollWait(epoll_, buffer.data(), static_cast<int>(buffer.size()), timeout_ms);
  // EINTR is a spurious wake-up; another error cannot happen on a valid epoll
  // fd, and would show as a loop without events rather than as a lost thread.
  if (count <= 0) return {};
  const auto ready = buffer.first(static_cast<size_t>(count));
  const auto woken = std::find_if(ready.begin(), ready.end(), [](const epoll_event& event) {
    return event.data.u64 == kWakeData;
  });
  if (woken == ready.end()) return ready;
  // Not a plain store: what was done before a Wake that found this true must be
  // visible from here on.
  wake_pending_.exchange(false);
  // In order: who became ready first is served first.
  std::move(woken + 1, ready.end(), woken);
  return ready.first(ready.size() - 1);
}

void EpollSet::Wake() {
  if (wake_pending_.exchange(true)) return;
  // The counter overflows after 2^64 - 2 wake-ups; EAGAIN cannot happen.
  [[maybe_unused]] const ssize_t written = eventfd_write(wake_.get(), 1);
}

}  // namespace sockhost
