#include "tests/core/handler_calls.h"

#include "tests/core/sockets.h"

namespace sockhost {

void HandlerCalls::Handle(net_socket_service_event* event) {
  auto* calls = static_cast<HandlerCalls*>(event->user_data);
  if (calls->action) {
    calls->action(*event);
  } else {
    TakeAll(event->event.fd);
  }
  const std::lock_guard<std::mutex> lock(calls->mutex_);
  calls->calls_.push_back(*event);
}

size_t HandlerCalls::count() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return calls_.size();
}

std::vector<net_socket_service_event> HandlerCalls::all() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return calls_;
}

std::vector<int> HandlerCalls::fds() const {
  std::vector<int> out;
  for (const net_socket_service_event& call : all()) out.push_back(call.event.fd);
  return out;
}

net_socket_service_event HandlerCalls::last() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return calls_.empty() ? net_socket_service_event{} : calls_.back();
}

}  // namespace sockhost
