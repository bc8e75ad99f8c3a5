#include "server/forward_loop.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <barrier>
#include <filesystem>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "server/admin_address.h"
#include "server/reserved_addresses.h"
#include "tests/core/sockets.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

// Two listeners, each of which forwards to the other, made at the same moment: one of the two
// calls is the second, and is refused.
TEST(ForwardLoopTest, IsNotMadeByTwoCallsAtOnce) {
  constexpr int kRounds = 2000;
  AdminApi api;
  const std::string names[] = {absl::StrCat("unix:@sockhost-a-", getpid()),
                               absl::StrCat("unix:@sockhost-b-", getpid())};
  std::barrier<> together(2);
  bool was_made[2] = {};
  int loops = 0;
  int refused = 0;
  const auto make = [&](int which) {
    const std::unique_ptr<v1::AdminService::Stub> stub = v1::AdminService::NewStub(api.Connect());
    const std::string id = which == 0 ? "a" : "b";
    for (int round = 0; round < kRounds; ++round) {
      v1::CreateListenerRequest request;
      request.set_listener_id(id);
      request.mutable_listener()->set_service("services/forward");
      request.mutable_listener()->set_address(names[which]);
      request.mutable_listener()->mutable_forward()->add_upstreams(names[1 - which]);
      v1::Listener created;
      together.arrive_and_wait();
      grpc::ClientContext context;
      was_made[which] = stub->CreateListener(&context, request, &created).ok();
      together.arrive_and_wait();
      if (which == 0) {
        loops += was_made[0] && was_made[1];
        refused += was_made[0] != was_made[1];
      }
      together.arrive_and_wait();
      if (!was_made[which]) continue;
      grpc::ClientContext deletion;
      v1::DeleteListenerRequest deleted;
      deleted.set_name(absl::StrCat("listeners/", id));
      google::protobuf::Empty empty;
      EXPECT_TRUE(stub->DeleteListener(&deletion, deleted, &empty).ok());
    }
  };
  std::thread other(make, 1);
  make(0);
  other.join();
  EXPECT_EQ(loops, 0);
  EXPECT_EQ(refused, kRounds);
}

class AdminUpstreamTest : public testing::Test {
 protected:
  AdminUpstreamTest() {
    ReservedAddresses::OfProcess().Add(
        AdminAddress::Parse("unix:" + api_.path()).value().ToSocketAddress(),
        "unix:" + api_.path());
  }

  grpc::Status Create(const std::string& upstream, v1::Listener& created) {
    v1::CreateListenerRequest request;
    request.set_listener_id("escape");
    request.mutable_listener()->set_service("services/forward");
    request.mutable_listener()->set_address("tcp://127.0.0.1:0");
    request.mutable_listener()->mutable_forward()->add_upstreams(upstream);
    grpc::ClientContext context;
    return api_.stub().CreateListener(&context, request, &created);
  }

  AdminApi api_;
  const TemporaryFolder folder_;
};

TEST_F(AdminUpstreamTest, IsRefusedByEveryName) {
  std::filesystem::create_symlink(api_.path(), folder_.Path("link"));
  for (const std::string& path : {api_.path(), folder_.Path("link")}) {
    v1::Listener created;
    const grpc::Status status = Create("unix://" + path, created);
    EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION) << path;
    EXPECT_THAT(status.error_message(), testing::HasSubstr("the admin API of this host"));
  }
  EXPECT_EQ(api_.host().listeners(), 0u);
}

TEST_F(AdminUpstreamTest, IsRefusedByAnUpdate) {
  v1::Listener created;
  ASSERT_TRUE(Create("unix://" + folder_.Path("server.sock"), created).ok());
  v1::UpdateListenerRequest request;
  request.mutable_listener()->set_name("listeners/escape");
  request.mutable_listener()->mutable_forward()->add_upstreams("unix://" + api_.path());
  grpc::ClientContext context;
  const grpc::Status status = api_.stub().UpdateListener(&context, request, &created);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(AdminUpstreamTest, IsNotConnectedToThroughALinkThatCameLater) {
  v1::Listener created;
  const std::string path = folder_.Path("server.sock");
  ASSERT_TRUE(Create("unix://" + path, created).ok());
  std::filesystem::create_symlink(api_.path(), path);
  const UniqueFd client = ConnectTo(SocketAddress::Parse(created.effective_address()).value());
  SendText(client.get(), "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_EQ(api_.host().FindListener("escape")->counters[Counter::connect_failures], 1);
}

}  // namespace
}  // namespace sockhost
