// How the methods of AdminService answer.
#ifndef SOCKHOST_SERVER_ADMIN_REPLY_H_
#define SOCKHOST_SERVER_ADMIN_REPLY_H_

#include <grpcpp/server_context.h>
#include <grpcpp/support/server_callback.h>

#include <atomic>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "sockhost/error.h"

namespace sockhost {

// How long a method waits for the service thread to close sockets. A healthy one
// needs microseconds; at 200 ms it counts as stalled.
inline constexpr absl::Duration kCloseTimeout = absl::Seconds(1);

// Finishes a call at once.
grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const absl::Status& status);

// Finishes a call once, from whichever thread is first.
class OneReply {
 public:
  explicit OneReply(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}
  void Finish(const absl::Status& status);
  bool finished() const { return finished_; }

 private:
  grpc::ServerUnaryReactor* const reactor_;
  std::atomic<bool> finished_{false};
};

// Between a method and the service thread that carries out what it began.
class Completion {
 public:
  // The method's thread: true if it is completed within some microseconds, which a
  // service thread needs that has nothing else to do; the way over another thread
  // costs more.
  bool ComesSoon();
  // The service thread, when it is completed: true if the method will see it,
  // false if somebody else has to answer.
  bool IsAwaited();

 private:
  enum class State { kAwaited, kCompleted, kLeft };
  std::atomic<State> state_{State::kAwaited};
};

// What a client sent, fit for a message: printable, and short enough for the
// metadata of an answer.
std::string Shown(absl::string_view text);

// `reason` is LISTENER_NOT_FOUND or alike; `kind` is "listener" or alike.
absl::Status NotFound(Reason reason, absl::string_view kind, absl::string_view name);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ADMIN_REPLY_H_
