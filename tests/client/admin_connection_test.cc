#include "client/admin_connection.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <string>

#include "tests/client/fake_admin.h"

namespace sockhost::client {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Stub = v1::AdminService::Stub;

TEST(AdminConnectionTest, CallsOverUnixSocketAndTcp) {
  FakeAdmin fake;
  fake.answers.host.set_version("9.8.7");
  for (const std::string& address : {fake.unix_address(), fake.tcp_address()}) {
    AdminConnection connection(*ParseAdminAddress(address), absl::Seconds(60));
    const auto host = connection.Call(&Stub::GetHost, v1::GetHostRequest());
    ASSERT_TRUE(host.ok()) << host.status();
    EXPECT_EQ(host->version(), "9.8.7");
  }
  EXPECT_THAT(fake.requests.user_agent, StartsWith("sockctl/"));
}

TEST(AdminConnectionTest, ProxyOfEnvironmentIsNotUsed) {
  FakeAdmin fake;
  setenv("http_proxy", "http://127.0.0.1:1", 1);
  AdminConnection connection(*ParseAdminAddress(fake.tcp_address()), absl::Seconds(60));
  const auto host = connection.Call(&Stub::GetHost, v1::GetHostRequest());
  unsetenv("http_proxy");
  EXPECT_TRUE(host.ok()) << host.status();
}

TEST(AdminConnectionTest, AllPagesAreMerged) {
  FakeAdmin fake;
  fake.answers.page_size = 2;
  for (int i = 0; i < 5; ++i) {
    v1::Listener listener;
    listener.set_name("listeners/l" + std::to_string(i));
    fake.answers.listeners.push_back(listener);
  }
  const auto all = fake.Connect().CallAllPages(&Stub::ListListeners, v1::ListListenersRequest());
  ASSERT_TRUE(all.ok()) << all.status();
  ASSERT_EQ(all->listeners_size(), 5);
  EXPECT_EQ(all->listeners(4).name(), "listeners/l4");
  EXPECT_EQ(all->next_page_token(), "");
  EXPECT_EQ(fake.requests.calls, 3);
}

TEST(AdminConnectionTest, PageThatLeadsToItselfIsError) {
  FakeAdmin fake;
  fake.answers.page_size = 0;
  fake.answers.listeners.emplace_back();
  v1::ListListenersRequest request;
  request.set_page_token("0");
  const auto all = fake.Connect().CallAllPages(&Stub::ListListeners, request);
  EXPECT_EQ(all.status().code(), absl::StatusCode::kInternal);
}

TEST(AdminConnectionTest, ErrorOfDaemonKeepsItsDetails) {
  FakeAdmin fake;
  fake.answers.error = DaemonError(grpc::StatusCode::RESOURCE_EXHAUSTED, "no more listeners",
                                   "LISTENER_LIMIT", {{"limit", "10"}});
  const auto host = fake.Connect().Call(&Stub::GetHost, v1::GetHostRequest());
  ASSERT_FALSE(host.ok());
  EXPECT_EQ(ExitCode(host.status()), 64 + 8);
  ASSERT_TRUE(ErrorInfoOf(host.status()).has_value());
  EXPECT_EQ(ErrorInfoOf(host.status())->reason(), "LISTENER_LIMIT");
}

TEST(AdminConnectionTest, NobodyThereIsUnavailable) {
  FakeAdmin fake;
  const std::string unix_address = fake.unix_address(), tcp_address = fake.tcp_address();
  fake.Stop();
  for (const std::string& address : {unix_address, tcp_address}) {
    AdminConnection connection(*ParseAdminAddress(address), absl::Seconds(60));
    const auto host = connection.Call(&Stub::GetHost, v1::GetHostRequest());
    EXPECT_EQ(host.status().code(), absl::StatusCode::kUnavailable);
    EXPECT_THAT(std::string(host.status().message()), StartsWith("no sockhostd at " + address));
    EXPECT_EQ(ExitCode(host.status()), 64 + 14);
  }
}

}  // namespace
}  // namespace sockhost::client
