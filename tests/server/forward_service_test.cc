// The forward service between real sockets.
#include <gmock/gmock.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/built_in_services.h"
#include "server/forward_direction.h"
#include "server/forward_route.h"
#include "sockhost/service_host.h"
#include "tests/core/eventually.h"
#include "tests/core/sockets.h"

namespace sockhost {
namespace {

using testing::Eq;
using testing::Ge;

// A server on 127.0.0.1 that the test itself is.
class Server {
 public:
  explicit Server(int type = SOCK_STREAM, int backlog = 64)
      : type_(type), fd_(NewSocket(AF_INET, type)) {
    BindToLoopback(fd_.get());
    if (type == SOCK_STREAM) {
      EXPECT_EQ(listen(fd_.get(), backlog), 0);
    }
  }

  std::string address() const {
    return LocalAddress(fd_.get(), type_ == SOCK_STREAM ? Protocol::kTcp : Protocol::kUdp)
        .ToString();
  }
  int fd() const { return fd_.get(); }
  UniqueFd Accept() const {
    EXPECT_TRUE(WaitReadable(fd_.get()));
    return UniqueFd(accept4(fd_.get(), nullptr, nullptr, SOCK_NONBLOCK));
  }
  // Takes a datagram and answers with `answer`.
  std::string Answer(const std::string& answer) const {
    EXPECT_TRUE(WaitReadable(fd_.get()));
    char buffer[70'000];
    sockaddr_storage from;
    socklen_t length = sizeof(from);
    const ssize_t got =
        recvfrom(fd_.get(), buffer, sizeof(buffer), 0, reinterpret_cast<sockaddr*>(&from), &length);
    sendto(fd_.get(), answer.data(), answer.size(), 0, reinterpret_cast<sockaddr*>(&from), length);
    return std::string(buffer, got > 0 ? static_cast<size_t>(got) : 0);
  }

 private:
  const int type_;
  const UniqueFd fd_;
};

// Of a listener; no other test process has it.
std::string UnixName() { return "unix:@sockhost-forward-test-" + std::to_string(getpid()); }

std::string AddressOfNobody() { return Server().address(); }

class ForwardServiceTest : public testing::Test {
 protected:
  explicit ForwardServiceTest(const HostOptions& options = {}) {
    EXPECT_TRUE(host_.DefineService(kForwardService, ServiceKind::kBuiltIn).ok());
    sockhost_service_definition other{};
    other.name = "other";
    other.handler = [](net_socket_service_event*) {};
    EXPECT_TRUE(host_.DefineService(other, ServiceKind::kBuiltIn).ok());
    EXPECT_TRUE(host_.Start(options).ok());
  }

  // Opens listener "fwd" to `upstreams`; returns where it listens.
  SocketAddress Forward(const std::vector<std::string>& upstreams, ForwardOptions options = {},
                        const std::string& address = "tcp://127.0.0.1:0") {
    std::vector<std::shared_ptr<Upstream>> parsed;
    for (const std::string& upstream : upstreams) {
      parsed.push_back(Upstream::Parse(upstream).value());
    }
    auto parameters = std::make_shared<ForwardParameters>();
    upstreams_ = std::make_shared<UpstreamSet>(std::move(parsed), UpstreamPolicy::kRoundRobin);
    parameters->route = std::make_shared<ForwardRoute>(
        upstreams_, options, [this](int error_number) { shortage_ = error_number; });
    ListenerConfig config;
    config.name = "fwd";
    config.service = "forward";
    config.address = SocketAddress::Parse(address).value();
    config.parameters = std::move(parameters);
    return host_.CreateListener(config).value().effective_address;
  }

  // Opens another listener, "other", that a name may lead to; returns its port.
  uint16_t ListenElsewhere(const std::string& address) {
    ListenerConfig config;
    config.name = "other";
    config.service = "other";
    config.address = SocketAddress::Parse(address).value();
    return host_.CreateListener(config).value().effective_address.port();
  }

  // Gives listener "fwd" other options, and leaves its upstreams.
  void Update(const ForwardOptions& options) {
    auto parameters = std::make_shared<ForwardParameters>();
    parameters->route = std::make_shared<ForwardRoute>(upstreams_, options);
    const std::optional<ListenerSnapshot> now = host_.FindListener("fwd");
    ListenerConfig config = *now->config;
    config.parameters = std::move(parameters);
    ASSERT_TRUE(host_.UpdateListener(*now, config).ok());
  }

