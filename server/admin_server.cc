#include "admin_server.h"

#include <google/protobuf/stubs/logging.h>
#include <grpc/grpc.h>
#include <grpc/support/log.h>
#include <grpcpp/health_check_service_interface.h>
#include <grpcpp/resource_quota.h>
#include <grpcpp/server_builder.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "call_interceptor.h"
#include "logging.h"
#include "monotonic_time.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// No request of the contract is larger.
constexpr int kMaxReceiveBytes = 1 << 20;
constexpr int kMaxMetadataBytes = 8 << 10;
// One client's calls at the same time on one connection.
constexpr int kMaxStreamsPerConnection = 100;
// A connection that sends nothing is given up: first before its HTTP/2 preface,
// then without calls.
constexpr int kHandshakeTimeoutMs = 5'000;
constexpr int kIdleTimeoutMs = 300'000;
// The server's own pings find peers that are gone without a word.
constexpr int kKeepaliveMs = 30'000;
constexpr int kKeepaliveTimeoutMs = 10'000;
// Clients that ping every 10 s are usual; the default of 5 min sends them away. Half of it,
// because a ping may be late and the next one not.
constexpr int kMinPingIntervalMs = 5'000;
constexpr size_t kMemoryBytes = size_t{256} << 20;
// Calls of reflection and channelz hold a thread each, unlike ours: more of them
// than this are refused.
constexpr int kMaxThreads = 16;

// gRPC has a line for each handshake that fails, protobuf for each text that is not
// UTF-8: anybody could fill the log, and wait for a reader of standard error who does
// not. Few of them go into our own.
void ForwardLog(LogLevel level, absl::string_view library, absl::string_view message) {
  constexpr int kLinesPerSecond = 5;
  static std::atomic<int64_t> second{0};
  static std::atomic<int> lines{0};
  const int64_t now = absl::ToInt64Seconds(MonotonicTime());
  if (second.exchange(now) != now) lines = 0;
  if (lines++ >= kLinesPerSecond) return;
  LogLine(level, absl::StrCat(library, ": ", absl::StripAsciiWhitespace(message)));
}

void ForwardGrpcLog(gpr_log_func_args* line) {
  const bool is_error = line->severity == GPR_LOG_SEVERITY_ERROR;
  ForwardLog(is_error ? LogLevel::kWarning : LogLevel::kDebug, "gRPC", line->message);
}

void ForwardProtobufLog(google::protobuf::LogLevel level, const char*, int,
                        const std::string& message) {
  const bool is_error = level >= google::protobuf::LOGLEVEL_ERROR;
  ForwardLog(is_error ? LogLevel::kWarning : LogLevel::kDebug, "protobuf", message);
}

void SetLimits(grpc::ServerBuilder& builder) {
  builder.SetMaxReceiveMessageSize(kMaxReceiveBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_METADATA_SIZE, kMaxMetadataBytes);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, kMaxStreamsPerConnection);
  builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, kHandshakeTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_MAX_CONNECTION_IDLE_MS, kIdleTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, kKeepaliveMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, kKeepaliveTimeoutMs);
  builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                             kMinPingIntervalMs);
  builder.SetResourceQuota(
      grpc::ResourceQuota("admin").Resize(kMemoryBytes).SetMaxThreads(kMaxThreads));
  // The default is one for each core, each with a thread: on a large machine more
  // than the quota has, which ends the process.
  builder.SetSyncServerOption(grpc::ServerBuilder::NUM_CQS, 1);
}

}  // namespace

absl::StatusOr<std::unique_ptr<AdminServer>> AdminServer::Start(
    GuardedAdminService& service, const Access& access, AdminAcceptor& acceptor,
    const IntrospectionOptions& introspection) {
  // Never paired: the last grpc_shutdown() joins a thread that may sleep in its
  // poller for 10 s more. The end of the process needs no such care.
  grpc_init();
#ifdef NDEBUG
  // The distribution's Abseil looks for deadlocks at each lock, a tenth of the time
  // of a call; ours are checked when compiling, and by ThreadSanitizer.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
#endif
  gpr_set_log_function(ForwardGrpcLog);
  google::protobuf::SetLogHandler(ForwardProtobufLog);
  grpc::EnableDefaultHealthCheckService(true);
  EnableIntrospection(introspection);
  grpc::ServerBuilder builder;
  SetLimits(builder);
  builder.RegisterService(&service);
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(CallInterceptors(access.control, access.audit, access.changes));
  interceptors.push_back(ReflectionGate(introspection));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  if (access.certificates != nullptr) {
    acceptor.AttachTls(builder, access.certificates->Credentials());
  }
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  if (!server) return Error(Reason::kINTERNAL, "cannot start the gRPC server");
  acceptor.SetServer(*server);
  std::unique_ptr<AdminServer> out(new AdminServer(std::move(server)));
  // "" is known to it from the start.
  out->server_->GetHealthCheckService()->SetServingStatus(v1::AdminService::service_full_name(),
                                                          true);
  return out;
}

void AdminServer::SetServing(bool serving) {
  // Of all names that it knows.
  server_->GetHealthCheckService()->SetServingStatus(serving);
}

void AdminServer::Stop(WatchSet& watches, AdminAcceptor& acceptor, absl::Duration deadline) {
  watches.Stop();
  while (watches.size() > 0 && MonotonicTime() < deadline) absl::SleepFor(absl::Milliseconds(5));
  acceptor.StopListening();
  // gRPC waits for a reader that has stopped, beyond every deadline; a connection
  // that is shut down frees it.
  acceptor.ShutdownConnections();
  server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(400));
}

}  // namespace sockhost
