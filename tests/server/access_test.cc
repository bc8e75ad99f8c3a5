// Every RPC x role x transport, on real connections. The RPCs come from the
// descriptor: a new one is tested, and denied, without anybody adding it here.
#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/slice.h>
#include <unistd.h>

#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "server/method_rules.h"
#include "tests/core/eventually.h"
#include "tests/server/admin_api.h"
#include "tests/server/test_authority.h"

namespace sockhost {
namespace {

using grpc::StatusCode;

constexpr AdminRole kRoles[] = {AdminRole::kNone, AdminRole::kViewer, AdminRole::kOperator,
                                AdminRole::kAdmin};

std::vector<std::string> AllMethods() {
  const google::protobuf::ServiceDescriptor& service =
      *v1::Host::descriptor()->file()->pool()->FindServiceByName("sockhost.v1.AdminService");
  std::vector<std::string> methods;
  for (int i = 0; i < service.method_count(); ++i) {
    methods.push_back(absl::StrCat("/", service.full_name(), "/", service.method(i)->name()));
  }
  return methods;
}

std::string ReasonIn(const grpc::Status& status) {
  google::rpc::Status rich;
  rich.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  return rich.details_size() > 0 && rich.details(0).UnpackTo(&info) ? info.reason() : "";
}

void Write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// Calls any method with an empty request.
class AnyMethod {
 public:
  explicit AnyMethod(const std::shared_ptr<grpc::Channel>& channel) : stub_(channel) {}

  // How the call ended; OK if it has answered, whether or not it goes on.
  grpc::Status Call(const std::string& method) {
    grpc::ClientContext context;
    context.set_deadline(std::chrono::system_clock::now() + kDeadline);
    grpc::CompletionQueue queue;
    const auto call = stub_.PrepareCall(&context, method, &queue);
    call->StartCall(nullptr);
    Next(queue);
    const grpc::Slice nothing("");
    call->WriteLast(grpc::ByteBuffer(&nothing, 1), {}, nullptr);
    Next(queue);
    grpc::ByteBuffer answer;
    call->Read(&answer, nullptr);
    const bool answered = Next(queue);
    if (answered) context.TryCancel();
    grpc::Status status;
    call->Finish(&status, nullptr);
    Next(queue);
    return answered ? grpc::Status::OK : status;
  }

 private:
  static bool Next(grpc::CompletionQueue& queue) {
    void* tag = nullptr;
    bool ok = false;
    queue.Next(&tag, &ok);
    return ok;
  }

  grpc::GenericStub stub_;
};

class AccessTest : public testing::Test {
 protected:
  explicit AccessTest(bool is_audited = false) {
    const TestPair server = authority_.Sign("DNS:localhost,IP:127.0.0.1");
    Write(files_.certificate, server.certificate);
    Write(files_.key, server.key);
    Write(files_.client_ca, authority_.certificate());
    GiveRole(AdminRole::kNone);
    AdminApi::Options options;
    options.roles = roles_;
    options.certificates = files_;
    options.max_watches = kWatches;
    if (is_audited) options.audit_log = folder_.Path("audit.log");
    api_ = std::make_unique<AdminApi>(options);
  }

  // To the peers of all transports.
  void GiveRole(AdminRole role) {
    std::string rules = "email:nobody@client.test admin\n";
    if (role != AdminRole::kNone) {
      for (const std::string& subject :
           {absl::StrCat("uid:", getuid()), std::string("dns:client.test"), std::string("tcp:*")}) {
        absl::StrAppend(&rules, subject, " ", RoleName(role), "\n");
      }
    }
    Write(roles_, rules);
    if (!api_) return;
    EXPECT_TRUE(api_->roles().Reload().ok());
    api_->watches().CheckRoles();
  }

  struct Transport {
    std::string name;
    std::shared_ptr<grpc::Channel> channel;
  };
  std::vector<Transport> Transports() {
    const TestPair client = authority_.Sign("DNS:client.test");
    return {{"unix", api_->Connect()},
            {"tls", grpc::CreateChannel(api_->tls_address(),
                                        grpc::SslCredentials({authority_.certificate(), client.key,
                                                              client.certificate}))},
            {"tcp", grpc::CreateChannel(api_->tcp_address(), grpc::InsecureChannelCredentials())}};
  }