  int64_t Count(Counter counter) const { return host_.FindListener("fwd")->counters[counter]; }
  testing::AssertionResult SocketsBecome(size_t count) {
    return Becomes([this] { return host_.sockets(); }, Eq(count));
  }

  void Delete(const std::string& listener = "fwd") {
    std::promise<void> done;
    ASSERT_TRUE(host_.DeleteListener(listener, true, [&done] { done.set_value(); }).ok());
    done.get_future().wait();
  }

  // What the service reported last.
  std::atomic<int> shortage_ = 0;
  ServiceHost host_;
  std::shared_ptr<UpstreamSet> upstreams_;
};

std::string Pattern(size_t size) {
  std::string bytes(size, '\0');
  for (size_t i = 0; i < size; ++i) bytes[i] = static_cast<char>(i * 31 + i / 251);
  return bytes;
}

// Sends as much as the other side takes at the moment.
size_t SendSome(int fd, const std::string& bytes, size_t from) {
  const ssize_t sent =
      send(fd, bytes.data() + from, bytes.size() - from, MSG_NOSIGNAL | MSG_DONTWAIT);
  return sent > 0 ? static_cast<size_t>(sent) : 0;
}

// ---- Connections --------------------------------------------------------------------

TEST_F(ForwardServiceTest, BytesPassBothWays) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  SendText(client.get(), "question");
  EXPECT_EQ(ReceiveText(accepted.get(), 8), "question");
  SendText(accepted.get(), "answer");
  EXPECT_EQ(ReceiveText(client.get(), 6), "answer");
  EXPECT_TRUE(Becomes([&] { return Count(Counter::transmit_bytes); }, Eq(14)));
  EXPECT_EQ(Count(Counter::receive_bytes), 14);
  EXPECT_EQ(Count(Counter::active_connections), 1);
}

TEST_F(ForwardServiceTest, UpstreamMaySpeakFirst) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  SendText(accepted.get(), "220 ready");
  EXPECT_EQ(ReceiveText(client.get(), 9), "220 ready");
}

// The service sees some of them with all they will ever say, some before that.
TEST_F(ForwardServiceTest, ClientMaySaySomethingAndEndAtOnce) {
  const Server server;
  const SocketAddress address = Forward({server.address()});
  for (int i = 0; i < 20; ++i) {
    const UniqueFd client = ConnectTo(address);
    SendText(client.get(), "question");
    shutdown(client.get(), SHUT_WR);
    const UniqueFd accepted = server.Accept();
    EXPECT_EQ(ReceiveText(accepted.get(), 100), "question");
    SendText(accepted.get(), "answer");
    shutdown(accepted.get(), SHUT_WR);
    EXPECT_EQ(ReceiveText(client.get(), 100), "answer");
  }
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardServiceTest, SmallMessagesDoNotWaitForEachOther) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  for (int i = 0; i < 2; ++i) {
    SendText(client.get(), "a");
    EXPECT_EQ(ReceiveText(accepted.get(), 1), "a");
    SendText(accepted.get(), "b");
    EXPECT_EQ(ReceiveText(client.get(), 1), "b");
  }
  int streams = 0;
  host_.ForEachSocket([&](SocketSnapshot&& socket) {
    if (socket.role == Role::kListening) return;
    int on = 0;
    socklen_t length = sizeof(on);
    EXPECT_EQ(getsockopt(socket.fd, IPPROTO_TCP, TCP_NODELAY, &on, &length), 0);
    EXPECT_EQ(on, 1);
    ++streams;
  });
  EXPECT_EQ(streams, 2);
}

TEST_F(ForwardServiceTest, EndOfTheClientIsPassedOnAndTheAnswerStillComes) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  SendText(client.get(), "question");
  shutdown(client.get(), SHUT_WR);
  EXPECT_EQ(ReceiveText(accepted.get(), 100), "question");
  SendText(accepted.get(), "answer");
  EXPECT_EQ(ReceiveText(client.get(), 6), "answer");
  EXPECT_EQ(host_.sockets(), 3u);
  shutdown(accepted.get(), SHUT_WR);
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(SocketsBecome(1));
  EXPECT_TRUE(Becomes([&] { return Count(Counter::active_connections); }, Eq(0)));
}

