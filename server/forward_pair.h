// A forwarded connection: a client, and the upstream that serves it.
#ifndef SOCKHOST_SERVER_FORWARD_PAIR_H_
#define SOCKHOST_SERVER_FORWARD_PAIR_H_

#include <memory>
#include <optional>

#include "forward_direction.h"
#include "forward_route.h"
#include "forward_socket.h"
#include "own_sources.h"

namespace sockhost {

//               an address answers               both have ended
//   connecting --------------------> forwarding ------------------> gone
//       |  ^ |                           |                            ^
//       +--+ | all addresses failed,     | a connection failed, or    |
//  the next  | or the client is gone     | was closed by the host     |
//            +---------------------------+----------------------------+
//
// The end that one side says is passed on to the other (half-close); the pair
// closes when both have ended and everything is delivered. When a connection fails, or the
// host closes it, the other one is reset, so that its peer does not take what it has for all.
//
// Life: owns itself; ends when both sockets are gone. Thread rule: the service
// thread.
class ForwardPair final : public ConnectWaiter {
 public:
  // A client has connected: looks for an upstream. A client that is this host itself
  // is reset, and counted as a failure.
  static void Begin(int client_fd, std::shared_ptr<ForwardRoute> route);

  ForwardPair(const ForwardPair&) = delete;
  ForwardPair& operator=(const ForwardPair&) = delete;

  void OnConnectTimeout() override;
  void OnMaybeResolved() override;

 private:
  class End final : public ForwardSocket {
   public:
    explicit End(ForwardPair& pair) : pair_(pair) {}
    void OnReady(short events) override { pair_.OnReady(*this, events); }
    void OnGone() override {
      fd = -1;
      pair_.Cut();
    }

    int fd = -1;
    // What the socket is polled for.
    short events = 0;
    bool has_ended = false;
    // What comes from here.
    ForwardDirection direction;

   private:
    ForwardPair& pair_;
  };

  ForwardPair(int client_fd, std::shared_ptr<ForwardRoute> route);
  ~ForwardPair() = default;

  End& Other(const End& end) { return &end == &client_ ? upstream_ : client_; }

  // Connecting.
  void TryNext();
  std::optional<SocketAddress> NextAddress();
  bool TryAddress(const SocketAddress& address);
  void GiveUpAttempt(int problem);
  void LeaveQueue();
  void OnConnecting(const End& end, short events);
  void BeginForwarding();
  bool SendProxyHeader();

  // Forwarding.
  void OnReady(End& end, short events);
  // What comes from `from` has made progress. False if the pair has gone.
  bool Note(ForwardDirection::Progress progress, End& from);
  bool PassEndOn(End& from);
  void Poll(End& end);
  static void SetEvents(End& end, short events);

  // There is no upstream for the client.
  void CloseUnserved();
  // There is no socket for its upstream: resets it.
  void ResetUnserved(int error_number);
  // One connection has failed: resets both.
  void Fail(const End& failed);
  // The host has closed one, or is about to: resets the other.
  void Cut();
  void Reset(CloseReason of_client, CloseReason of_upstream);
  void Close(CloseReason of_client, CloseReason of_upstream);

  const std::shared_ptr<ForwardRoute> route_;
  UpstreamChoice choice_;
  std::optional<ConnectQueue::Place> place_;
  OwnSources::Source source_;
  bool is_connecting_ = true;
  End client_{*this};
  End upstream_{*this};
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_PAIR_H_
