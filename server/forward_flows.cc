#include "forward_flows.h"

#include <poll.h>
#include <sys/socket.h>

#include <cerrno>
#include <new>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "forward_loop.h"
#include "sockhost/service_timer.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

// An ICMP answer to an earlier datagram, or no way to the host.
bool IsUpstreamsFault(int error_number) {
  return error_number == ECONNREFUSED || error_number == EHOSTUNREACH ||
         error_number == ENETUNREACH || error_number == EHOSTDOWN;
}

}  // namespace

void ForwardFlows::Begin(int fd, std::shared_ptr<ForwardRoute> route) {
  auto* flows = new ForwardFlows(fd, std::move(route));
  ForwardSocket* const socket = flows;
  if (sockhost_socket_set_user_data(fd, socket) != 0) {
    // Another thread is just removing the socket.
    delete flows;
    return;
  }
  FlowBatch::WantLocalAddress(fd);
  flows->OnReady(POLLIN);
}

ForwardFlows::ForwardFlows(int fd, std::shared_ptr<ForwardRoute> route)
    : fd_(fd), route_(std::move(route)) {}

void ForwardFlows::OnReady(short) {
  UseRouteOfListener();
  FlowBatch& batch = FlowBatch::OfServiceThread();
  const int received = batch.Receive(fd_);
  // An error is that of an answer sent before: counted, and no concern of others.
  const size_t count = received > 0 ? static_cast<size_t>(received) : 0;
  size_t next = 0;
  for (size_t first = 0; first < count; first = next) {
    next = first + 1;
    while (next < count && batch.IsFromSamePeer(first, next)) ++next;
    // The last of them says to which address answers belong now.
    sockhost_drop_reason why_not = SOCKHOST_DROP_OTHER;
    Flow* const flow = Find(batch.Peer(next - 1), why_not);
    if (flow) {
      Send(*flow, first, next - first);
    } else {
      sockhost_socket_count_dropped(fd_, next - first, why_not);
    }
  }
}

// True after an update of the listener: flows by the old route have ended.
bool ForwardFlows::UseRouteOfListener() {
  const auto* parameters = dynamic_cast<const ForwardParameters*>(ParametersOf(fd_));
  if (!parameters || parameters->route == route_) return false;
  EndAll();
  route_ = parameters->route;
  timer_at_ = absl::InfiniteDuration();
  return true;
}

// ---- Flows ---------------------------------------------------------------------------

ForwardFlows::Flow* ForwardFlows::Find(const FlowPeer& peer, sockhost_drop_reason& why_not) {
  const auto found = by_source_.find(peer.Source());
  if (found != by_source_.end()) {
    found->second->peer = peer;
    return found->second;
  }
  if (OwnSources::OfServiceThread().IsSender(peer.address)) return nullptr;
  const auto of_host = flows_of_host_.find(peer.Host());
  if (of_host != flows_of_host_.end() && of_host->second >= route_->options.max_flows_per_source) {
    why_not = SOCKHOST_DROP_FLOWS;
    return nullptr;
  }
  if (flows_.size() >= route_->options.max_flows)
    End(flows_.front(), CloseReason::kClosedByService);
  return BeginFlow(peer);
}

ForwardFlows::Flow* ForwardFlows::BeginFlow(const FlowPeer& peer) {
  Flow* flow = nullptr;
  try {
    flow = &Enter(peer);
    SetTimer();
    if (Connect(*flow)) {
      flow->choice.Arrive();
      sockhost_socket_count_skipped(fd_, static_cast<size_t>(flow->choice.skipped()));
      return flow;
    }
  } catch (const std::bad_alloc&) {
    // Dropped, as without an upstream.
  }
  if (flow) End(*flow, CloseReason::kClosedByService);
  return nullptr;
}

// All that needs memory, or, without it, nothing.
ForwardFlows::Flow& ForwardFlows::Enter(const FlowPeer& peer) {
  std::list<Flow> entering;
  Flow& flow = entering.emplace_back(*this, peer);
  flow.place = entering.begin();
  flow.last_use = ServiceClock();
  const auto by_source = by_source_.emplace(peer.Source(), &flow).first;
  absl::Cleanup undo = [&] { by_source_.erase(by_source); };
  ++flows_of_host_[peer.Host()];
  std::move(undo).Cancel();
  flows_.splice(flows_.end(), entering);
  return flow;
}

// A name without an address is an upstream that fails like one that refuses.
std::optional<SocketAddress> ForwardFlows::NextAddress(Flow& flow) {
  const std::optional<SocketAddress> address = flow.choice.Next(ServiceClock());
  for (int i = flow.choice.TakeUnknown(); i > 0; --i) sockhost_socket_count_connect_failure(fd_);
  return address;
}

