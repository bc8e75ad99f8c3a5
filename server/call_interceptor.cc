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

bool IsDryRun(const Message& request) {
  const FieldDescriptor* field = request.GetDescriptor()->FindFieldByName("validate_only");
  return field && field->cpp_type() == FieldDescriptor::CPPTYPE_BOOL &&
         request.GetReflection()->GetBool(request, field);
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
bool IsGuarded(const ServerRpcInfo& call) {
  return absl::StartsWith(call.method(), "/sockhost.") && RuleOf(call.method()) != nullptr;
}

// What all calls share.
struct Guards {
  const AccessControl& access;
  // Null: none.
  AuditLog* const audit;
  ChangeLog& changes;
  // Lines for denied calls of peers that have no role.
  LineBudget strangers{10};
};

class CallInterceptor final : public Interceptor {
 public:
  CallInterceptor(ServerRpcInfo& call, Guards& guards)
      : call_(call),
        guards_(guards),
        audit_(guards.audit),
        rule_(RuleOf(call.method())),
        is_guarded_(IsGuarded(call)) {}

  void Intercept(InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_INITIAL_METADATA)) {
      Begin();
    }
    // Of our own methods; gRPC's health takes bytes.
    if (is_guarded_ &&
        methods->QueryInterceptionHookPoint(InterceptionHookPoints::POST_RECV_MESSAGE)) {
      request_ = static_cast<const ReceivedMessage*>(methods->GetRecvMessage());
    }
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      End(*methods);
    }
    methods->Proceed();
  }

 private:
  bool Changes() const { return rule_ != nullptr && rule_->changes; }

  void Begin() {
    // Now, because the connection may have ended when the call does.
    if (audit_ != nullptr || !is_guarded_)
      caller_ = guards_.access.CallerOf(*call_.server_context());
    if (is_guarded_) return;
    const absl::Status allowed = guards_.access.Check(caller_, call_.method());
    if (allowed.ok()) return;
    guards_.changes.NoteDenial(caller_, call_.method());
    denial_ = ToGrpcStatus(allowed);
    // The handler of a method that exists would run, for as long as its client likes. The client
    // gets this status without details.
    is_cut_off_ = rule_ != nullptr || absl::StartsWith(call_.method(), "/grpc.");
    if (!is_cut_off_) return;
    if (audit_ != nullptr) AuditDenial(denial_);
    DenyCall(*call_.server_context(), denial_.error_message());
  }

  void AuditDenial(const grpc::Status& status) {
    AuditEntry entry = EntryOf(status);
    if (caller_.role == AdminRole::kNone) entry.suppressed = guards_.strangers.Take();
    // The call is refused anyway, and what cannot be written is counted.
    if (entry.suppressed >= 0) audit_->Write(entry).IgnoreError();
  }

  void End(InterceptorBatchMethods& methods) {
    // It has its line, and its client the status.
    if (is_cut_off_) return;
    // In place of UNIMPLEMENTED, from which a stranger would learn what there is.
    if (!denial_.ok()) methods.ModifySendStatus(denial_);
    if (audit_ == nullptr) return;
    const grpc::Status status = methods.GetSendStatus();
    if (status.error_code() == grpc::StatusCode::PERMISSION_DENIED) return AuditDenial(status);
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
      entry.validate_only = IsDryRun(*request);
    }
    // gRPC and absl number the codes alike.
    entry.code = absl::StatusCodeToString(static_cast<absl::StatusCode>(status.error_code()));
    entry.reason = ReasonOf(status);
    return entry;
  }

  ServerRpcInfo& call_;
  Guards& guards_;
  AuditLog* const audit_;
  // Null: nobody has made it.
  const MethodRule* const rule_;
  const bool is_guarded_;
  AccessControl::Caller caller_;
  // gRPC's, as long as the call lives.
  const ReceivedMessage* request_ = nullptr;
  // Not OK: the call was denied here.
  grpc::Status denial_;
  // It is over, whatever its handler says.
  bool is_cut_off_ = false;
};

class CallInterceptorFactory final : public ServerInterceptorFactoryInterface {
 public:
  CallInterceptorFactory(const AccessControl& access, AuditLog* audit, ChangeLog& changes)
      : guards_{access, audit, changes} {}

  // gRPC owns it; null: this call has none. Each costs a fifth of a small call.
  Interceptor* CreateServerInterceptor(ServerRpcInfo* call) override {
    if (guards_.audit == nullptr && IsGuarded(*call)) return nullptr;
    return new CallInterceptor(*call, guards_);
  }

 private:
  Guards guards_;
};

}  // namespace

std::unique_ptr<ServerInterceptorFactoryInterface> CallInterceptors(const AccessControl& access,
                                                                    AuditLog* audit,
                                                                    ChangeLog& changes) {
  return std::make_unique<CallInterceptorFactory>(access, audit, changes);
}

}  // namespace sockhost
