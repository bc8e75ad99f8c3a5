// echo_load: bounded load for an echo server on 127.0.0.1; tells what it cost.
//
// Many clients on one thread, each a closed loop: an answer is followed at once
// by the next message. Prints one JSON object. Figures are those of the
// measured time alone: connecting and warming up come before it.
#include <getopt.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <vector>

#include "service_core/monotonic_clock.h"
#include "sockhost/fd_limit.h"
#include "tests/bench/echo_client.h"
#include "tests/bench/process_clock.h"

namespace sockhost {
namespace {

constexpr int64_t kNanosPerMs = 1'000'000;
constexpr int64_t kCheckIntervalNanos = 100 * kNanosPerMs;

constexpr char kUsage[] =
    "usage: echo_load --kind tcp|udp|churn --port PORT --pid PID_OF_THE_SERVER\n"
    "                 [--connections 64] [--size 64] [--in-flight 1]\n"
    "                 [--warm-up-ms 100] [--ms 1000]\n";

struct RunOptions {
  LoadOptions load;
  pid_t pid = 0;
  int warm_up_ms = 100;
  int ms = 1000;
};

[[noreturn]] void Refuse(const char* reason) {
  std::fprintf(stderr, "echo_load: %s\n%s", reason, kUsage);
  std::exit(2);
}

// The limits keep a mistyped number from becoming a denial of service.
int ParseNumber(const char* text, int most) {
  char* end = nullptr;
  const long number = std::strtol(text, &end, 10);
  if (*text == '\0' || *end != '\0' || number < 1 || number > most) Refuse(text);
  return static_cast<int>(number);
}

RunOptions ParseOptions(int argc, char** argv) {
  static const option kOptions[] = {{"kind", required_argument, nullptr, 'k'},
                                    {"port", required_argument, nullptr, 'p'},
                                    {"pid", required_argument, nullptr, 'P'},
                                    {"connections", required_argument, nullptr, 'c'},
                                    {"size", required_argument, nullptr, 's'},
                                    {"in-flight", required_argument, nullptr, 'f'},
                                    {"warm-up-ms", required_argument, nullptr, 'w'},
                                    {"ms", required_argument, nullptr, 'm'},
                                    {}};
  RunOptions options;
  int letter;
  while ((letter = getopt_long(argc, argv, "", kOptions, nullptr)) != -1) {
    switch (letter) {
      case 'k':
        options.load.kind = optarg;
        break;
      case 'p':
        options.load.port = static_cast<uint16_t>(ParseNumber(optarg, 65535));
        break;
      case 'P':
        options.pid = ParseNumber(optarg, 1 << 22);
        break;
      case 'c':
        options.load.connections = ParseNumber(optarg, 20'000);
        break;
      case 's':
        options.load.size = static_cast<size_t>(ParseNumber(optarg, 60'000));
        break;
      case 'f':
        options.load.in_flight = ParseNumber(optarg, 64);
        break;
      case 'w':
        options.warm_up_ms = ParseNumber(optarg, 10'000);
        break;
      case 'm':
        options.ms = ParseNumber(optarg, 60'000);
        break;
      default:
        Refuse("unknown option");
    }
  }
  const std::string& kind = options.load.kind;
  if (kind != "tcp" && kind != "udp" && kind != "churn") Refuse("--kind is tcp, udp or churn");
  if (options.load.port == 0 || options.pid == 0) Refuse("--port and --pid are required");
  if (kind == "udp" && options.load.size < sizeof(int64_t)) Refuse("--size is too small");
  return options;
}

// Readings of all clocks at one moment.
struct Clocks {
  explicit Clocks(pid_t server)
      : wall(MonotonicNanos()),
        load(ProcessCpuNanos(0)),
        server(ProcessCpuNanos(server)),
        machine(MachineBusyNanos()) {}
  int64_t wall;
  int64_t load;
  int64_t server;
  int64_t machine;
};

void RunUntil(int64_t end, LoadContext& context,
              const std::vector<std::unique_ptr<EchoClient>>& clients) {
  std::array<epoll_event, 256> events;
  int64_t next_check = MonotonicNanos() + kCheckIntervalNanos;
  for (int64_t now = 0; now < end;) {
    const int ready = epoll_wait(context.epoll.get(), events.data(), events.size(), 10);
    for (int i = 0; i < ready; ++i) {
      const epoll_event& event = events[static_cast<size_t>(i)];
      static_cast<EchoClient*>(event.data.ptr)->Continue(event.events, MonotonicNanos());
    }
    now = MonotonicNanos();
    if (now < next_check) continue;
    for (const std::unique_ptr<EchoClient>& client : clients) client->Check(now);
    next_check = now + kCheckIntervalNanos;
  }
}

void Print(const LoadResult& result, const Clocks& begin, const Clocks& end) {
  const auto wall = static_cast<double>(end.wall - begin.wall);
  const auto server = static_cast<double>(end.server - begin.server);
  const auto load = static_cast<double>(end.load - begin.load);
  const double others = static_cast<double>(end.machine - begin.machine) - server - load;
  const auto messages = static_cast<double>(std::max<int64_t>(result.latency.count(), 1));
  const auto micros = [&](double f) {
    return static_cast<double>(result.latency.Percentile(f)) / 1e3;
  };
  std::printf(
      "{\"messages\": %lld, \"lost\": %lld, \"failed\": %lld, \"seconds\": %.4f, "
      "\"server_cpu_ns_per_message\": %.1f, \"messages_per_second\": %.0f, "
      "\"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, "
      "\"server_utilisation\": %.3f, \"load_utilisation\": %.3f, \"other_utilisation\": %.3f}\n",
      static_cast<long long>(result.latency.count()), static_cast<long long>(result.lost),
      static_cast<long long>(result.failed), wall / 1e9, server / messages, messages * 1e9 / wall,
      micros(0.5), micros(0.99), micros(0.999), server / wall, load / wall,
      std::max(others, 0.0) / wall);
}

int Run(const RunOptions& options) {
  if (ProcessCpuNanos(options.pid) < 0) Refuse("there is no process with this --pid");
  RaiseFdLimit();
  LoadContext context(options.load);
  std::vector<std::unique_ptr<EchoClient>> clients;
  for (int i = 0; i < options.load.connections; ++i) clients.push_back(EchoClient::New(context));
  for (const std::unique_ptr<EchoClient>& client : clients) client->Start();
  RunUntil(MonotonicNanos() + options.warm_up_ms * kNanosPerMs, context, clients);

  context.result = {};
  const Clocks begin(options.pid);
  RunUntil(begin.wall + options.ms * kNanosPerMs, context, clients);
  const Clocks end(options.pid);
  if (end.server < 0) Refuse("the server has ended");
  Print(context.result, begin, end);
  return 0;
}

}  // namespace
}  // namespace sockhost

int main(int argc, char** argv) { return sockhost::Run(sockhost::ParseOptions(argc, argv)); }
