#include "event_encoding.h"

#include "proto_encoding.h"
#include "resource_name.h"

namespace sockhost {
namespace {

v1::Event::Kind EncodeKind(HostEventKind kind) {
  switch (kind) {
    case HostEventKind::kSocketOpened:
      return v1::Event::SOCKET_OPENED;
    case HostEventKind::kSocketClosed:
      return v1::Event::SOCKET_CLOSED;
    case HostEventKind::kListenerCreated:
      return v1::Event::LISTENER_CREATED;
    case HostEventKind::kListenerUpdated:
      return v1::Event::LISTENER_UPDATED;
    case HostEventKind::kListenerStateChanged:
      return v1::Event::LISTENER_STATE_CHANGED;
    case HostEventKind::kListenerDeleted:
      return v1::Event::LISTENER_DELETED;
    case HostEventKind::kServiceStalled:
      return v1::Event::SERVICE_STALLED;
    case HostEventKind::kServiceRecovered:
      return v1::Event::SERVICE_RECOVERED;
  }
  return v1::Event::KIND_UNSPECIFIED;
}

void EncodeSocket(const HostEvent& event, v1::Socket& out) {
  const SocketFacts& facts = event.socket;
  SocketSnapshot socket;
  socket.id = facts.id;
  socket.fd = facts.fd;
  socket.role = facts.role;
  socket.protocol = facts.protocol;
  socket.service = event.service;
  socket.listener = facts.listener;
  socket.remote = facts.remote;
  socket.create_time_nanos = facts.create_time_nanos;
  socket.close_reason = event.close_reason;
  if (event.close_reason != CloseReason::kNone) socket.close_time_nanos = event.time_nanos;
  socket.counters = event.counters;
  Encode(socket, out);
  if (event.kind != HostEventKind::kSocketClosed) out.clear_counters();
}

}  // namespace

void Encode(const HostEvent& event, v1::Event& out) {
  out.set_sequence(event.sequence);
  EncodeTime(event.time_nanos, *out.mutable_time());
  out.set_kind(EncodeKind(event.kind));
  if (event.listener) {
    Encode(*event.listener, *out.mutable_listener());
  } else if (event.is_of_socket()) {
    EncodeSocket(event, *out.mutable_socket());
  } else if (event.service) {
    out.set_service(ServiceName(*event.service));
  }
}

}  // namespace sockhost
