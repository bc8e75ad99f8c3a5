// The clients of echo_load: closed loops that keep a number of messages in
// flight.
#ifndef SOCKHOST_TESTS_BENCH_ECHO_CLIENT_H_
#define SOCKHOST_TESTS_BENCH_ECHO_CLIENT_H_

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "service_core/unique_fd.h"
#include "tests/bench/latency_histogram.h"

namespace sockhost {

struct LoadOptions {
  std::string kind;  // tcp, udp or churn
  uint16_t port = 0;
  int connections = 64;
  size_t size = 64;
  int in_flight = 1;
};

// What the clients have seen since the measuring began.
struct LoadResult {
  LatencyHistogram latency;
  int64_t lost = 0;
  int64_t failed = 0;
};

// What all clients share.
struct LoadContext {
  explicit LoadContext(const LoadOptions& options);

  const LoadOptions options;
  const sockaddr_in address;
  // `in_flight` messages in a row; byte i of the echoed stream is payload[i % size].
  const std::vector<char> payload;
  UniqueFd epoll;
  LoadResult result;
  // How many connections came from an address of their own.
  uint32_t sources = 0;
};

// One connection. A failure that no echo server may cause ends the program.
class EchoClient {
 public:
  static std::unique_ptr<EchoClient> New(LoadContext& context);

  explicit EchoClient(LoadContext& context) : context_(context) {}
  virtual ~EchoClient() = default;

  virtual void Start() = 0;
  // `events` are ready at `now` (monotonic, ns).
  virtual void Continue(uint32_t events, int64_t now) = 0;
  // Called now and then: sends again what must be lost by now.
  virtual void Check([[maybe_unused]] int64_t now) {}

 protected:
  // Opens a connected, polled, non-blocking socket of `type`.
  void Connect(int type);
  // As Connect, from one loopback address after another. With one address the kernel would
  // look for a port among those of all connections of the last minute, more and more slowly:
  // then the server waits, and wakes up for each connection alone.
  void ConnectFromNextAddress();

  LoadContext& context_;
  UniqueFd fd_;

 private:
  // Connects `fd_` and polls it.
  void FinishConnect();
};

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_BENCH_ECHO_CLIENT_H_
