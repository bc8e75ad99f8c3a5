// Messages of a watch, written in one line.
#ifndef SOCKHOST_TESTS_CLIENT_WATCH_MESSAGE_H_
#define SOCKHOST_TESTS_CLIENT_WATCH_MESSAGE_H_

#include <cstdint>
#include <string>

#include "absl/strings/str_cat.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost::client {

class WatchMessage {
 public:
  explicit WatchMessage(const std::string& instance = "instance-a") {
    message_.set_instance_id(instance);
  }

  WatchMessage& At(int64_t seconds) {
    message_.mutable_sample_time()->set_seconds(seconds);
    return *this;
  }
  WatchMessage& Socket(int64_t id, int64_t events = 0, int64_t receive_bytes = 0) {
    v1::Socket& socket = *message_.add_sockets();
    socket.set_name(absl::StrCat("sockets/", id));
    socket.set_fd(static_cast<int32_t>(id) + 100);
    socket.set_role(v1::Socket::CONNECTION);
    socket.set_service("services/echo");
    socket.set_listener("listeners/web");
    socket.set_remote_address(absl::StrCat("tcp://127.0.0.1:", 40000 + id));
    socket.mutable_counters()->set_handler_calls(events);
    socket.mutable_counters()->set_receive_bytes(receive_bytes);
    return *this;
  }
  // Of the socket added last.
  WatchMessage& CreatedAt(int64_t seconds) {
    message_.mutable_sockets()->rbegin()->mutable_create_time()->set_seconds(seconds);
    return *this;
  }
  WatchMessage& Removed(int64_t id) {
    message_.add_removed(absl::StrCat("sockets/", id));
    return *this;
  }
  WatchMessage& Sync() {
    message_.set_sync(true);
    return *this;
  }
  WatchMessage& More() {
    message_.set_more(true);
    return *this;
  }

  operator const v1::WatchSocketsResponse&() const { return message_; }  // NOLINT: a builder

 private:
  v1::WatchSocketsResponse message_;
};

}  // namespace sockhost::client

#endif  // SOCKHOST_TESTS_CLIENT_WATCH_MESSAGE_H_