  void ExpectEveryMethodToAskForItsRole() {
    // Roles change under connections that stay.
    for (const Transport& transport : Transports()) {
      AnyMethod client(transport.channel);
      for (const AdminRole role : kRoles) {
        GiveRole(role);
        for (const std::string& method : AllMethods()) {
          SCOPED_TRACE(absl::StrCat(transport.name, " ", RoleName(role), " ", method));
          const MethodRule* rule = RuleOf(method);
          ASSERT_NE(rule, nullptr) << "no row in server/method_rules.h";
          const grpc::Status status = client.Call(method);
          EXPECT_NE(status.error_code(), StatusCode::UNIMPLEMENTED);
          EXPECT_NE(status.error_code(), StatusCode::UNAVAILABLE) << status.error_message();
          const bool is_denied = status.error_code() == StatusCode::PERMISSION_DENIED;
          EXPECT_EQ(is_denied, role < rule->role) << status.error_message();
          EXPECT_EQ(ReasonIn(status) == "ROLE_REQUIRED", is_denied);
        }
      }
    }
  }

  static constexpr size_t kWatches = 9;

  const TemporaryFolder folder_;
  const TestAuthority authority_;
  const CertificateFiles files_{folder_.Path("server.crt"), folder_.Path("server.key"),
                                folder_.Path("ca.crt"), ""};
  const std::string roles_ = folder_.Path("roles");
  std::unique_ptr<AdminApi> api_;
};

// The audit log looks at every request.
class AuditedAccessTest : public AccessTest {
 protected:
  AuditedAccessTest() : AccessTest(/*is_audited=*/true) {}
};

TEST_F(AccessTest, EveryMethodAsksForItsRoleOnEveryTransport) {
  ExpectEveryMethodToAskForItsRole();
}

TEST_F(AuditedAccessTest, EveryMethodAsksForItsRoleOnEveryTransport) {
  ExpectEveryMethodToAskForItsRole();
}

// A method that does not exist, and services that gRPC brings along.
TEST_F(AccessTest, StrangersAreDeniedWhateverTheyAskFor) {
  const std::string nowhere[] = {"/sockhost.v1.AdminService/Zap", "/no.such.Service/Zap"};
  const std::string reflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";
  for (const Transport& transport : Transports()) {
    SCOPED_TRACE(transport.name);
    AnyMethod client(transport.channel);
    GiveRole(AdminRole::kNone);
    for (const std::string& method : nowhere) {
      const grpc::Status status = client.Call(method);
      EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED) << method;
      EXPECT_EQ(ReasonIn(status), "ROLE_REQUIRED") << method;
    }
    for (const std::string& method : {reflection, std::string("/grpc.health.v1.Health/Zap")}) {
      const grpc::Status status = client.Call(method);
      EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED) << method;
      // Over TCP reflection is off, too.
      if (method == reflection && transport.name != "unix") continue;
      EXPECT_THAT(status.error_message(), testing::HasSubstr("needs the role")) << method;
    }
    GiveRole(AdminRole::kViewer);
    for (const std::string& method : nowhere) {
      EXPECT_EQ(client.Call(method).error_code(), StatusCode::UNIMPLEMENTED) << method;
    }
    EXPECT_EQ(client.Call("/grpc.health.v1.Health/Zap").error_code(),
              StatusCode::PERMISSION_DENIED);
  }
}

template <class Response>
grpc::Status EndOf(grpc::ClientReader<Response>& stream) {
  Response message;
  while (stream.Read(&message)) {
  }
  return stream.Finish();
}

TEST_F(AccessTest, StreamsEndWithTheRole) {
  for (const Transport& transport : Transports()) {
    SCOPED_TRACE(transport.name);
    GiveRole(AdminRole::kViewer);
    const auto stub = v1::AdminService::NewStub(transport.channel);
    grpc::ClientContext sockets_context;
    grpc::ClientContext events_context;
    const auto sockets = stub->WatchSockets(&sockets_context, {});
    const auto events = stub->WatchEvents(&events_context, {});
    v1::WatchSocketsResponse sample;
    v1::WatchEventsResponse event;
    ASSERT_TRUE(sockets->Read(&sample));
    ASSERT_TRUE(events->Read(&event));
    // Another role is no reason to end.
    GiveRole(AdminRole::kAdmin);
    ASSERT_TRUE(sockets->Read(&sample));
    GiveRole(AdminRole::kNone);
    for (const grpc::Status& status : {EndOf(*sockets), EndOf(*events)}) {
      EXPECT_EQ(status.error_code(), StatusCode::PERMISSION_DENIED) << status.error_message();
      EXPECT_EQ(ReasonIn(status), "ROLE_REQUIRED");
    }
  }
}

// An open stream of one of both kinds.
class OpenWatch {
 public:
  OpenWatch(v1::AdminService::Stub& stub, bool of_events) {
    if (of_events) {
      events_ = stub.WatchEvents(&context_, {});
      v1::WatchEventsResponse first;
      is_open_ = events_->Read(&first);
      if (!is_open_) reason_ = ReasonIn(events_->Finish());
    } else {
      sockets_ = stub.WatchSockets(&context_, {});
      v1::WatchSocketsResponse first;
      is_open_ = sockets_->Read(&first);
      if (!is_open_) reason_ = ReasonIn(sockets_->Finish());
    }
  }
  ~OpenWatch() { context_.TryCancel(); }

