// The promises of the core that can be told in figures: registering is O(1), a
// snapshot delays no handler, an event and an idle socket cost little.
//
// Everything goes through the public API of the process's host, with its service
// thread running, where no other place is named.
#include <benchmark/benchmark.h>
#include <malloc.h>
#include <sys/eventfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "service_core/monotonic_clock.h"
#include "service_core/socket_table.h"
#include "service_core/unique_fd.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_service_ext.h"
#include "tests/bench/ready_batch.h"

namespace sockhost {
namespace {

// As many as fit under a limit of 20 000 open files.
constexpr int64_t kMany = 19'000;

void Check(bool ok, const char* what) {
  if (ok) return;
  std::fprintf(stderr, "core_bench: %s failed\n", what);
  std::exit(1);
}

int NewSocket() {
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  Check(fd >= 0, "socket");
  return fd;
}

// A service with sockets on which nothing happens, until they are closed.
class IdleSockets {
 public:
  explicit IdleSockets(int64_t count, int64_t free_entries = 0) {
    static int services = 0;
    const std::string name = "idle-" + std::to_string(++services);
    sockhost_service_definition definition{};
    definition.name = name.c_str();
    definition.handler = [](net_socket_service_event*) {};
    definition.capacity = static_cast<int>(count + free_entries);
    Check(sockhost_service_define(&definition, &service_) == 0, "sockhost_service_define");
    for (int64_t i = 0; i < count; ++i) fds_.push_back({NewSocket(), POLLIN, 0});
  }