bool ForwardFlows::Connect(Flow& flow) {
  while (const std::optional<SocketAddress> address = NextAddress(flow)) {
    if (LeadsToThisHost(*address)) {
      flow.choice.NoteProblem(kOwnAddress);
      sockhost_socket_count_connect_failure(fd_);
      continue;
    }
    sockaddr_storage storage;
    const socklen_t length = address->ToSockaddr(storage);
    flow.fd = sockhost_socket_connect(fd_, SOCK_DGRAM, reinterpret_cast<sockaddr*>(&storage),
                                      length, POLLIN, static_cast<ForwardSocket*>(&flow));
    if (flow.fd >= 0) {
      flow.source = OwnSources::OfServiceThread().Add(flow.fd, *address);
      return true;
    }
    const bool has_no_way =
        -flow.fd == EAFNOSUPPORT || (-flow.fd == EADDRNOTAVAIL && address->family() == AF_INET6);
    // Else the reason is here: no fd, no memory.
    if (!has_no_way && !IsUpstreamsFault(-flow.fd)) return false;
    flow.choice.NoteProblem(-flow.fd);
    sockhost_socket_count_connect_failure(fd_);
  }
  return false;
}

void ForwardFlows::Touch(Flow& flow) {
  flow.last_use = ServiceClock();
  flows_.splice(flows_.end(), flows_, flow.place);
}

void ForwardFlows::Send(Flow& flow, size_t first, size_t count) {
  Touch(flow);
  const int error = FlowBatch::OfServiceThread().Send(flow.fd, first, count, nullptr, fd_);
  if (IsUpstreamsFault(error)) UpstreamFailed(flow, error);
}

void ForwardFlows::Answer(Flow& flow) {
  if (UseRouteOfListener()) return;
  FlowBatch& batch = FlowBatch::OfServiceThread();
  const int received = batch.Receive(flow.fd);
  if (received <= 0) {
    if (IsUpstreamsFault(-received)) UpstreamFailed(flow, -received);
    return;
  }
  if (!flow.is_confirmed) flow.choice.Confirm(ServiceClock());
  flow.is_confirmed = true;
  Touch(flow);
  batch.Send(fd_, 0, static_cast<size_t>(received), &flow.peer, fd_);
}

void ForwardFlows::UpstreamFailed(Flow& flow, int error_number) {
  sockhost_socket_count_connect_failure(fd_);
  flow.choice.Fail(ServiceClock(), error_number);
  End(flow, CloseReason::kFailed);
}

// ---- The end --------------------------------------------------------------------------

void ForwardFlows::SetTimer() {
  if (timer_at_ != absl::InfiniteDuration() || flows_.empty()) return;
  const absl::Duration over = flows_.front().last_use + route_->options.flow_idle_timeout;
  RunAfter(over - ServiceClock(), [table = std::weak_ptr<ForwardFlows*>(self_)] {
    if (const auto self = table.lock()) (*self)->Expire();
  });
  timer_at_ = over;
}

void ForwardFlows::Expire() {
  if (ServiceClock() < timer_at_) return;
  timer_at_ = absl::InfiniteDuration();
  const absl::Duration unused_since = ServiceClock() - route_->options.flow_idle_timeout;
  while (!flows_.empty() && flows_.front().last_use <= unused_since) {
    End(flows_.front(), CloseReason::kIdleTimeout);
  }
  try {
    SetTimer();
  } catch (const std::bad_alloc&) {
    // Nothing would end them later.
    EndAll();
  }
}

void ForwardFlows::End(Flow& flow, CloseReason reason) {
  flow.has_ended = true;
  by_source_.erase(flow.peer.Source());
  OwnSources::OfServiceThread().Remove(flow.source);
  const auto of_host = flows_of_host_.find(flow.peer.Host());
  if (--of_host->second == 0) flows_of_host_.erase(of_host);
  if (flow.fd < 0 || CloseForwardSocket(flow.fd, reason)) {
    flows_.erase(flow.place);
  } else {
    dying_.splice(dying_.end(), flows_, flow.place);
  }
}

void ForwardFlows::EndAll() {
  while (!flows_.empty()) End(flows_.front(), CloseReason::kClosedByService);
}

void ForwardFlows::Flow::OnGone() {
  // A copy: this ends here.
  ForwardFlows& flows = flows_;
  fd = -1;
  if (has_ended) {
    flows.dying_.erase(place);
  } else {
    flows.End(*this, CloseReason::kNone);
  }
  flows.DeleteIfOver();
}

void ForwardFlows::OnGone() {
  fd_ = -1;
  EndAll();
  DeleteIfOver();
}

void ForwardFlows::DeleteIfOver() {
  if (fd_ < 0 && flows_.empty() && dying_.empty()) delete this;
}

}  // namespace sockhost
