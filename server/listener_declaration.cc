#include "listener_declaration.h"

#include <google/protobuf/util/field_mask_util.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "account_file.h"
#include "listener_record.h"
#include "mask_path.h"
#include "proto_encoding.h"
#include "resource_name.h"
#include "service_parameters.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using google::protobuf::FieldDescriptor;
using google::protobuf::FieldMask;
using google::protobuf::util::FieldMaskUtil;

constexpr absl::string_view kOutputOnly[] = {
    "uid",       "effective_address", "effective_backlog", "effective_receive_buffer_bytes",
    "state",     "state_reason",      "drain_time",        "effective_send_buffer_bytes",
    "etag",      "create_time",       "update_time",       "counters",
    "upstreams",
};

// A value that is too long to be one is not shown as a whole.
constexpr size_t kShownLength = 64;

constexpr absl::string_view kMaskField = "update_mask";

std::vector<const FieldDescriptor*> FieldsOfListener() {
  std::vector<const FieldDescriptor*> fields;
  const google::protobuf::Descriptor& descriptor = *v1::Listener::descriptor();
  for (int i = 0; i < descriptor.field_count(); ++i) fields.push_back(descriptor.field(i));
  return fields;
}

absl::Status AccessError(absl::string_view field, const std::string& value,
                         absl::string_view rule) {
  const std::string shown = absl::CHexEscape(value.substr(0, kShownLength));
  return Error(Reason::kFIELD_INVALID,
               absl::StrCat("unix_access.", field, " \"", shown, "\": ", rule), {{"value", shown}},
               absl::StrCat("listener.unix_access.", field));
}

absl::StatusOr<UnixSocketAccess> DecodeAccess(const v1::UnixAccess& access) {
  UnixSocketAccess out;
  if (!access.mode().empty()) {
    const bool is_octal = access.mode().size() <= 4 &&
                          access.mode().find_first_not_of("01234567") == std::string::npos;
    if (is_octal) out.mode = static_cast<unsigned>(std::stoul(access.mode(), nullptr, 8));
    if (out.mode == 0 || out.mode > 0777) {
      return AccessError("mode", access.mode(), "use an octal number from 0001 to 0777");
    }
  }
  if (!access.owner().empty()) {
    const auto owner = UserId(access.owner());
    if (!owner)
      return AccessError("owner", access.owner(), "no user of /etc/passwd, and no number");
    out.owner = *owner;
  }
  if (!access.group().empty()) {
    const auto group = GroupId(access.group());
    if (!group)
      return AccessError("group", access.group(), "no group of /etc/group, and no number");
    out.group = *group;
  }
  return out;
}

void CheckDurations(const v1::Listener& declared, FieldErrors& errors) {
  const struct {
    absl::string_view field;
    const google::protobuf::Duration& value;
  } rows[] = {
      {"listener.idle_timeout", declared.idle_timeout()},
      {"listener.max_lifetime", declared.max_lifetime()},
      {"listener.drain_timeout", declared.drain_timeout()},
      {"listener.tcp_user_timeout", declared.tcp_user_timeout()},
      {"listener.tcp_keepalive.idle", declared.tcp_keepalive().idle()},
      {"listener.tcp_keepalive.interval", declared.tcp_keepalive().interval()},
  };
  for (const auto& row : rows) errors.Add(CheckDuration(row.value, row.field));
}

// Options of connections would be taken for set on a socket of datagrams, and do nothing.
void RefuseConnectionOptions(const v1::Listener& declared, FieldErrors& errors) {
  const struct {
    absl::string_view field;
    std::string value;
  } rows[] = {
      {"backlog", absl::StrCat(declared.backlog())},
      {"max_connections", absl::StrCat(declared.max_connections())},
      {"max_connections_per_source", absl::StrCat(declared.max_connections_per_source())},
      {"max_accepts_per_event", absl::StrCat(declared.max_accepts_per_event())},
      {"idle_timeout", absl::FormatDuration(DecodeDuration(declared.idle_timeout()))},
      {"max_lifetime", absl::FormatDuration(DecodeDuration(declared.max_lifetime()))},
  };
  for (const auto& row : rows) {
    // A field that is not set is no error.
    if (row.value == "0") continue;
    errors.Add(Error(Reason::kFIELD_INVALID,
                     absl::StrCat(row.field, " ", row.value, ": it is for connections, and ",
                                  declared.address(), " takes datagrams; leave it out"),
                     {{"value", row.value}, {"address", declared.address()}},
                     absl::StrCat("listener.", row.field)));
  }
}