TEST_F(ForwardServiceTest, EndOfTheUpstreamIsPassedOnAndTheClientStillSends) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  SendText(accepted.get(), "greeting");
  shutdown(accepted.get(), SHUT_WR);
  EXPECT_EQ(ReceiveText(client.get(), 100), "greeting");
  SendText(client.get(), "late");
  EXPECT_EQ(ReceiveText(accepted.get(), 4), "late");
  shutdown(client.get(), SHUT_WR);
  EXPECT_TRUE(WaitClosed(accepted.get()));
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardServiceTest, MuchPassesWholeBothWays) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  const std::string bytes = Pattern(8 * 1024 * 1024);
  for (const auto& [from, to] :
       {std::pair(client.get(), accepted.get()), std::pair(accepted.get(), client.get())}) {
    std::thread sender([&, fd = from] {
      for (size_t sent = 0; sent < bytes.size();) {
        pollfd writable{fd, POLLOUT, 0};
        poll(&writable, 1, -1);
        sent += SendSome(fd, bytes, sent);
      }
      shutdown(fd, SHUT_WR);
    });
    const std::string received = ReceiveText(to, bytes.size());
    sender.join();
    EXPECT_TRUE(received == bytes) << received.size() << " bytes, or others";
  }
  EXPECT_TRUE(SocketsBecome(1));
}

// It has no place in what is passed on; what follows it has, and the end.
TEST_F(ForwardServiceTest, UrgentBytesDoNotStopABulkStream) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  const std::string bytes = Pattern(1024 * 1024);
  const std::string tail = "after it";
  for (int round = 1; round <= 8; ++round) {
    std::thread sender([&] {
      for (size_t sent = 0; sent < bytes.size();) {
        pollfd writable{client.get(), POLLOUT, 0};
        poll(&writable, 1, -1);
        sent += SendSome(client.get(), bytes, sent);
      }
      EXPECT_EQ(send(client.get(), "!", 1, MSG_OOB | MSG_NOSIGNAL), 1);
      SendText(client.get(), tail);
      if (round == 8) shutdown(client.get(), SHUT_WR);
    });
    const std::string received = ReceiveText(accepted.get(), bytes.size() + tail.size());
    sender.join();
    ASSERT_TRUE(received == bytes + tail) << "round " << round << ": " << received.size();
  }
  EXPECT_EQ(ReceiveText(accepted.get(), 1), "");
}

// What the client has sent is delivered although both have said their end.
TEST_F(ForwardServiceTest, NothingIsLostWhenBothHaveEndedAndTheUpstreamIsSlow) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  const std::string bytes = Pattern(16 * 1024 * 1024);
  size_t sent = 0;
  // Until everything between the two is full.
  const auto is_full = [&] {
    const int64_t before = Count(Counter::receive_bytes);
    const size_t more = SendSome(client.get(), bytes, sent);
    sent += more;
    const bool is_stuck = Count(Counter::short_writes) + Count(Counter::would_block) > 0;
    return is_stuck && more == 0 && Count(Counter::receive_bytes) == before;
  };
  ASSERT_TRUE(Becomes(is_full, Eq(true)));
  shutdown(accepted.get(), SHUT_WR);
  EXPECT_TRUE(WaitClosed(client.get()));
  shutdown(client.get(), SHUT_WR);
  const std::string received = ReceiveText(accepted.get(), bytes.size());
  EXPECT_GE(received.size(), sent);
  EXPECT_TRUE(received == bytes.substr(0, received.size()));
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardServiceTest, SideThatDoesNotReadStopsTheOther) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  const std::string bytes = Pattern(64 * 1024);
  const auto stuck = [&] {
    SendSome(client.get(), bytes, 0);
    return Count(Counter::short_writes) + Count(Counter::would_block);
  };
  ASSERT_TRUE(Becomes(stuck, Ge(1)));
  EXPECT_LE(Count(Counter::receive_bytes) - Count(Counter::transmit_bytes),
            static_cast<int64_t>(ForwardDirection::kMost));
}

