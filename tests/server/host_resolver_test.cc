#include "server/host_resolver.h"

#include <gmock/gmock.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/core/eventually.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::Eq;
using testing::IsEmpty;
using testing::Not;

// A name server that knows every name by one IPv4 address, except those that begin
// with "hang" (no answer) and "none" (there is no such name).
class NameServer {
 public:
  NameServer() : fd_(BoundUdp()), stop_(EventFd(false)), thread_([this] { Serve(); }) {}
  ~NameServer() {
    eventfd_write(stop_.get(), 1);
    thread_.join();
  }

  uint16_t port() const { return LocalAddress(fd_.get(), Protocol::kUdp).port(); }
  std::string address() const { return "127.0.0.1:" + std::to_string(port()); }
  // The last byte of 192.0.2.x.
  std::atomic<uint8_t> host{1};
  // False: no name exists.
  std::atomic<bool> knows_all{true};
  std::atomic<int> questions{0};
  std::atomic<int> unanswered{0};

 private:
  void Serve() {
    while (true) {
      pollfd fds[] = {{fd_.get(), POLLIN, 0}, {stop_.get(), POLLIN, 0}};
      poll(fds, 2, -1);
      if (fds[1].revents != 0) return;
      AnswerOne();
    }
  }

  // RFC 1035, section 4: the question is sent back, with a record behind it.
  void AnswerOne() {
    char bytes[512];
    sockaddr_storage from;
    socklen_t length = sizeof(from);
    const ssize_t got =
        recvfrom(fd_.get(), bytes, sizeof(bytes), 0, reinterpret_cast<sockaddr*>(&from), &length);
    if (got < 17) return;
    const size_t end = std::string(bytes, static_cast<size_t>(got)).find('\0', 12) + 5;
    std::string message(bytes, end);
    const std::string first_label = message.substr(13, 4);
    ++questions;
    if (first_label == "hang") {
      ++unanswered;
      return;
    }
    const bool is_ipv4 = message[end - 3] == 1;
    message[2] = static_cast<char>(0x80);
    message[3] = first_label == "none" || !knows_all ? 3 : 0;
    // Counts: one question, perhaps one answer; nothing else.
    const bool has_answer = is_ipv4 && message[3] == 0;
    message.replace(6, 6, std::string("\0\0\0\0\0\0", 6));
    if (has_answer) {
      message[7] = 1;
      // A pointer to the name; A, IN, time to live 0, 4 bytes.
      message += std::string("\xc0\x0c\0\1\0\1\0\0\0\0\0\4\xc0\0\2", 15);
      message += static_cast<char>(host.load());
    }
    sendto(fd_.get(), message.data(), message.size(), 0, reinterpret_cast<sockaddr*>(&from),
           length);
  }

  const UniqueFd fd_;
  const UniqueFd stop_;
  std::thread thread_;
};

class HostResolverTest : public testing::Test {
 protected:
  static std::shared_ptr<Upstream> Parse(const std::string& text) {
    return Upstream::Parse(text).value();
  }
  static SocketAddress Address(const std::string& text) {
    return SocketAddress::Parse(text).value();
  }

  ResolverOptions Options() const {
    ResolverOptions options;
    options.servers = server_.address();
    options.shortest_interval = absl::Milliseconds(5);
    return options;
  }

  NameServer server_;
};

TEST_F(HostResolverTest, NamesOfTheHostsFileNeedNoServer) {
  HostResolver resolver;
  const auto upstream = Parse("tcp://localhost:80");
  ASSERT_TRUE(resolver.Follow(upstream).ok());
  EXPECT_TRUE(Becomes([&] { return upstream->addresses(); }, Not(IsEmpty())));
  for (const SocketAddress& address : upstream->addresses()) EXPECT_EQ(address.port(), 80);
}

TEST_F(HostResolverTest, AnswerIsAskedForAgainWhenItsTimeIsOver) {
  HostResolver resolver(Options());
  const auto upstream = Parse("tcp://web.example:80");
  ASSERT_TRUE(resolver.Follow(upstream).ok());
  EXPECT_TRUE(
      Becomes([&] { return upstream->addresses(); }, ElementsAre(Address("tcp://192.0.2.1:80"))));
  server_.host = 2;
  EXPECT_TRUE(
      Becomes([&] { return upstream->addresses(); }, ElementsAre(Address("tcp://192.0.2.2:80"))));
}

TEST_F(HostResolverTest, NameThatDoesNotExistHasNoAddress) {
  HostResolver resolver(Options());
  const auto upstream = Parse("tcp://none.example:80");
  ASSERT_TRUE(resolver.Follow(upstream).ok());
  EXPECT_TRUE(Becomes([&] { return upstream->is_resolving(); }, Eq(false)));
  EXPECT_THAT(upstream->addresses(), IsEmpty());
}

TEST_F(HostResolverTest, NameWithoutAnAnswerDelaysNoOther) {
  HostResolver resolver(Options());
  const auto hanging = Parse("tcp://hang.example:80");
  const auto other = Parse("udp://web.example:53");
  ASSERT_TRUE(resolver.Follow(hanging).ok());
  ASSERT_TRUE(resolver.Follow(other).ok());
  EXPECT_TRUE(
      Becomes([&] { return other->addresses(); }, ElementsAre(Address("udp://192.0.2.1:53"))));
  EXPECT_TRUE(hanging->is_resolving());
}

