// Programs made of Zephyr sources, with real sockets: what their authors expect.
#include <signal.h>
#include <sys/socket.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "sockhost/socket_address.h"
#include "tests/compat/zephyr_program.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::HasSubstr;
using testing::MatchesRegex;
using testing::Not;

std::string Path(const std::string& program) {
  return absl::StrCat(SOCKHOST_PROGRAM_DIR, "/", program);
}

UniqueFd ConnectToPort(const std::string& protocol, const std::string& host, int port) {
  const absl::StatusOr<SocketAddress> address =
      SocketAddress::Parse(absl::StrCat(protocol, "://", host, ":", port));
  EXPECT_TRUE(address.ok()) << address.status();
  return ConnectTo(*address);
}

std::string Ask(const UniqueFd& socket, const std::string& text) {
  SendText(socket.get(), text);
  return ReceiveText(socket.get(), text.size());
}

// ---- The shape of Zephyr's own sample: everything from SYS_INIT

class ShoutServiceTest : public testing::Test {
 protected:
  void ReadPorts() {
    tcp_port_ = program_.WaitForNumberAfter("tcp port ");
    udp_port_ = program_.WaitForNumberAfter("udp port ");
    ASSERT_GT(tcp_port_, 0);
    ASSERT_GT(udp_port_, 0);
  }
  void SetUp() override { ReadPorts(); }

  ZephyrProgram program_{Path("shout_service")};
  int tcp_port_ = -1;
  int udp_port_ = -1;
};

TEST_F(ShoutServiceTest, AnswersOverBothProtocolsAndFamilies) {
  for (const std::string host : {"127.0.0.1", "[::1]"}) {
    EXPECT_EQ(Ask(ConnectToPort("tcp", host, tcp_port_), "hello"), "HELLO") << host;
    EXPECT_EQ(Ask(ConnectToPort("udp", host, udp_port_), "hello"), "HELLO") << host;
  }
}

TEST_F(ShoutServiceTest, PrintsWhoHasGone) {
  {
    const UniqueFd client = ConnectToPort("tcp", "[::1]", tcp_port_);
    EXPECT_EQ(Ask(client, "hello"), "HELLO");
  }
  EXPECT_TRUE(program_.WaitForOutput("shout: ::1 has gone\n"));
}

TEST_F(ShoutServiceTest, PrintsNothingWildAfterReset) {
  {
    const UniqueFd client = ConnectToPort("tcp", "[::1]", tcp_port_);
    EXPECT_EQ(Ask(client, "hello"), "HELLO");
    ResetOnClose(client.get());
  }
  EXPECT_TRUE(program_.WaitForOutput("shout:  has gone\n"));
}

TEST_F(ShoutServiceTest, ClientsBeyondCapacityAreClosed) {
  // CONFIG_ZVFS_POLL_MAX - 2, which the build sets to 6 for this program.
  std::vector<UniqueFd> clients;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(ConnectToPort("tcp", "[::1]", tcp_port_));
    EXPECT_EQ(Ask(clients.back(), "a"), "A");
  }
  EXPECT_TRUE(WaitClosed(ConnectToPort("tcp", "[::1]", tcp_port_).get()));
  EXPECT_EQ(Ask(clients.front(), "b"), "B");
}

TEST_F(ShoutServiceTest, RestartsOnTheSamePortsInItsOwnHandler) {
  const UniqueFd client = ConnectToPort("tcp", "[::1]", tcp_port_);
  EXPECT_EQ(Ask(client, "a"), "A");
  const int old_tcp_port = tcp_port_;
  program_.ForgetOutput();
  EXPECT_EQ(Ask(ConnectToPort("udp", "[::1]", udp_port_), "again"), "AGAIN");
  EXPECT_TRUE(WaitClosed(client.get()));
  ReadPorts();
  EXPECT_EQ(tcp_port_, old_tcp_port);
  EXPECT_EQ(Ask(ConnectToPort("tcp", "[::1]", tcp_port_), "b"), "B");
}

TEST_F(ShoutServiceTest, StopsOnSigterm) {
  program_.Signal(SIGTERM);
  EXPECT_EQ(program_.Wait(), 0);
}

TEST_F(ShoutServiceTest, StopsOnSigintWithClients) {
  const UniqueFd client = ConnectToPort("tcp", "[::1]", tcp_port_);
  EXPECT_EQ(Ask(client, "a"), "A");
  program_.Signal(SIGINT);
  EXPECT_EQ(program_.Wait(), 0);
}

// ---- main(), threads, work and the prefixed names

class MeterServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    const int port = program_.WaitForNumberAfter("udp port ");
    ASSERT_GT(port, 0);
    client_ = ConnectToPort("udp", "127.0.0.1", port);
  }

  // Sends a datagram. The total that the answer holds.
  uint32_t Send(const std::string& text) {
    SendText(client_.get(), text);
    const std::string answer = ReceiveText(client_.get(), 4);
    uint32_t total = 0;
    for (const char byte : answer) total = total << 8 | static_cast<unsigned char>(byte);
    return total;
  }

  ZephyrProgram program_{Path("meter_service")};
  UniqueFd client_;
};

TEST_F(MeterServiceTest, AnswersFromAnotherThread) {
  EXPECT_EQ(Send("12345"), 5u);
  EXPECT_EQ(Send("123"), 8u);
}

TEST_F(MeterServiceTest, DelayedWorkSendsReminder) {
  EXPECT_EQ(Send("wait"), 4u);
  EXPECT_EQ(ReceiveText(client_.get(), 10), "still here");
}

TEST_F(MeterServiceTest, ClosesItsServiceFromAnotherThread) {
  EXPECT_EQ(Send("stop"), 4u);
  EXPECT_TRUE(program_.WaitForOutput("meter: closed\n"));
  program_.Signal(SIGTERM);
  EXPECT_EQ(program_.Wait(), 0);
}

// ---- C++

TEST(ClockServiceTest, MembersNamedLikeSocketCallsAreTheirOwn) {
  ZephyrProgram program(Path("clock_service"));
  const int port = program.WaitForNumberAfter("tcp port ");
  ASSERT_GT(port, 0);
  for (int i = 0; i < 3; ++i) {
    const UniqueFd client = ConnectToPort("tcp", "127.0.0.1", port);
    EXPECT_THAT(ReceiveText(client.get(), 100), MatchesRegex("up for [0-9]+ ms\n"));
  }
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 0);
}

// ---- Test suites

TEST(RegisterSuiteTest, Passes) {
  ZephyrProgram program(Path("register_suite"));
  EXPECT_EQ(program.Wait(), 0) << program.output();
  EXPECT_THAT(program.output(), HasSubstr("6 passed, 0 failed, 1 skipped\n"));
}

TEST(FailingSuiteTest, FailuresAreReportedAndTheRestRuns) {
  ZephyrProgram program(Path("failing_suite"));
  EXPECT_EQ(program.Wait(), 1);
  const std::string& output = program.output();
  EXPECT_THAT(output, HasSubstr("the sum is 2\nFAIL failing.test_assert_ends_the_test"));
  EXPECT_THAT(output, Not(HasSubstr("was not ended")));
  EXPECT_THAT(output, HasSubstr("went on\nFAIL failing.test_expect_goes_on"));
  EXPECT_THAT(output, HasSubstr("FAIL failing.test_failure_in_another_thread_counts"));
  EXPECT_THAT(output, HasSubstr("PASS passing.test_nothing"));
  EXPECT_THAT(output, HasSubstr("1 passed, 3 failed, 0 skipped\n"));
}

// ---- Signals

constexpr int kEndedAtOnce = 128 + SIGTERM;

TEST(StuckServiceTest, SecondSignalEndsIt) {
  ZephyrProgram program(Path("stuck_service"));
  ASSERT_TRUE(program.WaitForOutput("stuck\n"));
  program.Signal(SIGTERM);
  // Another one, so that both are kept where they come at the same moment.
  program.Signal(SIGINT);
  EXPECT_EQ(program.Wait(), kEndedAtOnce);
}

TEST(StuckInitTest, SignalEndsIt) {
  for (const int signal : {SIGTERM, SIGINT}) {
    ZephyrProgram program(Path("stuck_init"));
    ASSERT_TRUE(program.WaitForOutput("stuck\n"));
    program.Signal(signal);
    EXPECT_EQ(program.Wait(), kEndedAtOnce);
  }
}

TEST(RunningThreadTest, GoesOnToTheEnd) {
  ZephyrProgram program(Path("running_thread_app"));
  ASSERT_TRUE(program.WaitForOutput("counts\n"));
  program.Signal(SIGTERM);
  EXPECT_EQ(program.Wait(), 0);
}

// ---- Failures of the program

TEST(FailingMainTest, ProgramEndsWithItsFailure) {
  ZephyrProgram program(Path("failing_main"));
  EXPECT_EQ(program.Wait(), 1);
}

}  // namespace
}  // namespace sockhost