TEST_F(ForwardServiceTest, ResetOfTheClientResetsTheUpstream) {
  const Server server;
  UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  SendText(client.get(), "x");
  ReceiveText(accepted.get(), 1);
  ResetOnClose(client.get());
  client.reset();
  ASSERT_TRUE(WaitReadable(accepted.get()));
  char byte;
  EXPECT_EQ(recv(accepted.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardServiceTest, DeletedListenerClosesBothSides) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  ASSERT_TRUE(SocketsBecome(3));
  Delete();
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_TRUE(WaitClosed(accepted.get()));
  EXPECT_EQ(host_.sockets(), 0u);
}

TEST_F(ForwardServiceTest, StopClosesBothSidesWithBytesStuck) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  const UniqueFd accepted = server.Accept();
  const std::string bytes = Pattern(64 * 1024);
  ASSERT_TRUE(Becomes(
      [&] {
        SendSome(client.get(), bytes, 0);
        return Count(Counter::short_writes) + Count(Counter::would_block);
      },
      Ge(1)));
  host_.Stop();
  EXPECT_EQ(host_.sockets(), 0u);
}

// ---- Upstreams ------------------------------------------------------------------------

TEST_F(ForwardServiceTest, RefusingUpstreamIsPassedOver) {
  const Server server;
  const SocketAddress address = Forward({AddressOfNobody(), server.address()});
  for (int i = 0; i < 3; ++i) {
    const UniqueFd client = ConnectTo(address);
    const UniqueFd accepted = server.Accept();
    SendText(client.get(), "x");
    EXPECT_EQ(ReceiveText(accepted.get(), 1), "x");
  }
  EXPECT_EQ(Count(Counter::connect_failures), 1);
  EXPECT_TRUE(Becomes([&] { return Count(Counter::skipped_upstreams); }, Ge(1)));
}

TEST_F(ForwardServiceTest, ClientIsClosedWhenAllRefuse) {
  const SocketAddress address = Forward({AddressOfNobody(), AddressOfNobody()});
  for (int64_t i = 1; i <= 2; ++i) {
    const UniqueFd client = ConnectTo(address);
    EXPECT_TRUE(WaitClosed(client.get()));
    EXPECT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(2 * i)));
  }
  EXPECT_TRUE(SocketsBecome(1));
}

// One socket for the listener, and one for a client.
class ForwardAtSocketLimitTest : public ForwardServiceTest {
 protected:
  ForwardAtSocketLimitTest() : ForwardServiceTest({.max_sockets = 2}) {}
};

TEST_F(ForwardAtSocketLimitTest, ClientWithoutASocketForItsUpstreamIsResetAndCounted) {
  const Server server;
  const UniqueFd client = ConnectTo(Forward({server.address()}));
  ASSERT_TRUE(WaitReadable(client.get()));
  char byte;
  EXPECT_EQ(recv(client.get(), &byte, 1, 0), -1);
  EXPECT_EQ(errno, ECONNRESET);
  EXPECT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1)));
  EXPECT_EQ(shortage_, ENOSPC);
  EXPECT_EQ(upstreams_->active(0), 0);
}

TEST_F(ForwardServiceTest, UpstreamThatDoesNotAnswerTimesOut) {
  // Its queue is full: the kernel does not answer further connections.
  const Server silent(SOCK_STREAM, 0);
  const SocketAddress silent_address = SocketAddress::Parse(silent.address()).value();
  const UniqueFd first = ConnectTo(silent_address);
  const Server server;
  ForwardOptions options;
  options.connect_timeout = absl::Milliseconds(50);
  const UniqueFd client = ConnectTo(Forward({silent.address(), server.address()}, options));
  const UniqueFd accepted = server.Accept();
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(accepted.get(), 1), "x");
  EXPECT_EQ(Count(Counter::connect_failures), 1);
}