TEST_F(HostResolverTest, SilentServerLeavesWhatIsKnown) {
  ResolverOptions options = Options();
  options.timeout = absl::Milliseconds(5);
  HostResolver resolver(options);
  const auto upstream = Parse("tcp://hang.example:80");
  upstream->SetAddresses({Address("tcp://192.0.2.9:0")});
  ASSERT_TRUE(resolver.Follow(upstream).ok());
  const auto fresh = Parse("tcp://hang2.example:80");
  ASSERT_TRUE(resolver.Follow(fresh).ok());
  EXPECT_TRUE(Becomes([&] { return fresh->is_resolving(); }, Eq(false)));
  EXPECT_THAT(upstream->addresses(), ElementsAre(Address("tcp://192.0.2.9:80")));
}

// What the resolver has reported: of a function without state of its own.
std::atomic<int> failures{0};
std::atomic<int> recoveries{0};
void Report(const Upstream&, const std::string& problem) {
  ++(problem.empty() ? recoveries : failures);
}

TEST_F(HostResolverTest, FailureIsReportedOnceAndSoIsItsEnd) {
  failures = 0;
  recoveries = 0;
  HostResolver resolver(Options());
  const auto upstream = Parse("tcp://web.example:80");
  server_.knows_all = false;
  ASSERT_TRUE(resolver.Follow(upstream, Report).ok());
  EXPECT_TRUE(Becomes([] { return failures.load(); }, Eq(1)));
  const int before = server_.questions;
  EXPECT_TRUE(Becomes([&] { return server_.questions.load(); }, testing::Ge(before + 6)))
      << "it goes on asking";
  EXPECT_EQ(failures, 1);
  server_.knows_all = true;
  EXPECT_TRUE(Becomes([] { return recoveries.load(); }, Eq(1)));
}

// A machine that gets another name server, as a notebook or a container does.
class ConfigurationTest : public HostResolverTest {
 protected:
  ~ConfigurationTest() override { std::filesystem::remove(path_); }

  ResolverOptions Options() const {
    ResolverOptions options = HostResolverTest::Options();
    options.servers = "";
    options.configuration = path_;
    options.port = server_.port();
    return options;
  }
  // As a whole: another file takes its place.
  void Write(const std::string& text) const {
    std::ofstream(path_ + ".new") << text;
    std::filesystem::rename(path_ + ".new", path_);
  }

  const std::string path_ = absl::StrCat(testing::TempDir(), "resolv.conf.", getpid());
};

TEST_F(ConfigurationTest, IsReadAgainWhenItHasChanged) {
  failures = 0;
  ResolverOptions options = Options();
  options.timeout = absl::Milliseconds(5);
  // Nobody is there.
  Write("nameserver 127.0.0.2\n");
  HostResolver resolver(options);
  const auto upstream = Parse("tcp://web.example:80");
  ASSERT_TRUE(resolver.Follow(upstream, Report).ok());
  EXPECT_TRUE(Becomes([] { return failures.load(); }, Eq(1)));
  EXPECT_EQ(server_.questions, 0);
  Write("nameserver 127.0.0.1\n");
  EXPECT_TRUE(
      Becomes([&] { return upstream->addresses(); }, ElementsAre(Address("tcp://192.0.2.1:80"))));
}

TEST_F(ConfigurationTest, WhatIsInFlightIsAskedAgain) {
  ResolverOptions options = Options();
  // Longer than the test takes: no question is repeated.
  options.timeout = absl::Minutes(10);
  Write("nameserver 127.0.0.1\n");
  HostResolver resolver(options);
  const auto hanging = Parse("tcp://hang.example:80");
  ASSERT_TRUE(resolver.Follow(hanging).ok());
  // One for each family.
  EXPECT_TRUE(Becomes([&] { return server_.unanswered.load(); }, Eq(2)));
  Write("nameserver 127.0.0.1\noptions ndots:2\n");
  // Who comes is the reason to look.
  const auto other = Parse("tcp://web.example:80");
  ASSERT_TRUE(resolver.Follow(other).ok());
  EXPECT_TRUE(Becomes([&] { return server_.unanswered.load(); }, Eq(4)));
  EXPECT_TRUE(Becomes([&] { return other->addresses(); }, Not(IsEmpty())));
}

TEST_F(HostResolverTest, UpstreamThatIsGoneIsForgotten) {
  HostResolver resolver(Options());
  auto upstream = Parse("tcp://web.example:80");
  const std::weak_ptr<Upstream> weak = upstream;
  ASSERT_TRUE(resolver.Follow(upstream).ok());
  EXPECT_TRUE(Becomes([&] { return upstream->addresses(); }, Not(IsEmpty())));
  upstream.reset();
  EXPECT_TRUE(Becomes([&] { return weak.expired(); }, Eq(true)));
}

}  // namespace
}  // namespace sockhost
