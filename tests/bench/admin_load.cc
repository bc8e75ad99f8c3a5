// admin_load: bounded load for the admin API; tells how fast calls were and what
// they cost the daemon.
//
//   admin_load TARGET PID CASE LANES CALLS
//
// TARGET is what gRPC calls the address; LANES calls are on their way at the same
// time, on one connection; each lane's answer is followed at once by its next call. The
// answers' bytes are not decoded, so that the daemon is measured and not this
// client. Prints "CALLS_PER_SECOND CPU_NANOSECONDS_OF_PID_PER_CALL". CASE list reads
// all pages of ListSockets, of LANES sockets each and one after another, for each of the
// CALLS, and prints how long the slowest page took, in ns, too. CASE sockets asks
// nobody: it makes the system calls of as many creations and deletions itself, on LANES
// listening sockets at a time.
#include <arpa/inet.h>
#include <grpcpp/channel.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/support/byte_buffer.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "service_core/monotonic_clock.h"
#include "service_core/unique_fd.h"
#include "sockhost/v1/admin.grpc.pb.h"
#include "tests/bench/process_clock.h"

namespace sockhost {
namespace {

struct Call {
  std::string method;
  std::string request;
};

// The calls of a lane, one after another, for ever.
using CallAt = Call (*)(int lane, int64_t round);

std::string Id(int lane, int64_t pair) {
  return "load-" + std::to_string(lane) + "-" + std::to_string(pair);
}

// What does nothing but answer.
Call Empty(int, int64_t) { return {"/grpc.health.v1.Health/Check", ""}; }

Call Get(int, int64_t) {
  v1::GetListenerRequest request;
  request.set_name("listeners/one");
  return {"/sockhost.v1.AdminService/GetListener", request.SerializeAsString()};
}

Call CreateOrDelete(int lane, int64_t round) {
  const std::string id = Id(lane, round / 2);
  if (round % 2 == 0) {
    v1::CreateListenerRequest request;
    request.set_listener_id(id);
    request.mutable_listener()->set_service("echo");
    request.mutable_listener()->set_address("tcp://127.0.0.1:0");
    return {"/sockhost.v1.AdminService/CreateListener", request.SerializeAsString()};
  }
  v1::DeleteListenerRequest request;
  request.set_name("listeners/" + id);
  return {"/sockhost.v1.AdminService/DeleteListener", request.SerializeAsString()};
}

// One listener after another, all of which stay.
Call Create(int, int64_t round) {
  v1::CreateListenerRequest request;
  request.set_listener_id("stays-" + std::to_string(round));
  request.mutable_listener()->set_service("discard");
  request.mutable_listener()->set_address("udp://127.0.0.1:0");
  return {"/sockhost.v1.AdminService/CreateListener", request.SerializeAsString()};
}

CallAt CaseOf(const std::string& name) {
  if (name == "empty") return Empty;
  if (name == "get") return Get;
  if (name == "churn") return CreateOrDelete;
  if (name == "fill") return Create;
  std::fprintf(stderr, "admin_load: case %s: one of empty, get, churn, fill, list, sockets\n",
               name.c_str());
  std::exit(2);
}

[[noreturn]] void Fail(const grpc::Status& status) {
  std::fprintf(stderr, "admin_load: a call failed: %s\n", status.error_message().c_str());
  std::exit(1);
}

std::shared_ptr<grpc::Channel> Connect(const std::string& target) {
  return grpc::CreateChannel(target, grpc::InsecureChannelCredentials());
}

class Load {
 public:
  Load(const std::string& target, CallAt call_at, int lanes)
      : stub_(Connect(target)), call_at_(call_at), lanes_(static_cast<size_t>(lanes)) {}

  // An even number of calls in each lane, so that nothing is left behind.
  void Run(int64_t calls_per_lane) {
    for (size_t lane = 0; lane < lanes_.size(); ++lane) Start(lane);
    size_t running = lanes_.size();
    void* tag = nullptr;
    bool ok = false;
    while (running > 0 && queue_.Next(&tag, &ok)) {
      const size_t lane = reinterpret_cast<size_t>(tag);
      if (!lanes_[lane].status.ok()) Fail(lanes_[lane].status);
      if (++lanes_[lane].round % calls_per_lane == 0) {
        --running;
      } else {
        Start(lane);
      }
    }
  }

 private:
  struct Lane {
    std::unique_ptr<grpc::ClientContext> context;
    std::unique_ptr<grpc::GenericClientAsyncResponseReader> reader;
    grpc::ByteBuffer response;
    grpc::Status status;
    int64_t round = 0;
  };

  void Start(size_t index) {
    Lane& lane = lanes_[index];
    const Call call = call_at_(static_cast<int>(index), lane.round);
    const grpc::Slice slice(call.request);
    const grpc::ByteBuffer request(&slice, 1);
    lane.response.Clear();
    lane.context = std::make_unique<grpc::ClientContext>();
    lane.reader = stub_.PrepareUnaryCall(lane.context.get(), call.method, request, &queue_);
    lane.reader->StartCall();
    lane.reader->Finish(&lane.response, &lane.status, reinterpret_cast<void*>(index));
  }

