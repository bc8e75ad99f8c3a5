// What each RPC needs, and what it does.
#ifndef SOCKHOST_SERVER_METHOD_RULES_H_
#define SOCKHOST_SERVER_METHOD_RULES_H_

#include "absl/strings/string_view.h"
#include "admin_role.h"

namespace sockhost {

// The RPCs of AdminService. A method without a row here cannot be called: the
// service that gRPC knows is made from these rows.
//
// X(method, request, response, least role, whether it changes anything). What
// changes something is written to the audit log.
#define SOCKHOST_UNARY_METHODS(X)                                                        \
  X(CreateListener, v1::CreateListenerRequest, v1::Listener, kOperator, true)            \
  X(GetListener, v1::GetListenerRequest, v1::Listener, kViewer, false)                   \
  X(ListListeners, v1::ListListenersRequest, v1::ListListenersResponse, kViewer, false)  \
  X(UpdateListener, v1::UpdateListenerRequest, v1::Listener, kOperator, true)            \
  X(PauseListener, v1::PauseListenerRequest, v1::Listener, kOperator, true)              \
  X(ResumeListener, v1::ResumeListenerRequest, v1::Listener, kOperator, true)            \
  X(DrainListener, v1::DrainListenerRequest, v1::Listener, kOperator, true)              \
  X(DeleteListener, v1::DeleteListenerRequest, google::protobuf::Empty, kOperator, true) \
  X(GetSocket, v1::GetSocketRequest, v1::Socket, kViewer, false)                         \
  X(ListSockets, v1::ListSocketsRequest, v1::ListSocketsResponse, kViewer, false)        \
  X(CloseSocket, v1::CloseSocketRequest, v1::Socket, kOperator, true)                    \
  X(GetService, v1::GetServiceRequest, v1::Service, kViewer, false)                      \
  X(ListServices, v1::ListServicesRequest, v1::ListServicesResponse, kViewer, false)     \
  X(GetHost, v1::GetHostRequest, v1::Host, kViewer, false)

// Server-streaming: X(method, request, response, least role). They change nothing.
// Of WatchSockets the answers are bytes: watches of the same share them.
#define SOCKHOST_STREAM_METHODS(X)                                    \
  X(WatchSockets, v1::WatchSocketsRequest, grpc::ByteBuffer, kViewer) \
  X(WatchEvents, v1::WatchEventsRequest, v1::WatchEventsResponse, kViewer)

struct MethodRule {
  AdminRole role = AdminRole::kAdmin;
  bool changes = true;
};

// Of the services beside it too (health, reflection, channelz). `method` is as
// gRPC writes it, "/sockhost.v1.AdminService/GetHost". Null: nobody may call it.
const MethodRule* RuleOf(absl::string_view method);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_METHOD_RULES_H_
