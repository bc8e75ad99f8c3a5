// Requests: any bytes that are a message are decoded to what the core takes, or to an
// error with its reason and a field. The first byte of the input says which message.
#include <cstddef>
#include <cstdint>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "request_messages.h"
#include "require.h"
#include "sample_items.h"
#include "server/list_query.h"
#include "server/listener_declaration.h"
#include "server/listener_record.h"
#include "server/proto_encoding.h"
#include "server/request_memory.h"
#include "server/resource_name.h"
#include "server/service_parameters.h"
#include "server/upstream.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {
namespace {

// What an error of decoding is: the caller's fault, short, printable, with a field.
void CheckError(const absl::Status& status) {
  if (status.ok()) return;
  const auto detail = DetailOf(status);
  Require(detail.has_value(), "errors have a reason");
  RequireParseError(status, detail->reason);
  Require(status.code() == absl::StatusCode::kInvalidArgument,
          "decoding fails for the request only");
  Require(!detail->field.empty(), "the field is named");
}

bool IsForward(const v1::Listener& listener) { return ServiceId(listener.service()) == "forward"; }

// Without the upstreams that have a host name: decoding would begin to look it up.
v1::Listener WithoutNames(v1::Listener listener) {
  if (!listener.has_forward()) return listener;
  auto& upstreams = *listener.mutable_forward()->mutable_upstreams();
  for (int i = upstreams.size() - 1; i >= 0; --i) {
    const auto upstream = Upstream::Parse(upstreams[i]);
    if (!upstream.ok()) RequireParseError(upstream.status(), Reason::kADDRESS_INVALID);
    const bool has_name = upstream.ok() && !(*upstream)->host().empty();
    if (has_name) upstreams.DeleteSubrange(i, 1);
  }
  return listener;
}

// A declaration becomes what the core takes, or an error of a field.
void DecodeDeclaration(absl::string_view id, const v1::Listener& listener) {
  const absl::StatusOr<ListenerConfig> config =
      DecodeListener(id, IsForward(listener) ? WithoutNames(listener) : listener);
  CheckError(config.status());
  if (!config.ok()) return;
  CheckError(ValidateListenerConfig(*config));
  const auto again = SocketAddress::Parse(config->address.ToString());
  Require(again.ok() && *again == config->address, "its address is read back");
}

// A repeated request gets its first answer; the id of one that failed is free again.
template <class Request>
void CheckRemembered(const Request& request) {
  if (request.request_id().empty()) return;
  RequestMemory memory;
  constexpr absl::Duration kNow = absl::Seconds(1);
  const auto begin = [&](const Request& one) {
    return memory.Begin(one.request_id(), "Method", one, kNow);
  };
  const auto first = begin(request);
  CheckError(first.status());
  if (!first.ok()) return;
  Require(!first->has_value(), "nothing was answered before");
  Require(absl::IsAborted(begin(request).status()), "it is in progress");
  memory.End(request.request_id(), std::nullopt, kNow);
  Require(begin(request).ok(), "it may be tried again");
  memory.End(request.request_id(), "answer", kNow);
  const auto again = begin(request);
  Require(again.ok() && *again == "answer", "the answer is remembered");
  Request other = request;
  other.set_validate_only(!request.validate_only());
  CheckError(begin(other).status());
  Require(!begin(other).ok(), "another request needs another id");
}

void Decode(const v1::CreateListenerRequest& request) {
  CheckRemembered(request);
  DecodeDeclaration(request.listener_id(), request.listener());
}

v1::Listener DeclaredBefore(bool is_forward) {
  v1::Listener declared;
  declared.set_name("listeners/web");
  declared.set_service(is_forward ? "services/forward" : "services/banner");
  declared.set_address("tcp://127.0.0.1:0");
  if (is_forward) {
    declared.mutable_forward()->add_upstreams("tcp://127.0.0.1:80");
  } else {
    declared.mutable_banner()->set_text("x");
  }
  declared.mutable_tcp_keepalive()->set_count(1);
  return declared;
}

void Decode(const v1::UpdateListenerRequest& request) {
  CheckRemembered(request);
  v1::Listener declared = DeclaredBefore(IsForward(request.listener()));
  const std::string service = declared.service();
  const absl::Status status = MergeUpdate(request, declared);
  CheckError(status);
  if (!status.ok()) return;
  Require(declared.name() == "listeners/web" && declared.service() == service,
          "what cannot change has not");
  v1::Listener without_output = declared;
  ClearOutputOnly(without_output);
  Require(without_output.ByteSizeLong() == declared.ByteSizeLong(), "output only stays so");
  DecodeDeclaration("web", declared);
}

template <class Item, class Request>
void DecodeList(absl::string_view collection, const Request& request) {
  const auto query = ListQuery<Item>::Parse(collection, request);
  CheckError(query.status());
  if (!query.ok()) return;
  size_t shown = 0;
  const std::vector<Item> items = SampleItems<Item>();
  const std::string token = query->AppendPage(items, [&](const Item&) { return ++shown; });
  Require(shown <= items.size(), "items are shown once");
  if (token.empty()) return;
  Request next = request;
  next.set_page_token(token);
  Require(ListQuery<Item>::Parse(collection, next).ok(), "the next page can be asked for");
}

void Decode(const v1::ListListenersRequest& request) {
  DecodeList<ListenerSnapshot>("listeners", request);
}
void Decode(const v1::ListSocketsRequest& request) {
  DecodeList<SocketSnapshot>("sockets", request);
}
void Decode(const v1::ListServicesRequest& request) {
  DecodeList<ServiceSnapshot>("services", request);
}

void DecodeName(absl::string_view collection, const std::string& name) {
  const auto id = ParseName(collection, name);
  CheckError(id.status());
  if (id.ok()) Require(absl::StrCat(collection, "/", *id) == name, "a name is its id");
}

void Decode(const v1::GetListenerRequest& request) { DecodeName("listeners", request.name()); }
void Decode(const v1::DeleteListenerRequest& request) {
  CheckRemembered(request);
  DecodeName("listeners", request.name());
}
void Decode(const v1::PauseListenerRequest& request) { DecodeName("listeners", request.name()); }
void Decode(const v1::ResumeListenerRequest& request) { DecodeName("listeners", request.name()); }
void Decode(const v1::DrainListenerRequest& request) {
  DecodeName("listeners", request.name());
  // Saturates; the sanitizers see an overflow.
  (void)DecodeDuration(request.drain_timeout());
}
void Decode(const v1::GetServiceRequest& request) { DecodeName("services", request.name()); }

void DecodeSocketName(const std::string& name) {
  const auto id = ParseSocketName(name);
  CheckError(id.status());
  if (id.ok()) Require(SocketName(*id) == name, "a socket has one name");
}

void Decode(const v1::GetSocketRequest& request) { DecodeSocketName(request.name()); }
void Decode(const v1::CloseSocketRequest& request) { DecodeSocketName(request.name()); }

struct Message {
  const google::protobuf::Descriptor* (*descriptor)();
  void (*parse_and_decode)(const uint8_t* data, size_t size);
};

template <class Request>
constexpr Message MessageOf() {
  return {&Request::descriptor, [](const uint8_t* data, size_t size) {
            Request request;
            if (request.ParseFromArray(data, static_cast<int>(size))) Decode(request);
          }};
}

// The seeds count on the order: new ones go to the end.
constexpr Message kMessages[] = {
    MessageOf<v1::CreateListenerRequest>(), MessageOf<v1::ListListenersRequest>(),
    MessageOf<v1::ListSocketsRequest>(),    MessageOf<v1::ListServicesRequest>(),
    MessageOf<v1::GetListenerRequest>(),    MessageOf<v1::DeleteListenerRequest>(),
    MessageOf<v1::GetServiceRequest>(),     MessageOf<v1::GetSocketRequest>(),
    MessageOf<v1::CloseSocketRequest>(),    MessageOf<v1::UpdateListenerRequest>(),
    MessageOf<v1::PauseListenerRequest>(),  MessageOf<v1::ResumeListenerRequest>(),
    MessageOf<v1::DrainListenerRequest>(),
};

}  // namespace
}  // namespace sockhost

extern "C" int LLVMFuzzerInitialize(int*, char***) {
  sockhost::SilenceProtobuf();
  std::vector<const google::protobuf::Descriptor*> known;
  for (const sockhost::Message& message : sockhost::kMessages) {
    known.push_back(message.descriptor());
  }
  sockhost::RequireRequestsOf(sockhost::Reply::kOne, known);
  return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  sockhost::kMessages[data[0] % std::size(sockhost::kMessages)].parse_and_decode(data + 1,
                                                                                 size - 1);
  return 0;
}
