#include "server/forward_loop.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <unistd.h>

#include <barrier>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
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

}  // namespace
}  // namespace sockhost
