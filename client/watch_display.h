// Shows the messages of a watch in the format that the user chose.
#ifndef SOCKHOST_CLIENT_WATCH_DISPLAY_H_
#define SOCKHOST_CLIENT_WATCH_DISPLAY_H_

#include <cstdint>
#include <optional>

#include "absl/status/status.h"
#include "client/arguments.h"
#include "client/json_text.h"
#include "client/output.h"
#include "client/socket_samples.h"
#include "client/terminal_screen.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost::client {

// json: each message as one line. name: the sockets of each message. table: a
// picture per sample, repainted in place on a terminal, appended elsewhere.
class WatchDisplay {
 public:
  // Neither is owned; both outlive the display.
  WatchDisplay(const Arguments& arguments, Output& output);

  // Takes the next message of the stream. Errors: of the output, or the message
  // is from another instance.
  absl::Status Show(const v1::WatchSocketsResponse& message);

  // Samples shown so far.
  int64_t complete_samples() const { return samples_.complete_samples(); }

 private:
  absl::Status ShowNames(const v1::WatchSocketsResponse& message);
  absl::Status ShowSample();

  const Arguments& arguments_;
  Output& output_;
  const LeftOutFields left_out_;  // by the read mask
  SocketSamples samples_;
  std::optional<TerminalScreen> screen_;  // only if pictures are repainted
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_WATCH_DISPLAY_H_
