#include "admin_service.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <memory>
#include <optional>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "grpc_status.h"
#include "listener_record.h"
#include "page.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "sockhost/error.h"
#include "sockhost/fd_limit.h"

namespace sockhost {
namespace {

// How long DeleteListener waits for the service thread. A healthy one needs
// microseconds; at 200 ms it counts as stalled.
constexpr absl::Duration kDeleteTimeout = absl::Seconds(1);

// A page ends before it is full when it has grown to this: stock clients refuse
// messages of more than 4 MiB, and no item is larger than the difference.
constexpr size_t kMaxPageBytes = size_t{2} << 20;

grpc::ServerUnaryReactor* Reply(grpc::CallbackServerContext* context, const absl::Status& status) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  reactor->Finish(ToGrpcStatus(status));
  return reactor;
}

// What a client sent, fit for a message: printable, and short enough for the
// metadata of an answer.
std::string Shown(absl::string_view text) { return absl::CHexEscape(text.substr(0, 128)); }

absl::Status NotFound(Reason reason, absl::string_view kind, absl::string_view name) {
  return Error(reason, absl::StrCat(kind, " \"", Shown(name), "\" does not exist"),
               {{std::string(kind), Shown(name)}}, "name");
}

absl::StatusOr<ListenerConfig> Decode(const v1::CreateListenerRequest& request) {
  const v1::Listener& listener = request.listener();
  if (listener.service().empty()) {
    return Error(Reason::kSERVICE_INVALID, "service is empty; name one of `sockctl service list`",
                 {}, "listener.service");
  }
  if (absl::Status status = ValidateListenerTexts(listener); !status.ok()) return status;
  absl::StatusOr<SocketAddress> address = SocketAddress::Parse(listener.address());
  if (!address.ok()) return WithField(address.status(), "listener.address");
  ListenerConfig config;
  config.name = request.listener_id();
  config.service = std::string(ServiceId(listener.service()));
  config.address = *address;
  config.backlog = listener.backlog();
  config.max_connections = listener.max_connections();
  config.ipv6_only = listener.ipv6_only();
  config.attachment = MakeListenerRecord(listener);
  return config;
}

// The field of the request that an error of OpenSocket speaks of.
absl::Status WithAddressField(const absl::Status& status) {
  const std::optional<ErrorDetail> detail = DetailOf(status);
  const bool is_address = detail && (detail->reason == Reason::kADDRESS_IN_USE ||
                                     detail->reason == Reason::kBIND_NOT_PERMITTED ||
                                     detail->reason == Reason::kADDRESS_NOT_AVAILABLE);
  return is_address ? WithField(status, "listener.address") : status;
}

// The limit of open files now: an operator can change that of a running process.
int64_t FdLimit() {
  rlimit limit{};
  return getrlimit(RLIMIT_NOFILE, &limit) == 0 ? static_cast<int64_t>(limit.rlim_cur) : 0;
}

int64_t UsedFds() {
  const int64_t count = CountOpenFds();
  // Counting needs an fd: there is none when all are used.
  return count > 0 ? count : FdLimit();
}

// Appends a page of `items`, which are in the order of their keys, and tells the
// key of the last one if more follow. `append` returns the size of an item.
template <typename Items, typename KeyOf, typename Append>
std::string AppendPage(const Items& items, const Page& page, KeyOf key_of, Append append) {
  size_t count = 0;
  size_t bytes = 0;
  std::string last;
  for (const auto& item : items) {
    if (!page.after.empty() && key_of(item) <= page.after) continue;
    if (count++ == page.size || bytes >= kMaxPageBytes) return last;
    bytes += append(item);
    last = key_of(item);
  }
  return "";
}

// Finishes a call once, from whichever thread is first.
class OneReply {
 public:
  explicit OneReply(grpc::ServerUnaryReactor* reactor) : reactor_(reactor) {}
  void Finish(const absl::Status& status) {
    if (!finished_.exchange(true)) reactor_->Finish(ToGrpcStatus(status));
  }

 private:
  grpc::ServerUnaryReactor* const reactor_;
  std::atomic<bool> finished_{false};
};

}  // namespace

AdminService::AdminService(HostIdentity identity, ServiceHost& host, WatchSet& watches,
                           TaskThread& tasks)
    : identity_(std::move(identity)), host_(host), watches_(watches), tasks_(tasks) {}

// ---- Listeners ---------------------------------------------------------------

grpc::ServerUnaryReactor* AdminService::CreateListener(grpc::CallbackServerContext* context,
                                                       const v1::CreateListenerRequest* request,
                                                       v1::Listener* response) {
  return Reply(context, Create(*request, *response));
}