TEST_F(ForwardServiceTest, ClientThatLeavesWhileConnectingIsForgotten) {
  const Server silent(SOCK_STREAM, 0);
  const UniqueFd first = ConnectTo(SocketAddress::Parse(silent.address()).value());
  UniqueFd client = ConnectTo(Forward({silent.address()}));
  ASSERT_TRUE(SocketsBecome(3));
  ResetOnClose(client.get());
  client.reset();
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardServiceTest, WhatAUnixClientSaysBeforeItLeavesIsDelivered) {
  // Its queue is full until the first is accepted.
  const Server busy(SOCK_STREAM, 0);
  const UniqueFd first = ConnectTo(SocketAddress::Parse(busy.address()).value());
  ForwardOptions options;
  options.connect_timeout = absl::Seconds(30);
  UniqueFd client = ConnectTo(Forward({busy.address()}, options, UnixName()));
  ASSERT_TRUE(SocketsBecome(3));
  const int64_t calls = Count(Counter::handler_calls);
  SendText(client.get(), "important");
  client.reset();
  ASSERT_TRUE(Becomes([&] { return Count(Counter::handler_calls); }, Ge(calls + 1)));
  const UniqueFd accepted_first = busy.Accept();
  const UniqueFd accepted = busy.Accept();
  EXPECT_EQ(ReceiveText(accepted.get(), 100), "important");
}

TEST_F(ForwardServiceTest, UnixClientThatLeavesWithoutAWordWhileConnectingIsForgotten) {
  const Server silent(SOCK_STREAM, 0);
  const UniqueFd first = ConnectTo(SocketAddress::Parse(silent.address()).value());
  UniqueFd client = ConnectTo(Forward({silent.address()}, {}, UnixName()));
  ASSERT_TRUE(SocketsBecome(3));
  client.reset();
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardServiceTest, ConnectionWaitsForItsName) {
  const Server server;
  const uint16_t port = SocketAddress::Parse(server.address())->port();
  const SocketAddress address = Forward({"tcp://web.example:" + std::to_string(port)});
  const UniqueFd client = ConnectTo(address);
  SendText(client.get(), "x");
  ASSERT_TRUE(SocketsBecome(2));
  upstreams_->upstreams()[0]->SetAddresses({*SocketAddress::Parse("tcp://127.0.0.1:0")});
  const UniqueFd accepted = server.Accept();
  EXPECT_EQ(ReceiveText(accepted.get(), 1), "x");
}

TEST_F(ForwardServiceTest, ConnectionWaitsForItsNameAfterAnotherUpstreamRefused) {
  const Server server;
  const uint16_t port = SocketAddress::Parse(server.address())->port();
  const UniqueFd client =
      ConnectTo(Forward({AddressOfNobody(), "tcp://web.example:" + std::to_string(port)}));
  SendText(client.get(), "x");
  ASSERT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1)));
  ASSERT_TRUE(SocketsBecome(2));
  upstreams_->upstreams()[1]->SetAddresses({*SocketAddress::Parse("tcp://127.0.0.1:0")});
  const UniqueFd accepted = server.Accept();
  EXPECT_EQ(ReceiveText(accepted.get(), 1), "x");
}

TEST_F(ForwardServiceTest, NameThatLeadsToAListenerOfThisHostIsNotConnectedTo) {
  for (const std::string own : {"tcp://127.0.0.1:0", "tcp://0.0.0.0:0", "tcp://[::]:0"}) {
    const std::string port = std::to_string(ListenElsewhere(own));
    const SocketAddress address = Forward({"tcp://web.example:" + port});
    upstreams_->upstreams()[0]->SetAddresses({*SocketAddress::Parse("tcp://127.0.0.1:0")});
    const UniqueFd client = ConnectTo(address);
    SendText(client.get(), "x");
    EXPECT_EQ(ReceiveText(client.get(), 1), "") << own;
    EXPECT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1))) << own;
    EXPECT_EQ(upstreams_->StatusOf(0, absl::ZeroDuration()).last_problem, kOwnAddress);
    Delete();
    Delete("other");
  }
}

TEST_F(ForwardServiceTest, NameWithAPortOfThisHostThatLeadsElsewhereIsConnectedTo) {
  const Server server;
  const uint16_t port = SocketAddress::Parse(server.address())->port();
  ListenElsewhere("tcp://127.0.0.2:" + std::to_string(port));
  const SocketAddress address = Forward({"tcp://web.example:" + std::to_string(port)});
  upstreams_->upstreams()[0]->SetAddresses({*SocketAddress::Parse("tcp://127.0.0.1:0")});
  const UniqueFd client = ConnectTo(address);
  SendText(client.get(), "x");
  EXPECT_EQ(ReceiveText(server.Accept().get(), 1), "x");
}