bool IsUpdatable(absl::string_view field) {
  return field != "name" && field != "service" && !IsOutputOnly(field);
}

// True if `listener` has the message of whose fields `path` names one.
bool HasMessageOf(const v1::Listener& listener, absl::string_view path) {
  const google::protobuf::Message* message = &listener;
  for (size_t dot = path.find('.'); dot != path.npos; dot = path.find('.')) {
    const FieldDescriptor* field =
        message->GetDescriptor()->FindFieldByName(std::string(path.substr(0, dot)));
    if (!message->GetReflection()->HasField(*message, field)) return false;
    message = &message->GetReflection()->GetMessage(*message, field);
    path.remove_prefix(dot + 1);
  }
  return true;
}

// The fields that `request` changes in `declared`.
absl::StatusOr<FieldMask> FieldsToChange(const v1::UpdateListenerRequest& request,
                                         const v1::Listener& declared) {
  const FieldMask& mask = request.update_mask();
  const bool all = mask.paths_size() == 1 && mask.paths(0) == "*";
  FieldMask fields;
  if (all || mask.paths().empty()) {
    const v1::Listener& listener = request.listener();
    for (const FieldDescriptor* field : FieldsOfListener()) {
      const bool is_set = field->is_repeated()
                              ? listener.GetReflection()->FieldSize(listener, field) > 0
                              : listener.GetReflection()->HasField(listener, field);
      if (IsUpdatable(field->name()) && (all || is_set)) fields.add_paths(field->name());
    }
    return fields;
  }
  for (const std::string& path : mask.paths()) {
    const absl::string_view field = *absl::StrSplit(path, '.').begin();
    if (path == "*") return MaskError(path, "it stands for all fields; name it alone", kMaskField);
    absl::Status status = CheckMaskPath(path, *v1::Listener::descriptor(), kMaskField);
    if (!status.ok()) return status;
    if (IsOutputOnly(field)) {
      return MaskError(path, "it is output only and cannot be changed; leave it out", kMaskField);
    }
    // They cannot differ: `name` has led here, `service` is compared.
    if (!IsUpdatable(field)) continue;
    // It has its default already, and merging it would make the message, which means something.
    if (!HasMessageOf(request.listener(), path) && !HasMessageOf(declared, path)) continue;
    fields.add_paths(path);
  }
  return fields;
}

absl::string_view SchemeOf(absl::string_view address) {
  return address.substr(0, address.find(':'));
}

}  // namespace

SocketOptions DecodeSocketOptions(const v1::Listener& declared, const UnixSocketAccess& access) {
  SocketOptions out;
  out.backlog = declared.backlog();
  out.ipv6_only = declared.ipv6_only();
  out.reuse_port = declared.reuse_port();
  out.unix_access = access;
  out.tuning.keepalive = declared.has_tcp_keepalive();
  out.tuning.keepalive_idle = DecodeDuration(declared.tcp_keepalive().idle());
  out.tuning.keepalive_interval = DecodeDuration(declared.tcp_keepalive().interval());
  out.tuning.keepalive_count = declared.tcp_keepalive().count();
  out.tuning.tcp_user_timeout = DecodeDuration(declared.tcp_user_timeout());
  out.tuning.receive_buffer_bytes = declared.receive_buffer_bytes();
  out.tuning.send_buffer_bytes = declared.send_buffer_bytes();
  return out;
}

bool IsOutputOnly(absl::string_view field) {
  return std::find(std::begin(kOutputOnly), std::end(kOutputOnly), field) != std::end(kOutputOnly);
}

// Not by the table above: reflection takes longer than opening a socket.
void ClearOutputOnly(v1::Listener& listener) {
  listener.clear_uid();
  listener.clear_effective_address();
  listener.clear_effective_backlog();
  listener.clear_effective_receive_buffer_bytes();
  listener.clear_effective_send_buffer_bytes();
  listener.clear_state();
  listener.clear_state_reason();
  listener.clear_drain_time();
  listener.clear_etag();
  listener.clear_create_time();
  listener.clear_update_time();
  listener.clear_counters();
  listener.clear_upstreams();
}