  ~IdleSockets() {
    // Closes what is registered, and is back when all slots are free again.
    Check(sockhost_service_close_wait(service_, 10'000) == 0, "sockhost_service_close_wait");
    Check(sockhost_service_undefine(service_) == 0, "sockhost_service_undefine");
  }

  void RegisterOneByOne() const {
    for (const pollfd& entry : fds_) {
      Check(sockhost_service_add(service_, entry.fd, POLLIN, nullptr) == 0, "sockhost_service_add");
    }
  }

  void RegisterSet() {
    Check(net_socket_service_register(service_, fds_.data(), static_cast<int>(fds_.size()),
                                      nullptr) == 0,
          "net_socket_service_register");
  }

  const net_socket_service_desc* service() const { return service_; }

 private:
  const net_socket_service_desc* service_ = nullptr;
  std::vector<pollfd> fds_;
};

// One fd added and removed while so many others are registered.
void BM_RegisterOne(benchmark::State& state) {
  const IdleSockets others(state.range(0), /*free_entries=*/1);
  others.RegisterOneByOne();
  const UniqueFd fd(NewSocket());
  for (auto _ : state) {
    Check(sockhost_service_add(others.service(), fd.get(), POLLIN, nullptr) == 0,
          "sockhost_service_add");
    Check(sockhost_service_remove(others.service(), fd.get()) == 0, "sockhost_service_remove");
  }
}
BENCHMARK(BM_RegisterOne)->Arg(10)->Arg(kMany);

void BM_RegisterManyOneByOne(benchmark::State& state) {
  for (auto _ : state) {
    const IdleSockets sockets(kMany);
    const int64_t begin = MonotonicNanos();
    sockets.RegisterOneByOne();
    state.SetIterationTime(static_cast<double>(MonotonicNanos() - begin) / 1e9);
  }
}
BENCHMARK(BM_RegisterManyOneByOne)->UseManualTime()->Unit(benchmark::kMillisecond)->Iterations(3);

// The same set once more; items are sockets.
void BM_ReplaceSet(benchmark::State& state) {
  IdleSockets sockets(state.range(0));
  sockets.RegisterSet();
  for (auto _ : state) sockets.RegisterSet();
  state.SetItemsProcessed(state.iterations() * state.range(0));
}
BENCHMARK(BM_ReplaceSet)->RangeMultiplier(10)->Range(1, 10'000);

void BM_Snapshot(benchmark::State& state) {
  const IdleSockets sockets(kMany);
  sockets.RegisterOneByOne();
  int64_t bytes_seen = 0;
  for (auto _ : state) {
    ServiceHost::OfProcess().ForEachSocket(
        [&](SocketSnapshot&& socket) { bytes_seen += socket.counters[Counter::receive_bytes]; });
  }
  benchmark::DoNotOptimize(bytes_seen);
}
BENCHMARK(BM_Snapshot)->Unit(benchmark::kMillisecond);

// A handler that changes its own registration again and again, and the longest
// time that it had to wait for it. Must go before what its service is.
class BusyHandler {
 public:
  explicit BusyHandler(const net_socket_service_desc* service) : service_(service) {
    Check(sockhost_service_add(service, ready_.get(), POLLIN, this) == 0, "sockhost_service_add");
  }
  ~BusyHandler() {
    Check(sockhost_service_remove(service_, ready_.get()) == 0, "sockhost_service_remove");
  }

  static void Handle(net_socket_service_event* event) {
    static_cast<BusyHandler*>(event->user_data)->Run();
  }

  // The waits while `work` runs on this thread, in ns.
  template <typename Work>
  std::vector<int64_t> WaitsWhile(Work work) {
    longest_interruption_ = 0;
    waits_.clear();
    waits_.reserve(kMostWaits);
    stop_ = false;
    stopped_ = false;
    eventfd_write(ready_.get(), 1);
    work();
    stop_ = true;
    stopped_.wait(false);
    return waits_;
  }

  // For how long the machine took the core away during the last WaitsWhile, at most, while
  // the handler did its own work: nothing that it could have waited for. In ns.
  int64_t longest_interruption() const { return longest_interruption_; }

 private:
  // Some work of its own between two calls: a handler that does nothing but take
  // the mutex would measure how fast the snapshot gives it away.
  static constexpr int64_t kOwnWorkNanos = 5'000;
  // Of one snapshot; what it takes at most, by kOwnWorkNanos.
  static constexpr size_t kMostWaits = 1'000'000;
  // Not so long that the watchdog reports it.
  static constexpr int64_t kLongestCallNanos = 5'000'000;

  void Run() {
    eventfd_t value;
    eventfd_read(ready_.get(), &value);
    const int64_t last = MonotonicNanos() + kLongestCallNanos;
    for (int64_t end = 0; !stop_ && end < last;) {
      const int64_t begin = MonotonicNanos();
      sockhost_service_modify(service_, ready_.get(), POLLIN);
      end = MonotonicNanos();
      if (waits_.size() < kMostWaits) waits_.push_back(end - begin);
      int64_t now = MonotonicNanos();
      for (int64_t before = now; now - end < kOwnWorkNanos; before = now) {
        now = MonotonicNanos();
        longest_interruption_ = std::max(longest_interruption_, now - before);
      }
    }
    if (!stop_) {
      eventfd_write(ready_.get(), 1);  // once more
      return;
    }
    stopped_ = true;
    stopped_.notify_all();
  }

  const net_socket_service_desc* const service_;
  const UniqueFd ready_{eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
  std::atomic<bool> stop_{false};
  std::atomic<bool> stopped_{true};
  // Written by the service thread before stopped_.
  std::vector<int64_t> waits_;
  int64_t longest_interruption_ = 0;
};

// Waits of a handler in several windows of time, in ns.
struct Waits {
  void Add(const std::vector<int64_t>& window) {
    if (window.empty()) return;
    longest.push_back(*std::max_element(window.begin(), window.end()));
    all.insert(all.end(), window.begin(), window.end());
  }
  std::vector<int64_t> longest;
  std::vector<int64_t> all;
};

// In us.
double Quantile(std::vector<int64_t>& values, double share) {
  std::sort(values.begin(), values.end());
  const auto last = static_cast<double>(values.size() - 1);
  return static_cast<double>(values[static_cast<size_t>(last * share)]) / 1e3;
}

// How long a handler that uses the table waits while another thread takes a
// snapshot of it: the longest wait of each snapshot, median and maximum, and the
// 99.9th percentile of all waits; the same without any snapshot; and for how long the
// machine itself takes the core away from the handler during a snapshot.
void BM_HandlerDelayDuringSnapshot(benchmark::State& state) {
  const IdleSockets sockets(kMany);
  sockets.RegisterOneByOne();
  sockhost_service_definition definition{};
  definition.name = "busy";
  definition.handler = BusyHandler::Handle;
  definition.capacity = 1;
  const net_socket_service_desc* service = nullptr;
  Check(sockhost_service_define(&definition, &service) == 0, "sockhost_service_define");
  Waits waits;
  Waits waits_without;
  std::vector<int64_t> interruptions;
  {
    BusyHandler handler(service);
    for (auto _ : state) {
      const int64_t begin = MonotonicNanos();
      waits.Add(handler.WaitsWhile(
          [] { ServiceHost::OfProcess().ForEachSocket([](SocketSnapshot&&) {}); }));
      interruptions.push_back(handler.longest_interruption());
      const int64_t took = MonotonicNanos() - begin;
      state.SetIterationTime(static_cast<double>(took) / 1e9);
      waits_without.Add(handler.WaitsWhile([begin, took] {
        while (MonotonicNanos() - begin < 2 * took) {
        }
      }));
    }
  }
  Check(sockhost_service_undefine(service) == 0, "sockhost_service_undefine");
  const auto report = [&](const std::string& name, Waits& of) {
    state.counters[name + "_median_us"] = Quantile(of.longest, 0.5);
    state.counters[name + "_max_us"] = Quantile(of.longest, 1);
    state.counters[name + "_p999_us"] = Quantile(of.all, 0.999);
  };
  report("wait", waits);
  report("wait_without", waits_without);
  state.counters["interruption_median_us"] = Quantile(interruptions, 0.5);
}
BENCHMARK(BM_HandlerDelayDuringSnapshot)
    ->UseManualTime()
    ->Unit(benchmark::kMillisecond)
    ->Iterations(25);

// From one handler call to the next; items are events.
void BM_Dispatch(benchmark::State& state) {
  constexpr size_t kSockets = 200;
  ReadyBatch batch(kSockets);
  for (auto _ : state) state.SetIterationTime(static_cast<double>(batch.Serve()) / 1e9);
  state.SetItemsProcessed(state.iterations() * static_cast<int64_t>(kSockets - 1));
}
BENCHMARK(BM_Dispatch)->UseManualTime();

// What a table of its own allocates for each registered socket. The entry in the
// service's descriptor is the program's.
void BM_TableMemory(benchmark::State& state) {
  std::vector<UniqueFd> fds;
  for (int64_t i = 0; i < kMany; ++i) fds.emplace_back(NewSocket());
  ServiceRegistry registry;
  sockhost_service_definition definition{};
  definition.name = "idle";
  definition.handler = [](net_socket_service_event*) {};
  definition.capacity = static_cast<int>(kMany);
  Service& service = **registry.Define(definition, ServiceKind::kModule);
  const auto allocated = [] {
    const struct mallinfo2 heap = mallinfo2();
    return static_cast<double>(heap.uordblks + heap.hblkhd);
  };
  for (auto _ : state) {
    SocketTable table;
    Check(table.Open().ok(), "SocketTable::Open");
    const double before = allocated();
    for (const UniqueFd& fd : fds) {
      Check(table.AddOne(service, fd.get(), POLLIN, nullptr) == 0, "SocketTable::AddOne");
    }
    state.counters["bytes_per_socket"] = (allocated() - before) / static_cast<double>(kMany);
    table.RemoveSet(service, Fate::kLeaveOpen, {});
  }
  state.counters["bytes_per_slot"] = sizeof(SocketSlot);
}
BENCHMARK(BM_TableMemory)->Iterations(1);

}  // namespace
}  // namespace sockhost

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  sockhost::ServiceHost& host = sockhost::ServiceHost::OfProcess();
  const absl::Status started = host.Start({});
  sockhost::Check(started.ok(), "ServiceHost::Start");
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
  host.Stop();
  return 0;
}
