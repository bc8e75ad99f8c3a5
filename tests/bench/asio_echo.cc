// The echo server of minimal_epoll_echo on Asio, in the form of Asio's own
// examples: a session reads some and writes all of it, each with 64 KiB.
//
// usage: asio_echo; prints its port and runs until it is killed.
#include <sys/resource.h>

#include <asio.hpp>
#include <cstdio>
#include <memory>
#include <utility>

namespace {

using asio::ip::tcp;
using asio::ip::udp;

constexpr size_t kBufferSize = 64 * 1024;

class Session : public std::enable_shared_from_this<Session> {
 public:
  explicit Session(tcp::socket socket)
      : socket_(std::move(socket)), buffer_(std::make_unique_for_overwrite<char[]>(kBufferSize)) {}

  void Read() {
    socket_.async_read_some(asio::buffer(buffer_.get(), kBufferSize),
                            [self = shared_from_this()](std::error_code error, size_t size) {
                              if (!error) self->Write(size);
                            });
  }

 private:
  void Write(size_t size) {
    asio::async_write(socket_, asio::buffer(buffer_.get(), size),
                      [self = shared_from_this()](std::error_code error, size_t) {
                        if (!error) self->Read();
                      });
  }

  tcp::socket socket_;
  // Not written before it is read into: an idle connection has no page of it.
  const std::unique_ptr<char[]> buffer_;
};

class Acceptor {
 public:
  explicit Acceptor(asio::io_context& context)
      : acceptor_(context, {asio::ip::address_v4::loopback(), 0}) {
    acceptor_.listen(asio::socket_base::max_listen_connections);
    Accept();
  }

  uint16_t port() const { return acceptor_.local_endpoint().port(); }

 private:
  void Accept() {
    acceptor_.async_accept([this](std::error_code error, tcp::socket socket) {
      if (!error) std::make_shared<Session>(std::move(socket))->Read();
      Accept();
    });
  }

  tcp::acceptor acceptor_;
};

class Datagrams {
 public:
  Datagrams(asio::io_context& context, uint16_t port)
      : socket_(context, {asio::ip::address_v4::loopback(), port}),
        buffer_(std::make_unique<char[]>(kBufferSize)) {
    Receive();
  }

 private:
  void Receive() {
    socket_.async_receive_from(asio::buffer(buffer_.get(), kBufferSize), peer_,
                               [this](std::error_code error, size_t size) {
                                 if (error) return Receive();
                                 Send(size);
                               });
  }

  void Send(size_t size) {
    socket_.async_send_to(asio::buffer(buffer_.get(), size), peer_,
                          [this](std::error_code, size_t) { Receive(); });
  }

  udp::socket socket_;
  udp::endpoint peer_;
  const std::unique_ptr<char[]> buffer_;
};

}  // namespace

int main() {
  rlimit limit{};
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  // One thread: Asio leaves its locks out.
  asio::io_context context(1);
  const Acceptor acceptor(context);
  const Datagrams datagrams(context, acceptor.port());
  std::printf("%u\n", acceptor.port());
  std::fflush(stdout);
  context.run();
}