absl::Status AdminService::Create(const v1::CreateListenerRequest& request,
                                  v1::Listener& response) {
  const absl::StatusOr<ListenerConfig> config = Decode(request);
  if (!config.ok()) return config.status();
  const absl::StatusOr<ListenerSnapshot> created = host_.CreateListener(*config);
  if (!created.ok()) return ExplainLimit(WithAddressField(created.status()));
  Encode(*created, response);
  return absl::OkStatus();
}

// Adds what the core does not know: how many fds are used, and what bounds the
// sockets of this daemon.
absl::Status AdminService::ExplainLimit(const absl::Status& status) const {
  std::optional<ErrorDetail> detail = DetailOf(status);
  if (!detail) return status;
  std::string message(status.message());
  if (detail->reason == Reason::kFD_LIMIT) {
    detail->metadata["limit"] = absl::StrCat(FdLimit());
    detail->metadata["used"] = absl::StrCat(UsedFds());
  } else if (detail->reason == Reason::kSOCKET_LIMIT && identity_.max_sockets_is_set) {
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
  const absl::StatusOr<std::string> id = ParseName("listeners", request.name());
  if (!id.ok()) return id.status();
  const std::optional<ListenerSnapshot> found = host_.FindListener(*id);
  if (!found) return NotFound(Reason::kLISTENER_NOT_FOUND, "listener", request.name());
  Encode(*found, response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListListeners(grpc::CallbackServerContext* context,
                                                      const v1::ListListenersRequest* request,
                                                      v1::ListListenersResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListListenersRequest& request,
                                v1::ListListenersResponse& response) const {
  const absl::StatusOr<Page> page =
      ParsePage("listeners", request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const std::string last = AppendPage(
      host_.ListListeners(), *page,
      [](const ListenerSnapshot& listener) { return listener.config->name; },
      [&](const ListenerSnapshot& listener) {
        v1::Listener& item = *response.add_listeners();
        Encode(listener, item);
        return item.ByteSizeLong();
      });
  if (!last.empty()) response.set_next_page_token(NextPageToken("listeners", last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::DeleteListener(grpc::CallbackServerContext* context,
                                                       const v1::DeleteListenerRequest* request,
                                                       google::protobuf::Empty*) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  auto reply = std::make_shared<OneReply>(reactor);
  const absl::Status status =
      // Runs on the service thread, which must not do gRPC's work.
      Delete(*request, [this, reply] { tasks_.Run([reply] { reply->Finish(absl::OkStatus()); }); });
  if (!status.ok()) {
    const bool is_fine = absl::IsNotFound(status) && request->allow_missing();
    reply->Finish(is_fine ? absl::OkStatus() : status);
    return reactor;
  }
  tasks_.RunAfter(kDeleteTimeout, [this, reply, name = request->name()] {
    const std::string service = host_.StalledService();
    reply->Finish(Error(
        Reason::kSERVICE_THREAD_STALLED,
        absl::StrCat("listener \"", name, "\" is draining: the service thread has not come back",
                     service.empty() ? "" : " from service ", service,
                     "; it goes when the handler returns"),
        {{"listener", name}, {"service", service}}));
  });
  return reactor;
}

absl::Status AdminService::Delete(const v1::DeleteListenerRequest& request,
                                  absl::AnyInvocable<void()> done) {
  const absl::StatusOr<std::string> id = ParseName("listeners", request.name());
  if (!id.ok()) return id.status();
  const std::optional<ListenerSnapshot> found = host_.FindListener(*id);
  if (!found) return NotFound(Reason::kLISTENER_NOT_FOUND, "listener", request.name());
  const auto& record = static_cast<const ListenerRecord&>(*found->config->attachment);
  if (!request.etag().empty() && request.etag() != record.etag) {
    return Error(Reason::kETAG_MISMATCH,
                 absl::StrCat("listener \"", request.name(), "\" has etag ", record.etag, ", not ",
                              Shown(request.etag()), "; read it again"),
                 {{"listener", request.name()}, {"etag", record.etag}}, "etag");
  }
  return host_.DeleteListener(*found, request.force(), std::move(done));
}

// ---- Sockets -----------------------------------------------------------------

grpc::ServerUnaryReactor* AdminService::GetSocket(grpc::CallbackServerContext* context,
                                                  const v1::GetSocketRequest* request,
                                                  v1::Socket* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetSocketRequest& request, v1::Socket& response) const {
  const absl::StatusOr<SocketId> id = ParseSocketName(request.name());
  if (!id.ok()) return id.status();
  const std::optional<SocketSnapshot> found = host_.FindSocket(*id);
  if (!found) return NotFound(Reason::kSOCKET_NOT_FOUND, "socket", request.name());
  Encode(*found, response);
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::ListSockets(grpc::CallbackServerContext* context,
                                                    const v1::ListSocketsRequest* request,
                                                    v1::ListSocketsResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListSocketsRequest& request,
                                v1::ListSocketsResponse& response) const {
  const absl::StatusOr<Page> page = ParsePage("sockets", request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  const absl::StatusOr<SocketFilter> filter = SocketFilter::Parse(request.filter());
  if (!filter.ok()) return filter.status();
  SocketId after = 0;
  if (!page->after.empty() && !absl::SimpleAtoi(page->after, &after)) {
    return Error(Reason::kPAGE_TOKEN_INVALID,
                 "page_token was not given by this call; begin again without a token", {},
                 "page_token");
  }
  SocketId last = 0;
  size_t bytes = 0;
  const std::shared_ptr<const SocketSample> sample = TakeSample(host_);
  for (const SocketSnapshot& socket : sample->sockets) {
    if (socket.id <= after || !filter->Matches(socket)) continue;
    if (static_cast<size_t>(response.sockets_size()) == page->size || bytes >= kMaxPageBytes) {
      response.set_next_page_token(NextPageToken("sockets", absl::StrCat(last)));
      break;
    }
    v1::Socket& item = *response.add_sockets();
    Encode(socket, item);
    bytes += item.ByteSizeLong();
    last = socket.id;
  }
  return absl::OkStatus();
}

// ---- Services and host -------------------------------------------------------

grpc::ServerUnaryReactor* AdminService::GetService(grpc::CallbackServerContext* context,
                                                   const v1::GetServiceRequest* request,
                                                   v1::Service* response) {
  return Reply(context, Get(*request, *response));
}

absl::Status AdminService::Get(const v1::GetServiceRequest& request, v1::Service& response) const {
  const absl::StatusOr<std::string> id = ParseName("services", request.name());
  if (!id.ok()) return id.status();
  for (const ServiceSnapshot& service : host_.ListServices()) {
    if (*service.name != *id) continue;
    Encode(service, response);
    return absl::OkStatus();
  }
  return NotFound(Reason::kSERVICE_NOT_FOUND, "service", request.name());
}

grpc::ServerUnaryReactor* AdminService::ListServices(grpc::CallbackServerContext* context,
                                                     const v1::ListServicesRequest* request,
                                                     v1::ListServicesResponse* response) {
  return Reply(context, List(*request, *response));
}

absl::Status AdminService::List(const v1::ListServicesRequest& request,
                                v1::ListServicesResponse& response) const {
  const absl::StatusOr<Page> page =
      ParsePage("services", request.page_size(), request.page_token());
  if (!page.ok()) return page.status();
  std::vector<ServiceSnapshot> services = host_.ListServices();
  std::sort(services.begin(), services.end(),
            [](const auto& a, const auto& b) { return *a.name < *b.name; });
  const std::string last = AppendPage(
      services, *page, [](const ServiceSnapshot& service) { return *service.name; },
      [&](const ServiceSnapshot& service) {
        v1::Service& item = *response.add_services();
        Encode(service, item);
        return item.ByteSizeLong();
      });
  if (!last.empty()) response.set_next_page_token(NextPageToken("services", last));
  return absl::OkStatus();
}

grpc::ServerUnaryReactor* AdminService::GetHost(grpc::CallbackServerContext* context,
                                                const v1::GetHostRequest*, v1::Host* response) {
  const auto use = [](v1::LimitUse& out, int64_t limit, int64_t used) {
    out.set_limit(limit);
    out.set_used(used);
  };
  response->set_name("host");
  response->set_version(identity_.version);
  response->set_instance_id(identity_.instance_id);
  response->set_pid(getpid());
  EncodeTime(identity_.start_time_nanos, *response->mutable_start_time());
  const int64_t uptime =
      std::max<int64_t>(absl::GetCurrentTimeNanos() - identity_.start_time_nanos, 0);
  response->mutable_uptime()->set_seconds(uptime / 1'000'000'000);
  response->mutable_uptime()->set_nanos(static_cast<int32_t>(uptime % 1'000'000'000));
  use(*response->mutable_file_descriptors(), FdLimit(), UsedFds());
  use(*response->mutable_sockets(), static_cast<int64_t>(host_.max_sockets()),
      static_cast<int64_t>(host_.sockets()));
  use(*response->mutable_listeners(), static_cast<int64_t>(host_.max_listeners()),
      static_cast<int64_t>(host_.listeners()));
  use(*response->mutable_watches(), static_cast<int64_t>(watches_.limit()),
      static_cast<int64_t>(watches_.size()));
  response->mutable_admin_addresses()->Add(identity_.admin_addresses.begin(),
                                           identity_.admin_addresses.end());
  Encode(host_.Statistics(), *response->mutable_loop());
  return Reply(context, absl::OkStatus());
}

grpc::ServerWriteReactor<v1::WatchSocketsResponse>* AdminService::WatchSockets(
    grpc::CallbackServerContext*, const v1::WatchSocketsRequest* request) {
  return watches_.Start(*request);
}

}  // namespace sockhost
