// Forwarded datagrams: each source has a flow with a socket of its own.
#ifndef SOCKHOST_SERVER_FORWARD_FLOWS_H_
#define SOCKHOST_SERVER_FORWARD_FLOWS_H_

#include <netinet/in.h>

#include <cstddef>
#include <list>
#include <memory>
#include <optional>
#include <unordered_map>

#include "absl/hash/hash.h"
#include "absl/time/time.h"
#include "flow_batch.h"
#include "forward_route.h"
#include "forward_socket.h"
#include "own_sources.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {

// The flows of one datagram listener. A flow begins with the first datagram of a
// source (address and port), chooses an upstream, and ends when nothing has passed
// for the idle timeout, when the upstream refuses, or when the table is full and it
// is the least recently used one. A source host at its cap begins no further flow:
// what it sends is dropped and counted. The end of a flow needs no memory.
//
// Life: owns itself; ends with the listener's socket. Thread rule: the service
// thread.
class ForwardFlows final : public ForwardSocket {
 public:
  // `fd`, a listener's datagram socket, is ready for the first time.
  static void Begin(int fd, std::shared_ptr<ForwardRoute> route);

  ForwardFlows(const ForwardFlows&) = delete;
  ForwardFlows& operator=(const ForwardFlows&) = delete;

  void OnReady(short events) override;
  void OnGone() override;

 private:
  class Flow final : public ForwardSocket {
   public:
    Flow(ForwardFlows& flows, const FlowPeer& peer)
        : peer(peer), choice(flows.route_->upstreams), flows_(flows) {}
    void OnReady(short) override { flows_.Answer(*this); }
    void OnGone() override;

    // As it asked last.
    FlowPeer peer;
    UpstreamChoice choice;
    OwnSources::Source source;
    std::list<Flow>::iterator place;
    int fd = -1;
    bool has_ended = false;
    bool is_confirmed = false;
    absl::Duration last_use;

   private:
    ForwardFlows& flows_;
  };

  ForwardFlows(int fd, std::shared_ptr<ForwardRoute> route);
  ~ForwardFlows() = default;

  bool UseRouteOfListener();
  // The flow of a source; nullptr if there is none and none can begin: `why_not` is set where
  // that has a reason of its own.
  Flow* Find(const FlowPeer& peer, sockhost_drop_reason& why_not);
  Flow* BeginFlow(const FlowPeer& peer);
  Flow& Enter(const FlowPeer& peer);
  std::optional<SocketAddress> NextAddress(Flow& flow);
  bool Connect(Flow& flow);
  void Touch(Flow& flow);
  void Send(Flow& flow, size_t first, size_t count);
  void Answer(Flow& flow);
  void UpstreamFailed(Flow& flow, int error_number);

  void SetTimer();
  void Expire();
  void End(Flow& flow, CloseReason reason);
  void EndAll();
  void DeleteIfOver();

  int fd_;
  std::shared_ptr<ForwardRoute> route_;
  // Least recently used first.
  std::list<Flow> flows_;
  // Another thread is just removing their sockets.
  std::list<Flow> dying_;
  // Abseil's tables are broken when they cannot grow.
  template <class Key, class Value>
  using Map = std::unordered_map<Key, Value, absl::Hash<Key>>;
  Map<FlowPeer::SourceKey, Flow*> by_source_;
  Map<FlowPeer::HostKey, size_t> flows_of_host_;
  // When the timer that counts is over; one set for an earlier route does not.
  absl::Duration timer_at_ = absl::InfiniteDuration();
  // Timers see by it that the table has gone.
  std::shared_ptr<ForwardFlows*> self_ = std::make_shared<ForwardFlows*>(this);
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_FORWARD_FLOWS_H_
