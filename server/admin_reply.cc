#include "admin_reply.h"

#include <thread>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "grpc_status.h"
#include "monotonic_time.h"

namespace sockhost {

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

void OneReply::Finish(const absl::Status& status) {
  if (!finished_.exchange(true)) reactor_->Finish(ToGrpcStatus(status));
}

bool Completion::ComesSoon() {
  constexpr absl::Duration kPatience = absl::Microseconds(50);
  const absl::Duration deadline = MonotonicTime() + kPatience;
  while (state_.load(std::memory_order_acquire) == State::kAwaited && MonotonicTime() < deadline) {
    std::this_thread::yield();
  }
  return state_.exchange(State::kLeft, std::memory_order_acq_rel) == State::kCompleted;
}

bool Completion::IsAwaited() {
  return state_.exchange(State::kCompleted, std::memory_order_acq_rel) == State::kAwaited;
}

std::string Shown(absl::string_view text) { return absl::CHexEscape(text.substr(0, 128)); }

absl::Status NotFound(Reason reason, absl::string_view kind, absl::string_view name) {
  return Error(reason, absl::StrCat(kind, " \"", Shown(name), "\" does not exist"),
               {{std::string(kind), Shown(name)}}, "name");
}

}  // namespace sockhost
