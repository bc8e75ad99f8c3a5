#include "call_interceptor.h"

#include <google/protobuf/message.h>

#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "grpc_status.h"
#include "line_budget.h"
#include "method_rules.h"
#include "received_request.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using grpc::experimental::InterceptionHookPoints;
using grpc::experimental::Interceptor;
using grpc::experimental::InterceptorBatchMethods;
using grpc::experimental::ServerInterceptorFactoryInterface;
using grpc::experimental::ServerRpcInfo;

// A text field of a request; empty if there is none of that name.
std::string TextField(const Message& request, const char* name) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName(name);
  const bool is_text =
      field && !field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_STRING;
  return is_text ? request.GetReflection()->GetString(request, field) : "";
}

// What a request is about: `name`, the listener that it makes, or that it holds.
std::string ResourceOf(const Message& request) {
  if (std::string name = TextField(request, "name"); !name.empty()) return name;
  if (const std::string id = TextField(request, "listener_id"); !id.empty()) {
    return absl::StrCat("listeners/", id);
  }
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("listener");
  const bool is_message =
      field && !field->is_repeated() && field->cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE;
  if (!is_message) return "";
  return TextField(request.GetReflection()->GetMessage(request, field), "name");
}

// The reason in the details of an error; empty if there is none.
std::string ReasonOf(const grpc::Status& status) {
  google::rpc::Status rich;
  rich.ParseFromString(status.error_details());
  google::rpc::ErrorInfo info;
  for (const google::protobuf::Any& detail : rich.details()) {
    if (detail.UnpackTo(&info)) return info.reason();
  }
  return "";
}

// GuardedAdminService checks who calls it.
bool IsOurs(const ServerRpcInfo& call) { return absl::StartsWith(call.method(), "/sockhost."); }

// What all calls share.
struct Guards {
  const AccessControl& access;
  // Null: none.
  AuditLog* const audit;
  // Lines for denied calls of peers that have no role.
  LineBudget strangers{10};
};

class CallInterceptor final : public Interceptor {
 public:
  CallInterceptor(ServerRpcInfo& call, Guards& guards)
      : call_(call),
        access_(guards.access),
        audit_(guards.audit),
        strangers_(guards.strangers),
        rule_(RuleOf(call.method())),
        is_ours_(IsOurs(call)) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Begin();
    }
    // Of our own service; gRPC's health takes bytes.
    if (is_ours_ &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      request_ = static_cast<const ReceivedMessage*>(methods->GetRecvMessage());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      End(*methods);
    }
    methods->Proceed();
  }

 private:
  bool Changes() const { return rule_ == nullptr || rule_->changes; }

  void Begin() {
    // Now, because the connection may have ended when the call does.
    if (audit_ != nullptr || !is_ours_) caller_ = access_.CallerOf(*call_.server_context());
    if (is_ours_) return;
    const absl::Status allowed = access_.Check(caller_, call_.method());
    if (allowed.ok()) return;
    // Its end says nothing of the reason.
    is_cancelled_ = true;
    if (audit_ != nullptr) NoteDenial(ToGrpcStatus(allowed));
    call_.server_context()->TryCancel();
  }

  void NoteDenial(const grpc::Status& status) {
    AuditEntry entry = EntryOf(status);
    if (caller_.role == AdminRole::kNone) entry.suppressed = strangers_.Take();
    // The call is refused anyway, and what cannot be written is counted.
    if (entry.suppressed >= 0) audit_->Write(entry).IgnoreError();
  }

  void End(InterceptorBatchMethods& methods) {
    const grpc::Status status = methods.GetSendStatus();
    if (audit_ == nullptr || is_cancelled_) return;
    if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) return NoteDenial(status);
    if (!Changes()) return;
    const absl::Status written = audit_->Write(EntryOf(status));
    if (written.ok() || !audit_->fail_closed() || !status.ok()) return;
    methods.ModifySendStatus(
        ToGrpcStatus(Error(Reason::kAUDIT_UNAVAILABLE,
                           absl::StrCat("the call was carried out, but ", written.message()))));
  }

  AuditEntry EntryOf(const grpc::Status& status) const {
    AuditEntry entry;
    entry.time = absl::Now();
    entry.caller = caller_;
    entry.method = call_.method();
    if (const Message* request = request_ ? request_->any() : nullptr) {
      entry.resource = ResourceOf(*request);
      entry.request_id = TextField(*request, "request_id");
    }
    // gRPC and absl number the codes alike.
    entry.code = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
    entry.reason = ReasonOf(status);
    return entry;
  }

  ServerRpcInfo& call_;
  const AccessControl& access_;
  AuditLog* const audit_;
  LineBudget& strangers_;
  // Null: nobody may call it.
  const MethodRule* const rule_;
  const bool is_ours_;
  AccessControl::Caller caller_;
  // gRPC's, as long as the call lives.
  const ReceivedMessage* request_ = nullptr;
  // It was denied, and has its line.
  bool is_cancelled_ = false;
};

class CallInterceptorFactory final : public ServerInterceptorFactoryInterface {
 public:
  CallInterceptorFactory(const AccessControl& access, AuditLog* audit) : guards_{access, audit} {}

  // gRPC owns it; null: this call has none. Each costs a fifth of a small call.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* call) override {
    if (IsOurs(*call) && guards_.audit == nullptr) return nullptr;
    return new CallInterceptor(*call, guards_);
  }

 private:
  Guards guards_;
};

}  // namespace

std::unique_ptr<ServerInterceptorFactoryInterface> CallInterceptors(const AccessControl& access,
                                                                    AuditLog* audit) {
  return std::make_unique<CallInterceptorFactory>(access, audit);
}

}  // namespace sockhost
