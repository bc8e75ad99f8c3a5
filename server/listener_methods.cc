// AdminService: the methods of listeners but DeleteListener.
#include <google/protobuf/util/message_differencer.h>

#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "admin_reply.h"
#include "admin_service.h"
#include "fd_use.h"
#include "forward_loop.h"
#include "forward_parameters.h"
#include "grpc_status.h"
#include "list_query.h"
#include "listener_declaration.h"
#include "listener_record.h"
#include "proto_encoding.h"
#include "remembered_answer.h"
#include "resource_name.h"
#include "sockhost/error.h"
#include "upstream_encoding.h"

namespace sockhost {
namespace {

// An update that was overtaken by another one is made anew: so often, because
// somebody has to win each time.
constexpr int kUpdateAttempts = 16;

// The admin API makes every listener of this process, each with its record.
const ListenerRecord& RecordOf(const ListenerSnapshot& listener) {
  return static_cast<const ListenerRecord&>(*listener.config->attachment);
}

absl::Status EncodeResult(const absl::StatusOr<ListenerSnapshot>& listener, v1::Listener& out) {
  if (listener.ok()) Encode(*listener, out);
  return listener.status();
}

bool DiffersInState(const ListenerSnapshot& before, const ListenerSnapshot& after) {
  return before.state != after.state || before.state_reason != after.state_reason;
}

// Whom a call that names an etag is about, whoever changes it meanwhile. nullptr: anybody.
const ListenerSnapshot* Only(const ListenerSnapshot& found, const std::string& etag) {
  return etag.empty() ? nullptr : &found;
}

// The field of the request that an error of OpenSocket speaks of, unless it says so itself.
absl::Status WithAddressField(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = DetailOf(status);
  const bool is_address =
      detail && detail->field.empty() &&
      (detail->reason == Reason::kADDRESS_IN_USE || detail->reason == Reason::kBIND_NOT_PERMITTED ||
       detail->reason == Reason::kADDRESS_NOT_AVAILABLE);
  return is_address ? WithField(status, "listener.address") : status;
}

}  // namespace

grpc::ServerUnaryReactor* AdminService::CreateListener(grpc::CallbackServerContext* context,
                                                       const v1::CreateListenerRequest* request,
                                                       v1::Listener* response) {
  return Reply(context, AnswerOnce(requests_, "CreateListener", *request, *response, [&] {
                 absl::Status status = Create(*request, *response);
                 if (request->validate_only()) return status;
                 return Noted(context, "CreateListener", response->name(), std::move(status));
               }));
}

absl::Status AdminService::Create(const v1::CreateListenerRequest& request,
                                  v1::Listener& response) {
  absl::StatusOr<ListenerConfig> config = DecodeListener(request.listener_id(), request.listener());
  if (!config.ok()) return config.status();
  const absl::MutexLockMaybe one_at_a_time(Forwards(*config) ? &forwarders_ : nullptr);
  if (absl::Status status = RefuseForwardLoop(*config, host_); !status.ok()) return status;
  response = request.listener();
  config->attachment = MakeListenerRecord(request.listener_id(), response);
  const absl::StatusOr<ListenerSnapshot> created =
      host_.CreateListener(*config, request.validate_only() ? Keep::kNo : Keep::kYes);
  if (!created.ok()) return ExplainLimit(WithAddressField(created.status()));
  if (!request.validate_only()) {
    EncodeOutputOnly(*created, response);
    return absl::OkStatus();
  }
  EncodeForecast(*created, *config, response);
  response.clear_uid();
  response.clear_create_time();
  return absl::OkStatus();
}

absl::Status AdminService::Noted(const grpc::CallbackServerContext* context,
                                 absl::string_view method, absl::string_view listener,
                                 absl::Status status) const {
  if (status.ok()) changes_.NoteChange(changes_.CallerOf(*context), method, listener);
  return status;
}

absl::StatusOr<ListenerSnapshot> AdminService::FindListener(const std::string& name,
                                                            const std::string& etag,
                                                            absl::string_view etag_field) const {
  const absl::StatusOr<std::string> id = ParseListenerName(name);
  if (!id.ok()) return id.status();
  std::optional<ListenerSnapshot> found = host_.FindListener(*id);
  if (!found) return NotFound(Reason::kLISTENER_NOT_FOUND, "listener", name);
  if (etag.empty()) return *std::move(found);
  const std::string current = EtagText(RecordOf(*found));
  if (etag != current) {
    return Error(Reason::kETAG_MISMATCH,
                 absl::StrCat("listener \"", name, "\" has etag ", current, ", not ", Shown(etag),
                              "; read it again"),
                 {{"listener", name}, {"etag", current}}, etag_field);
  }
  return *std::move(found);
}

grpc::ServerUnaryReactor* AdminService::UpdateListener(grpc::CallbackServerContext* context,
                                                       const v1::UpdateListenerRequest* request,
                                                       v1::Listener* response) {
  return ReplyWhenClosed(context, AnswerOnce(requests_, "UpdateListener", *request, *response, [&] {
                           bool changed = false;
                           absl::Status status = Update(*request, *response, changed);
                           if (!changed) return status;
                           return Noted(context, "UpdateListener", response->name(),
                                        std::move(status));
                         }));
}

// So that who has the answer finds the address free that was left.
grpc::ServerUnaryReactor* AdminService::ReplyWhenClosed(grpc::CallbackServerContext* context,
                                                        const absl::Status& status) {
  if (!status.ok()) return Reply(context, status);
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto reply = std::make_shared<OneReply>(reactor);
  // Runs on the service thread, which must not do gRPC's work.
  host_.AfterClosing([this, reply] { tasks_.Run([reply] { reply->Finish(absl::OkStatus()); }); });
  tasks_.RunSomeTimeAfter(kCloseTimeout, [reply] { reply->Finish(absl::OkStatus()); });
  return reactor;
}

absl::Status AdminService::Update(const v1::UpdateListenerRequest& request, v1::Listener& response,
                                  bool& changed) {
  const v1::Listener& wanted = request.listener();
  absl::Status status;
  for (int i = 0; i < kUpdateAttempts; ++i) {
    const absl::StatusOr<ListenerSnapshot> found =
        FindListener(wanted.name(), wanted.etag(), "listener.etag");
    if (!found.ok()) {
      const std::optional<ErrorDetail> detail = DetailOf(found.status());
      const bool of_name = detail && detail->field == "name";
      return of_name ? WithField(found.status(), "listener.name") : found.status();
    }
    status = TryUpdate(*found, request, response, changed);
    // Changed between the two calls. A client that named no etag does not mind.
    if (!absl::IsAborted(status) || !wanted.etag().empty()) break;
  }
  return status;
}

absl::Status AdminService::TryUpdate(const ListenerSnapshot& now,
                                     const v1::UpdateListenerRequest& request,
                                     v1::Listener& response, bool& changed) {
  const ListenerRecord& record = RecordOf(now);
  const v1::Listener before = DeclaredOf(record);
  v1::Listener declared = before;
  if (absl::Status status = MergeUpdate(request, declared); !status.ok()) return status;
  if (google::protobuf::util::MessageDifferencer::Equals(declared, before)) {
    Encode(now, response);
    return absl::OkStatus();
  }
  // What they stand for lives on: names that are resolved, flows, the health of upstreams, the
  // text of a file.
  const ListenerConfig* const known =
      HaveSameParameters(declared, before) ? now.config.get() : nullptr;
  absl::StatusOr<ListenerConfig> config = DecodeListener(now.config->name, declared, known);
  if (!config.ok()) return config.status();
  if (!known) {
    config->parameters =
        WithKnownUpstreams(now.config->parameters.get(), std::move(config->parameters));
  }
  const absl::MutexLockMaybe one_at_a_time(Forwards(*config) ? &forwarders_ : nullptr);
  if (absl::Status status = RefuseForwardLoop(*config, host_); !status.ok()) return status;
  config->attachment = UpdatedRecord(record, declared);
  const absl::StatusOr<ListenerSnapshot> updated =
      host_.UpdateListener(now, *config, request.validate_only() ? Keep::kNo : Keep::kYes);
  if (!updated.ok()) return ExplainLimit(WithAddressField(updated.status()));
  changed = !request.validate_only();
  request.validate_only() ? EncodeForecast(*updated, *config, response)
                          : Encode(*updated, response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::PauseListener(grpc::CallbackServerContext* context,
                                                      const v1::PauseListenerRequest* request,
                                                      v1::Listener* response) {
  bool changed = false;
  absl::Status status = Pause(*request, *response, changed);
  if (changed) status = Noted(context, "PauseListener", request->name(), std::move(status));
  return Reply(context, status);
}

absl::Status AdminService::Pause(const v1::PauseListenerRequest& request, v1::Listener& response,
                                 bool& changed) {
  const absl::StatusOr<ListenerSnapshot> found =
      FindListener(request.name(), request.etag(), "etag");
  if (!found.ok()) return found.status();
  const absl::StatusOr<ListenerSnapshot> paused =
      host_.PauseListener(found->config->name, Only(*found, request.etag()));
  changed = paused.ok() && DiffersInState(*found, *paused);
  return EncodeResult(paused, response);
}

grpc::ServerUnaryReactor* AdminService::ResumeListener(grpc::CallbackServerContext* context,
                                                       const v1::ResumeListenerRequest* request,
                                                       v1::Listener* response) {
  bool changed = false;
  absl::Status status = Resume(*request, *response, changed);
  if (changed) status = Noted(context, "ResumeListener", request->name(), std::move(status));
  return Reply(context, status);
}

absl::Status AdminService::Resume(const v1::ResumeListenerRequest& request, v1::Listener& response,
                                  bool& changed) {
  const absl::StatusOr<ListenerSnapshot> found =
      FindListener(request.name(), request.etag(), "etag");
  if (!found.ok()) return found.status();
  const absl::StatusOr<ListenerSnapshot> resumed =
      host_.ResumeListener(found->config->name, Only(*found, request.etag()));
  changed = resumed.ok() && DiffersInState(*found, *resumed);
  return EncodeResult(resumed, response);
}

grpc::ServerUnaryReactor* AdminService::DrainListener(grpc::CallbackServerContext* context,
                                                      const v1::DrainListenerRequest* request,
                                                      v1::Listener* response) {
  return ReplyWhenClosed(
      context, Noted(context, "DrainListener", request->name(), Drain(*request, *response)));
}

absl::Status AdminService::Drain(const v1::DrainListenerRequest& request, v1::Listener& response) {
  const absl::StatusOr<ListenerSnapshot> found =
      FindListener(request.name(), request.etag(), "etag");
  if (!found.ok()) return found.status();
  absl::Status status = CheckDuration(request.drain_timeout(), "drain_timeout");
  if (!status.ok()) return status;
  std::optional<absl::Duration> timeout;
  if (request.has_drain_timeout()) timeout = DecodeDuration(request.drain_timeout());
  return EncodeResult(
      host_.DrainListener(found->config->name, timeout, Only(*found, request.etag())), response);
}

// Adds what the core does not know: how many fds are used, and what bounds the
// sockets of this daemon.
absl::Status AdminService::ExplainLimit(const absl::Status& status) const {
  std::optional<ErrorDetail> detail = DetailOf(status);
  const bool is_limit =
      detail && (detail->reason == Reason::kFD_LIMIT || detail->reason == Reason::kSOCKET_LIMIT);
  if (!is_limit) return status;
  std::string message(status.message());
  if (detail->reason == Reason::kFD_LIMIT) {
    detail->metadata["limit"] = absl::StrCat(FdLimit());
    detail->metadata["used"] = absl::StrCat(UsedFds());
  } else if (identity_.max_sockets_is_set) {
    message = absl::StrCat("cannot open the listener: all ", detail->metadata["limit"],
                           " sockets are used; close some, or raise --max-sockets");
    detail->metadata["setting"] = "--max-sockets";
  }
  return Error(detail->reason, message, std::move(detail->metadata), detail->field);
}

grpc::ServerUnaryReactor* AdminService::GetListener(grpc::CallbackServerContext* context,
                                                    const v1::GetListenerRequest* request,
                                                    v1::Listener* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetListenerRequest& request,
                               v1::Listener& response) const {
  const absl::StatusOr<ListenerSnapshot> listener = FindListener(request.name(), "", "");
  if (!listener.ok()) return listener.status();
  Encode(*listener, response);
  EncodeUpstreams(listener->config->parameters.get(), response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListListeners(grpc::CallbackServerContext* context,
                                                      const v1::ListListenersRequest* request,
                                                      v1::ListListenersResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListListenersRequest& request,
                                v1::ListListenersResponse& response) const {
  const auto query = ListQuery<ListenerSnapshot>::Parse("listeners", request);
  if (!query.ok()) return query.status();
  response.set_next_page_token(
      query->AppendPage(host_.ListListeners(), [&](const ListenerSnapshot& listener) {
        v1::Listener& item = *response.add_listeners();
        Encode(listener, item);
        return item.ByteSizeLong();
      }));
  return absl::OkStatus();
}

}  // namespace sockhost