  grpc::GenericStub stub_;
  const CallAt call_at_;
  grpc::CompletionQueue queue_;
  std::vector<Lane> lanes_;
};

// All pages. Returns how long the slowest one took, in ns.
int64_t ListSockets(v1::AdminService::Stub& stub, int page_size) {
  v1::ListSocketsRequest request;
  request.set_page_size(page_size);
  int64_t slowest = 0;
  do {
    grpc::ClientContext context;
    v1::ListSocketsResponse page;
    const int64_t begin = MonotonicNanos();
    if (const grpc::Status status = stub.ListSockets(&context, request, &page); !status.ok()) {
      Fail(status);
    }
    slowest = std::max(slowest, MonotonicNanos() - begin);
    request.set_page_token(page.next_page_token());
  } while (!request.page_token().empty());
  return slowest;
}

void CheckCall(int result, const char* call) {
  if (result >= 0) return;
  std::perror(call);
  std::exit(1);
}

// What the daemon asks the kernel for when it creates the listener of CreateOrDelete.
UniqueFd OpenListeningSocket(int epoll_fd) {
  UniqueFd fd(socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  CheckCall(fd.get(), "socket");
  int value = 1;
  socklen_t size = sizeof value;
  CheckCall(setsockopt(fd.get(), SOL_SOCKET, SO_REUSEADDR, &value, size), "setsockopt");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t address_size = sizeof address;
  auto* any = reinterpret_cast<sockaddr*>(&address);
  CheckCall(bind(fd.get(), any, address_size), "bind");
  CheckCall(getsockname(fd.get(), any, &address_size), "getsockname");
  CheckCall(listen(fd.get(), 4096), "listen");
  tcp_info info{};
  socklen_t info_size = sizeof info;
  CheckCall(getsockopt(fd.get(), SOL_TCP, TCP_INFO, &info, &info_size), "getsockopt");
  CheckCall(getsockopt(fd.get(), SOL_SOCKET, SO_RCVBUF, &value, &size), "getsockopt");
  CheckCall(getsockopt(fd.get(), SOL_SOCKET, SO_SNDBUF, &value, &size), "getsockopt");
  epoll_event event{EPOLLIN, {}};
  CheckCall(epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd.get(), &event), "epoll_ctl");
  return fd;
}

void OpenAndCloseSockets(size_t at_a_time, int64_t count) {
  const UniqueFd epoll(epoll_create1(EPOLL_CLOEXEC));
  CheckCall(epoll.get(), "epoll_create1");
  std::vector<UniqueFd> open(at_a_time);
  for (int64_t i = 0; i < count; ++i) {
    UniqueFd& fd = open[static_cast<size_t>(i) % at_a_time];
    if (fd.get() >= 0)
      CheckCall(epoll_ctl(epoll.get(), EPOLL_CTL_DEL, fd.get(), nullptr), "epoll_ctl");
    fd = UniqueFd();
    fd = OpenListeningSocket(epoll.get());
  }
}

// Calls `run`, and prints what its `calls` calls have cost.
template <class Calls>
void Measure(pid_t pid, int64_t calls, Calls run) {
  const int64_t cpu = ProcessCpuNanos(pid);
  const int64_t begin = MonotonicNanos();
  run();
  const double count = static_cast<double>(calls);
  const double seconds = static_cast<double>(MonotonicNanos() - begin) / 1e9;
  const double spent = static_cast<double>(ProcessCpuNanos(pid) - cpu);
  std::printf("%.1f %.0f", count / seconds, spent / count);
}

int Run(char** argv) {
  const std::string target = argv[1];
  const pid_t pid = std::atoi(argv[2]);
  const std::string name = argv[3];
  const int lanes = std::atoi(argv[4]);
  const int64_t calls = std::atoll(argv[5]);
  // What is not measured connects, and fills the caches of both sides.
  if (name == "list") {
    v1::AdminService::Stub stub(Connect(target));
    ListSockets(stub, lanes);
    int64_t slowest = 0;
    Measure(pid, calls, [&] {
      for (int64_t i = 0; i < calls; ++i) slowest = std::max(slowest, ListSockets(stub, lanes));
    });
    std::printf(" %lld\n", static_cast<long long>(slowest));
    return 0;
  }
  if (name == "sockets") {
    // A creation and a deletion are two calls.
    Measure(getpid(), calls, [&] { OpenAndCloseSockets(static_cast<size_t>(lanes), calls / 2); });
    std::puts("");
    return 0;
  }
  const int64_t calls_per_lane = calls / lanes / 2 * 2;
  Load load(target, CaseOf(name), lanes);
  if (name != "fill") load.Run(20);
  Measure(pid, calls_per_lane * lanes, [&] { load.Run(calls_per_lane); });
  std::puts("");
  return 0;
}

}  // namespace
}  // namespace sockhost

int main(int argc, char** argv) {
  if (argc == 6) return sockhost::Run(argv);
  std::fputs("usage: admin_load TARGET PID empty|get|churn|fill|list|sockets LANES CALLS\n",
             stderr);
  return 2;
}