TEST_F(ForwardServiceTest, ConnectionToAnUnknownNameIsClosedInTheEnd) {
  ForwardOptions options;
  options.connect_timeout = absl::Milliseconds(50);
  const UniqueFd client = ConnectTo(Forward({"tcp://web.example:80"}, options));
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_EQ(Count(Counter::connect_failures), 1);
}

TEST_F(ForwardServiceTest, NameWithoutAnAddressIsAFailure) {
  const SocketAddress address = Forward({"tcp://none.example:80", "tcp://nobody.example:80"});
  for (const auto& upstream : upstreams_->upstreams()) upstream->SetAddresses({});
  const UniqueFd client = ConnectTo(address);
  EXPECT_TRUE(WaitClosed(client.get()));
  EXPECT_EQ(Count(Counter::connect_failures), 2);
}

TEST_F(ForwardServiceTest, ProxyHeaderComesFirst) {
  const Server server;
  ForwardOptions options;
  options.proxy_protocol = true;
  const UniqueFd client = ConnectTo(Forward({server.address()}, options));
  SendText(client.get(), "x");
  const UniqueFd accepted = server.Accept();
  const std::string received = ReceiveText(accepted.get(), 29);
  ASSERT_EQ(received.size(), 29u);
  EXPECT_EQ(received.substr(0, 12), std::string("\r\n\r\n\0\r\nQUIT\n", 12));
  EXPECT_EQ(received.back(), 'x');
}

// ---- Datagrams -------------------------------------------------------------------------

class ForwardDatagramsTest : public ForwardServiceTest {
 protected:
  static constexpr char kAnyPort[] = "udp://127.0.0.1:0";

