// Cancels a stream that nobody wants any longer.
#ifndef SOCKHOST_CLIENT_STREAM_GUARD_H_
#define SOCKHOST_CLIENT_STREAM_GUARD_H_

#include <grpcpp/client_context.h>

#include <atomic>
#include <thread>

#include "absl/time/time.h"
#include "client/output.h"
#include "client/stop_signal.h"

namespace sockhost::client {

// A thread blocked in ClientReader::Read() notices neither Ctrl-C nor that the
// reader of our output has gone; the guard's own thread does.
class StreamGuard {
 public:
  enum class Cause { kNone, kSignal, kReaderGone, kTimeout };

  // `context` and `output` outlive the guard. The stream is cancelled at the first of: a
  // stop signal, which also ends the wait for a reader that has stopped; the reader of `output`
  // is gone; `first_message_timeout` is over without a call of FirstMessageArrived().
  StreamGuard(grpc::ClientContext& context, Output& output, absl::Duration first_message_timeout);
  ~StreamGuard();

  StreamGuard(const StreamGuard&) = delete;
  StreamGuard& operator=(const StreamGuard&) = delete;

  // From now on there is no time-out. Any thread, any number of times.
  void FirstMessageArrived();

  // Why the stream was cancelled; kNone if it was not. Any thread.
  Cause cause() const { return cause_; }

 private:
  void Wait(int output_fd, absl::Time deadline);
  void Wake();

  grpc::ClientContext& context_;
  Output& output_;
  const StopSignal stop_signal_;
  const int wake_fd_;  // eventfd
  std::atomic<bool> first_message_arrived_ = false;
  std::atomic<bool> stopping_ = false;
  std::atomic<Cause> cause_ = Cause::kNone;
  std::thread thread_;  // last: it uses the others
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_STREAM_GUARD_H_