  // Empty: it is open.
  const std::string& reason() const { return reason_; }

 private:
  grpc::ClientContext context_;
  std::unique_ptr<grpc::ClientReader<v1::WatchEventsResponse>> events_;
  std::unique_ptr<grpc::ClientReader<v1::WatchSocketsResponse>> sockets_;
  bool is_open_ = false;
  std::string reason_;
};

TEST_F(AccessTest, ViewersLeaveTwoWatchesToOperators) {
  GiveRole(AdminRole::kViewer);
  std::vector<std::unique_ptr<OpenWatch>> watches;
  const auto reason_of_next = [&](bool of_events) {
    watches.push_back(std::make_unique<OpenWatch>(api_->stub(), of_events));
    return watches.back()->reason();
  };
  for (size_t i = 0; i < kWatches - 2; ++i) EXPECT_EQ(reason_of_next(i % 2 == 0), "");
  EXPECT_EQ(reason_of_next(false), "WATCH_LIMIT");
  EXPECT_EQ(reason_of_next(true), "WATCH_LIMIT");
  GiveRole(AdminRole::kOperator);
  EXPECT_EQ(reason_of_next(false), "");
  EXPECT_EQ(reason_of_next(true), "");
  EXPECT_EQ(reason_of_next(true), "WATCH_LIMIT");
}

TEST_F(AccessTest, DenialDoesNotTellWhatExists) {
  api_->CreateListener("there", "echo");
  std::vector<std::string> messages;
  for (const char* name : {"listeners/there", "listeners/missing", "nonsense"}) {
    grpc::ClientContext context;
    v1::GetListenerRequest request;
    request.set_name(name);
    v1::Listener response;
    const grpc::Status status = api_->stub().GetListener(&context, request, &response);
    EXPECT_EQ(ReasonIn(status), "ROLE_REQUIRED") << name;
    messages.push_back(status.error_message());
  }
  EXPECT_EQ(messages[0], messages[1]);
  EXPECT_EQ(messages[0], messages[2]);
}

// Who is forwarded to the admin socket comes as the daemon itself, mostly root.
TEST(OwnProcessTest, HasNoRoleOnTheUnixSocket) {
  const TemporaryFolder folder;
  AdminApi::Options options;
  options.audit_log = folder.Path("audit.log");
  options.refuses_own_process = true;
  AdminApi api(options);
  AnyMethod caller(api.Connect());
  const grpc::Status denied = caller.Call("/sockhost.v1.AdminService/GetHost");
  EXPECT_EQ(denied.error_code(), StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(ReasonIn(denied), "ROLE_REQUIRED");
  EXPECT_THAT(denied.error_message(), testing::HasSubstr("this daemon itself"));
  std::ifstream log(options.audit_log);
  const std::string lines{std::istreambuf_iterator<char>(log), {}};
  EXPECT_THAT(lines, testing::HasSubstr(absl::StrCat("\"pid\":", getpid())));
  EXPECT_THAT(lines, testing::HasSubstr("\"event\":\"denied\""));
}

TEST_F(AccessTest, HealthIsForEverybody) {
  for (const Transport& transport : Transports()) {
    const auto stub = grpc::health::v1::Health::NewStub(transport.channel);
    grpc::ClientContext context;
    grpc::health::v1::HealthCheckResponse response;
    const grpc::Status status = stub->Check(&context, {}, &response);
    EXPECT_TRUE(status.ok()) << transport.name << ": " << status.error_message();
  }
}

// Whose connection a call came from must never be mixed up.
TEST_F(AccessTest, ConnectionsThatComeAndGoKeepTheirPeer) {
  Write(roles_, absl::StrCat("uid:", getuid(), " admin\n"));
  ASSERT_TRUE(api_->roles().Reload().ok());
  for (int i = 0; i < 200; ++i) {
    AnyMethod local(api_->Connect());
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    AnyMethod remote(grpc::CreateCustomChannel(api_->tcp_address(),
                                               grpc::InsecureChannelCredentials(), arguments));
    EXPECT_TRUE(local.Call("/sockhost.v1.AdminService/GetHost").ok()) << i;
    EXPECT_EQ(remote.Call("/sockhost.v1.AdminService/GetHost").error_code(),
              StatusCode::PERMISSION_DENIED)
        << i;
  }
}

}  // namespace
}  // namespace sockhost