  std::string Ask(int client, const Server& server, const std::string& question) {
    SendText(client, question);
    EXPECT_EQ(server.Answer("re: " + question), question);
    EXPECT_TRUE(WaitReadable(client));
    char buffer[70'000];
    const ssize_t got = recv(client, buffer, sizeof(buffer), 0);
    return std::string(buffer, got > 0 ? static_cast<size_t>(got) : 0);
  }
};

TEST_F(ForwardDatagramsTest, EachSourceHasAFlowOfItsOwn) {
  const Server server(SOCK_DGRAM);
  const SocketAddress address = Forward({server.address()}, {}, kAnyPort);
  const UniqueFd first = ConnectTo(address);
  const UniqueFd second = ConnectTo(address);
  EXPECT_EQ(Ask(first.get(), server, "a"), "re: a");
  EXPECT_EQ(Ask(second.get(), server, "b"), "re: b");
  EXPECT_EQ(Ask(first.get(), server, "c"), "re: c");
  EXPECT_EQ(host_.sockets(), 3u);
  EXPECT_EQ(Count(Counter::dropped_messages), 0);
}

TEST_F(ForwardDatagramsTest, EmptyAndLongDatagramsPass) {
  const Server server(SOCK_DGRAM);
  const UniqueFd client = ConnectTo(Forward({server.address()}, {}, kAnyPort));
  EXPECT_EQ(Ask(client.get(), server, ""), "re: ");
  const std::string longest = Pattern(65'000);
  EXPECT_EQ(Ask(client.get(), server, longest), "re: " + longest);
}

TEST_F(ForwardDatagramsTest, AnswersComeFromTheAddressThatWasAsked) {
  const Server server(SOCK_DGRAM);
  const SocketAddress any = Forward({server.address()}, {}, "udp://0.0.0.0:0");
  const std::string port = std::to_string(any.port());
  const UniqueFd client = ConnectTo(SocketAddress::Parse("udp://127.0.0.2:" + port).value());
  // A connected socket takes nothing that comes from elsewhere.
  EXPECT_EQ(Ask(client.get(), server, "a"), "re: a");
}

// One source asks several of our addresses from the same port: each answer that comes before
// the next question is from the one that was asked.
TEST_F(ForwardDatagramsTest, AnswersComeFromTheAddressThatWasAskedLast) {
  const Server server(SOCK_DGRAM);
  for (const std::string listening : {"udp://0.0.0.0:0", "udp://[::]:0"}) {
    SCOPED_TRACE(listening);
    const uint16_t port = Forward({server.address()}, {}, listening).port();
    const UniqueFd client = BoundUdp();
    for (const std::string host : {"127.0.0.2", "127.0.0.3", "127.0.0.2"}) {
      const SocketAddress asked =
          SocketAddress::Parse(absl::StrCat("udp://", host, ":", port)).value();
      sockaddr_storage to;
      const socklen_t length = asked.ToSockaddr(to);
      sendto(client.get(), "x", 1, 0, reinterpret_cast<sockaddr*>(&to), length);
      EXPECT_EQ(server.Answer("y"), "x");
      EXPECT_TRUE(WaitReadable(client.get()));
      sockaddr_storage from{};
      socklen_t from_length = sizeof(from);
      char byte;
      recvfrom(client.get(), &byte, 1, 0, reinterpret_cast<sockaddr*>(&from), &from_length);
      EXPECT_EQ(SocketAddress::From(Protocol::kUdp, reinterpret_cast<sockaddr*>(&from), from_length)
                    .ToString(),
                asked.ToString());
    }
    Delete();
  }
}

TEST_F(ForwardDatagramsTest, ShorterIdleTimeoutHoldsForTheNextFlow) {
  const Server server(SOCK_DGRAM);
  ForwardOptions options;
  options.flow_idle_timeout = absl::Hours(1);
  const UniqueFd client = ConnectTo(Forward({server.address()}, options, kAnyPort));
  EXPECT_EQ(Ask(client.get(), server, "a"), "re: a");
  options.flow_idle_timeout = absl::Milliseconds(20);
  Update(options);
  SendText(client.get(), "b");
  EXPECT_EQ(server.Answer("re: b"), "b");
  EXPECT_TRUE(SocketsBecome(1));
}

TEST_F(ForwardDatagramsTest, FlowFromBeforeAnUpdateEndsWithTheNextAnswer) {
  const Server server(SOCK_DGRAM);
  const UniqueFd client = ConnectTo(Forward({server.address()}, {}, kAnyPort));
  SendText(client.get(), "a");
  EXPECT_TRUE(WaitReadable(server.fd()));
  ForwardOptions options;
  options.max_flows = 7;
  Update(options);
  EXPECT_EQ(server.Answer("late"), "a");
  EXPECT_TRUE(SocketsBecome(1));
  EXPECT_EQ(Ask(client.get(), server, "b"), "re: b");
}

TEST_F(ForwardDatagramsTest, IdleFlowEnds) {
  const Server server(SOCK_DGRAM);
  ForwardOptions options;
  options.flow_idle_timeout = absl::Milliseconds(20);
  const UniqueFd client = ConnectTo(Forward({server.address()}, options, kAnyPort));
  SendText(client.get(), "a");
  ASSERT_TRUE(Becomes([&] { return Count(Counter::transmit_messages); }, Eq(1)));
  EXPECT_TRUE(SocketsBecome(1));
  EXPECT_EQ(server.Answer("late"), "a");
  SendText(client.get(), "b");
  EXPECT_EQ(server.Answer("re: b"), "b");
  EXPECT_EQ(ReceiveText(client.get(), 5), "re: b");
}

TEST_F(ForwardDatagramsTest, FullTableEndsTheLeastRecentlyUsedFlow) {
  const Server server(SOCK_DGRAM);
  ForwardOptions options;
  options.max_flows = 2;
  const SocketAddress address = Forward({server.address()}, options, kAnyPort);
  const UniqueFd old = ConnectTo(address);
  const UniqueFd used = ConnectTo(address);
  const UniqueFd fresh = ConnectTo(address);
  EXPECT_EQ(Ask(used.get(), server, "a"), "re: a");
  EXPECT_EQ(Ask(old.get(), server, "b"), "re: b");
  EXPECT_EQ(Ask(used.get(), server, "c"), "re: c");
  const SocketSnapshot flow_of_used = [&] {
    std::optional<SocketSnapshot> best;
    host_.ForEachSocket([&](SocketSnapshot&& socket) {
      if (socket.role == Role::kUpstream && (!best || socket.id < best->id)) best = socket;
    });
    return *best;
  }();
  EXPECT_EQ(Ask(fresh.get(), server, "d"), "re: d");
  EXPECT_TRUE(SocketsBecome(3));
  EXPECT_TRUE(host_.FindSocket(flow_of_used.id).has_value());
}

TEST_F(ForwardDatagramsTest, SourceAtItsCapIsDropped) {
  const Server server(SOCK_DGRAM);
  ForwardOptions options;
  options.max_flows_per_source = 1;
  const SocketAddress address = Forward({server.address()}, options, kAnyPort);
  const UniqueFd first = ConnectTo(address);
  const UniqueFd second = ConnectTo(address);
  EXPECT_EQ(Ask(first.get(), server, "a"), "re: a");
  SendText(second.get(), "b");
  EXPECT_TRUE(Becomes([&] { return Count(Counter::dropped_messages); }, Eq(1)));
  EXPECT_EQ(Count(Counter::dropped_over_flows), 1);
  EXPECT_EQ(host_.sockets(), 2u);
  EXPECT_EQ(Ask(first.get(), server, "c"), "re: c");
}

TEST_F(ForwardDatagramsTest, RefusingUpstreamIsPassedOverByTheNextFlow) {
  const std::string nobody = Server(SOCK_DGRAM).address();
  const Server server(SOCK_DGRAM);
  const UniqueFd client = ConnectTo(Forward({nobody, server.address()}, {}, kAnyPort));
  SendText(client.get(), "lost");
  ASSERT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1)));
  EXPECT_EQ(Ask(client.get(), server, "a"), "re: a");
}