absl::Status MergeUpdate(const v1::UpdateListenerRequest& request, v1::Listener& declared) {
  const v1::Listener& listener = request.listener();
  const std::string& service = listener.service();
  if (!service.empty() && ServiceId(service) != ServiceId(declared.service())) {
    return Error(Reason::kFIELD_INVALID,
                 absl::StrCat("service cannot change from ", ServiceId(declared.service()),
                              "; delete the listener and make a new one"),
                 {{"service", declared.service()},
                  {"value", absl::CHexEscape(service.substr(0, kShownLength))}},
                 "listener.service");
  }
  const absl::StatusOr<FieldMask> fields = FieldsToChange(request, declared);
  if (!fields.ok()) return fields.status();
  FieldMaskUtil::MergeOptions options;
  options.set_replace_message_fields(true);
  options.set_replace_repeated_fields(true);
  FieldMaskUtil::MergeMessageTo(listener, *fields, options, &declared);
  declared.DiscardUnknownFields();  // as MakeListenerRecord does
  // Its default is not what the message says of a field that is not set.
  const bool resets_enabled =
      !listener.has_enabled() && FieldMaskUtil::IsPathInFieldMask("enabled", *fields);
  if (resets_enabled) declared.set_enabled(true);
  return absl::OkStatus();
}

bool HaveSameParameters(const v1::Listener& a, const v1::Listener& b) {
  // Rather once too often than never: this may be false where they say the same.
  return SchemeOf(a.address()) == SchemeOf(b.address()) &&
         a.forward().SerializeAsString() == b.forward().SerializeAsString() &&
         a.banner().SerializeAsString() == b.banner().SerializeAsString() &&
         a.has_udp_guard() == b.has_udp_guard() &&
         a.udp_guard().SerializeAsString() == b.udp_guard().SerializeAsString() &&
         a.parameters_case() == b.parameters_case();
}

absl::StatusOr<ListenerConfig> DecodeListener(absl::string_view id, const v1::Listener& declared,
                                              const ListenerConfig* known) {
  FieldErrors errors;
  ListenerConfig config;
  const bool has_service = !declared.service().empty();
  if (!has_service) {
    errors.Add(Error(Reason::kSERVICE_INVALID,
                     "service is empty; name one of `sockctl service list`", {},
                     "listener.service"));
  }
  errors.Add(ValidateListenerTexts(declared));
  CheckDurations(declared, errors);
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(declared.address());
  if (address.ok()) {
    config.address = *address;
    if (address->is_datagram()) RefuseConnectionOptions(declared, errors);
  } else {
    errors.Add(WithField(address.status(), "listener.address"));
  }
  if (known) {
    config.parameters = known->parameters;
  } else if (address.ok() && has_service) {
    absl::StatusOr<std::shared_ptr<const ServiceParameters>> parameters =
        DecodeParameters(id, declared);
    if (parameters.ok()) config.parameters = *std::move(parameters);
    errors.Add(parameters.status());
  }
  const absl::StatusOr<UnixSocketAccess> access = DecodeAccess(declared.unix_access());
  errors.Add(access.status());

  config.name = std::string(id);
  config.service = std::string(ServiceId(declared.service()));
  config.socket = DecodeSocketOptions(declared, access.value_or(UnixSocketAccess()));
  config.enabled = !declared.has_enabled() || declared.enabled();
  config.max_connections = declared.max_connections();
  config.max_connections_per_source = declared.max_connections_per_source();
  config.max_accepts_per_event = declared.max_accepts_per_event();
  config.idle_timeout = DecodeDuration(declared.idle_timeout());
  config.max_lifetime = DecodeDuration(declared.max_lifetime());
  if (declared.has_drain_timeout()) {
    config.drain_timeout = DecodeDuration(declared.drain_timeout());
  }
  if (errors.empty()) return config;
  // The core would, had there been no error here.
  errors.Add(ValidateListenerConfig(config));
  return errors.ToStatus();
}

}  // namespace sockhost
