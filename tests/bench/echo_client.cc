#include "tests/bench/echo_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/epoll.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "service_core/monotonic_clock.h"

namespace sockhost {
namespace {

constexpr size_t kReadSize = 256 * 1024;
constexpr size_t kMostDatagrams = 64;
// A datagram that has not come back over loopback by then was dropped.
constexpr int64_t kLostAfterNanos = 200'000'000;

[[noreturn]] void Die(const char* what) {
  std::perror(what);
  std::exit(1);
}

char read_buffer[kReadSize];

sockaddr_in Loopback(uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

std::vector<char> MakePayload(const LoadOptions& options) {
  std::vector<char> payload(options.size * static_cast<size_t>(options.in_flight));
  for (size_t i = 0; i < payload.size(); ++i) payload[i] = static_cast<char>(i % options.size);
  return payload;
}

// A stream with `in_flight` messages under way; what comes back in one read is
// sent again in one write.
class StreamClient : public EchoClient {
 public:
  explicit StreamClient(LoadContext& context)
      : EchoClient(context), sent_at_(static_cast<size_t>(context.options.in_flight)) {}

  void Start() override {
    Connect(SOCK_STREAM);
    Send(sent_at_.size(), MonotonicNanos());
  }

  void Continue(uint32_t events, int64_t now) override {
    if (events & EPOLLOUT) return SendRest();
    const ssize_t received = recv(fd_.get(), read_buffer, sizeof(read_buffer), MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) Die("the server ended a connection");
    const size_t size = context_.options.size;
    if (read_buffer[0] != context_.payload[partial_]) Die("the answer differs");
    const size_t bytes = partial_ + static_cast<size_t>(received);
    partial_ = bytes % size;
    for (size_t i = 0; i < bytes / size; ++i) {
      context_.result.latency.Add(now - sent_at_[oldest_]);
      oldest_ = (oldest_ + 1) % sent_at_.size();
    }
    Send(bytes / size, now);
  }

 private:
  void Send(size_t messages, int64_t now) {
    for (size_t i = 0; i < messages; ++i) {
      sent_at_[next_] = now;
      next_ = (next_ + 1) % sent_at_.size();
    }
    unsent_ += messages * context_.options.size;
    if (unsent_ > 0 && !blocked_) SendRest();
  }

  void SendRest() {
    const size_t offset = context_.payload.size() - unsent_;
    const ssize_t sent =
        send(fd_.get(), context_.payload.data() + offset, unsent_, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) Die("send");
    unsent_ -= static_cast<size_t>(std::max<ssize_t>(sent, 0));
    const bool blocks = unsent_ > 0;
    if (blocks == blocked_) return;
    blocked_ = blocks;
    epoll_event event{};
    event.events = blocks ? EPOLLIN | EPOLLOUT : EPOLLIN;
    event.data.ptr = this;
    if (epoll_ctl(context_.epoll.get(), EPOLL_CTL_MOD, fd_.get(), &event) != 0) Die("epoll_ctl");
  }

  // When each message under way was sent, a ring.
  std::vector<int64_t> sent_at_;
  size_t oldest_ = 0;
  size_t next_ = 0;
  size_t partial_ = 0;
  size_t unsent_ = 0;
  bool blocked_ = false;
};

// Datagrams that carry the time at which they were sent.
class DatagramClient : public EchoClient {
 public:
  explicit DatagramClient(LoadContext& context)
      : EchoClient(context), bytes_(kMostDatagrams * context.options.size) {
    for (size_t i = 0; i < kMostDatagrams; ++i) {
      parts_[i] = {bytes_.data() + i * context.options.size, context.options.size};
      headers_[i] = {};
      headers_[i].msg_hdr.msg_iov = &parts_[i];
      headers_[i].msg_hdr.msg_iovlen = 1;
    }
  }

  void Start() override {
    Connect(SOCK_DGRAM);
    last_answer_ = MonotonicNanos();
    Send(static_cast<unsigned>(context_.options.in_flight), last_answer_);
  }

  void Continue(uint32_t, int64_t now) override {
    const int received =
        recvmmsg(fd_.get(), headers_.data(), kMostDatagrams, MSG_DONTWAIT, nullptr);
    if (received < 0 && errno != EAGAIN) Die("recvmmsg");
    if (received <= 0) return;
    for (int i = 0; i < received; ++i) {
      int64_t sent_at = 0;
      std::memcpy(&sent_at, parts_[static_cast<size_t>(i)].iov_base, sizeof(sent_at));
      context_.result.latency.Add(now - sent_at);
    }
    last_answer_ = now;
    under_way_ -= received;
    // An answer that was taken for lost may come all the same.
    Send(static_cast<unsigned>(std::max(context_.options.in_flight - under_way_, 0)), now);
  }

  void Check(int64_t now) override {
    if (now - last_answer_ < kLostAfterNanos) return;
    context_.result.lost += under_way_;
    under_way_ = 0;
    last_answer_ = now;
    Send(static_cast<unsigned>(context_.options.in_flight), now);
  }

 private:
  void Send(unsigned count, int64_t now) {
    for (unsigned i = 0; i < count; ++i) std::memcpy(parts_[i].iov_base, &now, sizeof(now));
    const int sent = sendmmsg(fd_.get(), headers_.data(), count, MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) Die("sendmmsg");
    under_way_ += std::max(sent, 0);
  }

  std::vector<char> bytes_;
  std::array<iovec, kMostDatagrams> parts_{};
  std::array<mmsghdr, kMostDatagrams> headers_{};
  int under_way_ = 0;
  int64_t last_answer_ = 0;
};

// Connects, exchanges one message, closes, and again.
class ChurnClient : public EchoClient {
 public:
  using EchoClient::EchoClient;

  void Start() override {
    started_ = MonotonicNanos();
    received_ = 0;
    ConnectFromNextAddress();
    const auto size = static_cast<ssize_t>(context_.options.size);
    if (send(fd_.get(), context_.payload.data(), context_.options.size, MSG_NOSIGNAL) != size) {
      Die("send");
    }
  }

  void Continue(uint32_t, int64_t now) override {
    const ssize_t received = recv(fd_.get(), read_buffer, sizeof(read_buffer), MSG_DONTWAIT);
    if (received < 0 && errno == EAGAIN) return;
    if (received <= 0) {
      ++context_.result.failed;
    } else {
      received_ += static_cast<size_t>(received);
      if (received_ < context_.options.size) return;
      context_.result.latency.Add(now - started_);
    }
    Start();
  }

 private:
  int64_t started_ = 0;
  size_t received_ = 0;
};

}  // namespace

LoadContext::LoadContext(const LoadOptions& given)
    : options(given),
      address(Loopback(given.port)),
      payload(MakePayload(given)),
      epoll(epoll_create1(EPOLL_CLOEXEC)) {
  if (!epoll.valid()) Die("epoll_create1");
}

std::unique_ptr<EchoClient> EchoClient::New(LoadContext& context) {
  if (context.options.kind == "udp") return std::make_unique<DatagramClient>(context);
  if (context.options.kind == "churn") return std::make_unique<ChurnClient>(context);
  return std::make_unique<StreamClient>(context);
}

void EchoClient::Connect(int type) {
  fd_.reset(socket(AF_INET, type | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) Die("socket");
  FinishConnect();
}

void EchoClient::ConnectFromNextAddress() {
  constexpr uint32_t kFirst = 0x7f010001;  // 127.1.0.1
  constexpr uint32_t kMany = 60'000;
  fd_.reset(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (!fd_.valid()) Die("socket");
  const int on = 1;
  if (setsockopt(fd_.get(), IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof(on)) != 0) {
    Die("setsockopt");
  }
  sockaddr_in source = Loopback(0);
  source.sin_addr.s_addr = htonl(kFirst + context_.sources++ % kMany);
  if (bind(fd_.get(), reinterpret_cast<const sockaddr*>(&source), sizeof(source)) != 0) Die("bind");
  FinishConnect();
}

void EchoClient::FinishConnect() {
  // Blocking for the connect, which over loopback waits for no other process.
  const auto* address = reinterpret_cast<const sockaddr*>(&context_.address);
  if (connect(fd_.get(), address, sizeof(context_.address)) != 0) Die("connect");
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.ptr = this;
  if (epoll_ctl(context_.epoll.get(), EPOLL_CTL_ADD, fd_.get(), &event) != 0) Die("epoll_ctl");
}

}  // namespace sockhost
