#include "server/admin_server.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>

#include <chrono>
#include <memory>
#include <vector>

#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using grpc::health::v1::Health;
using grpc::health::v1::HealthCheckRequest;
using grpc::health::v1::HealthCheckResponse;

class HealthTest : public testing::Test {
 protected:
  HealthCheckResponse::ServingStatus Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const grpc::Status status = stub_->Check(&context, request, &response);
    return status.ok() ? response.status() : HealthCheckResponse::SERVICE_UNKNOWN;
  }

  AdminApi api_;
  const std::unique_ptr<Health::Stub> stub_ = Health::NewStub(api_.Connect());
};

TEST_F(HealthTest, ServesFromTheStart) {
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("sockhost.v1.AdminService"), HealthCheckResponse::SERVING);
  EXPECT_EQ(Check("no.such.Service"), HealthCheckResponse::SERVICE_UNKNOWN);
}

TEST_F(HealthTest, FollowsSetServing) {
  api_.server().SetServing(false);
  EXPECT_EQ(Check(""), HealthCheckResponse::NOT_SERVING);
  EXPECT_EQ(Check("sockhost.v1.AdminService"), HealthCheckResponse::NOT_SERVING);
  api_.server().SetServing(true);
  EXPECT_EQ(Check(""), HealthCheckResponse::SERVING);
}

TEST(AdminServerTest, RequestThatIsTooLongIsRefused) {
  AdminApi api;
  grpc::ClientContext context;
  v1::GetListenerRequest request;
  request.set_name(std::string(2 << 20, 'x'));
  v1::Listener response;
  EXPECT_EQ(api.stub().GetListener(&context, request, &response).error_code(),
            grpc::StatusCode::RESOURCE_EXHAUSTED);
}

// Nobody reads these: Read is not called, so their windows fill up.
TEST(AdminServerTest, StopDoesNotWaitForReaders) {
  AdminApi api;
  struct Reader {
    std::unique_ptr<v1::AdminService::Stub> stub;
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReader<v1::WatchSocketsResponse>> stream;
  };
  std::vector<std::unique_ptr<Reader>> readers;
  for (int i = 0; i < 5; ++i) {
    auto reader = std::make_unique<Reader>();
    reader->stub = v1::AdminService::NewStub(api.Connect());
    reader->stream = reader->stub->WatchSockets(&reader->context, {});
    v1::WatchSocketsResponse message;
    ASSERT_TRUE(reader->stream->Read(&message));
    readers.push_back(std::move(reader));
  }
  EXPECT_EQ(api.watches().size(), 5u);
  api.Stop();
  EXPECT_EQ(api.watches().size(), 0u);
  for (const auto& reader : readers) {
    v1::WatchSocketsResponse message;
    while (reader->stream->Read(&message)) {
    }
    EXPECT_EQ(reader->stream->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  }
}

}  // namespace
}  // namespace sockhost