// As with `localhost`, whose first address is mostly ::1.
TEST_F(ForwardDatagramsTest, RefusingAddressOfANameIsPassedOverByTheNextFlow) {
  const Server server(SOCK_DGRAM);
  const SocketAddress at = SocketAddress::Parse(server.address()).value();
  const SocketAddress address =
      Forward({absl::StrCat("udp://name.example:", at.port())}, {}, kAnyPort);
  upstreams_->upstreams()[0]->SetAddresses({*SocketAddress::Parse("tcp://127.0.0.9:0"), at});
  const UniqueFd client = ConnectTo(address);
  SendText(client.get(), "lost");
  ASSERT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1)));
  for (int i = 0; i < 3; ++i) {
    const UniqueFd other = ConnectTo(address);
    EXPECT_EQ(Ask(other.get(), server, "a"), "re: a");
  }
  EXPECT_EQ(Count(Counter::connect_failures), 1);
}

TEST_F(ForwardDatagramsTest, NameWithoutAnAddressIsAFailure) {
  const SocketAddress address = Forward({"udp://none.example:53"}, {}, kAnyPort);
  upstreams_->upstreams()[0]->SetAddresses({});
  const UniqueFd client = ConnectTo(address);
  SendText(client.get(), "lost");
  EXPECT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1)));
  EXPECT_TRUE(Becomes([&] { return Count(Counter::dropped_messages); }, Eq(1)));
  EXPECT_EQ(Count(Counter::dropped_over_flows), 0);
}

TEST_F(ForwardDatagramsTest, NameThatLeadsToAListenerOfThisHostIsNotSentTo) {
  const std::string port = std::to_string(ListenElsewhere("udp://127.0.0.1:0"));
  const SocketAddress address = Forward({"udp://dns.example:" + port}, {}, kAnyPort);
  upstreams_->upstreams()[0]->SetAddresses({*SocketAddress::Parse("udp://127.0.0.1:0")});
  const UniqueFd client = ConnectTo(address);
  SendText(client.get(), "lost");
  EXPECT_TRUE(Becomes([&] { return Count(Counter::connect_failures); }, Eq(1)));
  EXPECT_TRUE(Becomes([&] { return Count(Counter::dropped_messages); }, Eq(1)));
}

TEST_F(ForwardDatagramsTest, DeletedListenerClosesItsFlows) {
  const Server server(SOCK_DGRAM);
  const UniqueFd client = ConnectTo(Forward({server.address()}, {}, kAnyPort));
  EXPECT_EQ(Ask(client.get(), server, "a"), "re: a");
  Delete();
  EXPECT_EQ(host_.sockets(), 0u);
}

TEST_F(ForwardDatagramsTest, ListenerThatStopsClosesItsFlows) {
  const Server server(SOCK_DGRAM);
  const UniqueFd client = ConnectTo(Forward({server.address()}, {}, kAnyPort));
  EXPECT_EQ(Ask(client.get(), server, "a"), "re: a");
  host_.StopAccepting(absl::Hours(1));
  EXPECT_TRUE(SocketsBecome(0));
}

}  // namespace
}  // namespace sockhost
