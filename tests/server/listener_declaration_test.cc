#include "server/listener_declaration.h"

#include <gmock/gmock.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::Each;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::Truly;

v1::Listener Declared() {
  v1::Listener listener;
  listener.set_name("listeners/web");
  listener.set_service("services/echo");
  listener.set_address("tcp://127.0.0.1:7");
  listener.set_max_connections(5);
  listener.set_enabled(true);
  (*listener.mutable_labels())["a"] = "1";
  listener.mutable_tcp_keepalive()->set_count(3);
  return listener;
}

Reason ReasonOf(const absl::Status& status, const std::string& field) {
  const auto detail = DetailOf(status);
  EXPECT_TRUE(detail) << status;
  if (!detail) return Reason::kINTERNAL;
  EXPECT_EQ(detail->field, field);
  return detail->reason;
}

// ---- Updates ----------------------------------------------------------------------

TEST(MergeUpdateTest, WithoutAMaskFieldsThatAreSetAreTaken) {
  v1::UpdateListenerRequest request;
  request.mutable_listener()->set_max_connections(7);
  request.mutable_listener()->set_uid("mine");
  v1::Listener declared = Declared();
  ASSERT_TRUE(MergeUpdate(request, declared).ok());
  EXPECT_EQ(declared.max_connections(), 7);
  EXPECT_EQ(declared.uid(), "");
  EXPECT_EQ(declared.address(), "tcp://127.0.0.1:7");
}

TEST(MergeUpdateTest, FieldThatIsNamedAndNotSetGoesBackToItsDefault) {
  v1::UpdateListenerRequest request;
  for (const char* path : {"max_connections", "labels", "tcp_keepalive", "enabled"}) {
    request.mutable_update_mask()->add_paths(path);
  }
  v1::Listener declared = Declared();
  declared.set_enabled(false);
  ASSERT_TRUE(MergeUpdate(request, declared).ok());
  EXPECT_EQ(declared.max_connections(), 0);
  EXPECT_TRUE(declared.labels().empty());
  EXPECT_FALSE(declared.has_tcp_keepalive());
  EXPECT_TRUE(declared.enabled());
}

TEST(MergeUpdateTest, PartOfAMessageCanBeNamed) {
  v1::UpdateListenerRequest request;
  request.mutable_update_mask()->add_paths("tcp_keepalive.idle");
  request.mutable_listener()->mutable_tcp_keepalive()->mutable_idle()->set_seconds(9);
  v1::Listener declared = Declared();
  ASSERT_TRUE(MergeUpdate(request, declared).ok());
  EXPECT_EQ(declared.tcp_keepalive().idle().seconds(), 9);
  EXPECT_EQ(declared.tcp_keepalive().count(), 3);
}

// Whether the message is there means something: without tcp_keepalive there are no probes.
TEST(MergeUpdateTest, PartThatIsResetMakesNoMessage) {
  v1::Listener declared = Declared();
  declared.clear_tcp_keepalive();
  declared.mutable_banner()->set_text("x");
  const std::string before = declared.SerializeAsString();
  for (const char* path : {"tcp_keepalive.idle", "tcp_keepalive.idle.seconds", "unix_access.mode",
                           "udp_guard.reply_rate", "forward.policy"}) {
    v1::UpdateListenerRequest request;
    request.mutable_update_mask()->add_paths(path);
    ASSERT_TRUE(MergeUpdate(request, declared).ok()) << path;
    EXPECT_EQ(declared.SerializeAsString(), before) << path;
  }
}

TEST(MergeUpdateTest, MessageStaysWhenItsLastPartIsReset) {
  v1::UpdateListenerRequest request;
  request.mutable_update_mask()->add_paths("tcp_keepalive.count");
  v1::Listener declared = Declared();
  ASSERT_TRUE(MergeUpdate(request, declared).ok());
  EXPECT_TRUE(declared.has_tcp_keepalive());
  EXPECT_EQ(declared.tcp_keepalive().count(), 0);
}

TEST(MergeUpdateTest, UnknownFieldsAreNotKept) {
  v1::Listener declared = Declared();
  v1::UpdateListenerRequest request;
  auto& keepalive = *request.mutable_listener()->mutable_tcp_keepalive();
  keepalive.set_count(3);
  keepalive.GetReflection()->MutableUnknownFields(&keepalive)->AddVarint(9999, 1);
  ASSERT_TRUE(MergeUpdate(request, declared).ok());
  EXPECT_EQ(declared.SerializeAsString(), Declared().SerializeAsString());
}

TEST(MergeUpdateTest, StarReplacesEverythingButNameAndService) {
  v1::UpdateListenerRequest request;
  request.mutable_update_mask()->add_paths("*");
  request.mutable_listener()->set_address("udp://127.0.0.1:9");
  v1::Listener declared = Declared();
  ASSERT_TRUE(MergeUpdate(request, declared).ok());
  v1::Listener wanted;
  wanted.set_name("listeners/web");
  wanted.set_service("services/echo");
  wanted.set_address("udp://127.0.0.1:9");
  wanted.set_enabled(true);
  EXPECT_EQ(declared.DebugString(), wanted.DebugString());
}

TEST(MergeUpdateTest, PathsThatCannotBeUpdatedAreRefused) {
  for (const char* path : {"state", "etag", "counters.receive_bytes", "nosuch", "labels.a", "",
                           "*.a", "tcp_keepalive.nosuch"}) {
    v1::UpdateListenerRequest request;
    request.mutable_update_mask()->add_paths(path);
    v1::Listener declared = Declared();
    EXPECT_EQ(ReasonOf(MergeUpdate(request, declared), "update_mask"), Reason::kMASK_INVALID)
        << path;
    EXPECT_EQ(declared.DebugString(), Declared().DebugString());
  }
}

TEST(MergeUpdateTest, ErrorSaysWhyAPathIsRefused) {
  const auto message = [](const char* path) {
    v1::UpdateListenerRequest request;
    request.mutable_update_mask()->add_paths(path);
    request.mutable_update_mask()->add_paths("*");
    v1::Listener declared = Declared();
    return std::string(MergeUpdate(request, declared).message());
  };
  EXPECT_EQ(message("maxConnections"),
            "update_mask path \"maxConnections\": \"maxConnections\" is no field of Listener; did "
            "you mean max_connections?");
  EXPECT_THAT(message("zzzz"), HasSubstr("\"zzzz\" is no field of Listener; names are those"));
  EXPECT_THAT(message("counters.receive_bytes"), HasSubstr("it is output only"));
  EXPECT_THAT(message("labels.a"), HasSubstr("parts of labels cannot be named; name it alone"));
  EXPECT_THAT(message("labels"), HasSubstr("path \"*\": it stands for all fields"));
}

TEST(MergeUpdateTest, StarIsAlone) {
  v1::UpdateListenerRequest request;
  request.mutable_update_mask()->add_paths("*");
  request.mutable_update_mask()->add_paths("labels");
  v1::Listener declared = Declared();
  EXPECT_EQ(ReasonOf(MergeUpdate(request, declared), "update_mask"), Reason::kMASK_INVALID);
}

TEST(MergeUpdateTest, ServiceCannotChange) {
  v1::UpdateListenerRequest request;
  v1::Listener declared = Declared();
  for (const char* same : {"echo", "services/echo", ""}) {
    request.mutable_listener()->set_service(same);
    EXPECT_TRUE(MergeUpdate(request, declared).ok()) << same;
  }
  for (const char* other : {"discard", "services/"}) {
    request.mutable_listener()->set_service(other);
    const absl::Status status = MergeUpdate(request, declared);
    EXPECT_EQ(ReasonOf(status, "listener.service"), Reason::kFIELD_INVALID);
    EXPECT_EQ(DetailOf(status)->metadata["value"], other);
  }
}

// ---- Decoding ---------------------------------------------------------------------

TEST(DecodeListenerTest, DefaultsAreThoseOfTheContract) {
  v1::Listener listener;
  listener.set_service("echo");
  listener.set_address("tcp://127.0.0.1:0");
  const absl::StatusOr<ListenerConfig> config = DecodeListener("web", listener);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->name, "web");
  EXPECT_EQ(config->service, "echo");
  EXPECT_TRUE(config->enabled);
  EXPECT_FALSE(config->socket.tuning.keepalive);
  EXPECT_EQ(config->idle_timeout, absl::ZeroDuration());
  EXPECT_EQ(config->drain_timeout, absl::Seconds(30));
  EXPECT_EQ(config->socket.unix_access, UnixSocketAccess());
}

TEST(DecodeListenerTest, DurationsAndAccessAreRead) {
  v1::Listener listener;
  listener.set_service("services/echo");
  listener.set_address("unix:///tmp/x.sock");
  listener.mutable_idle_timeout()->set_nanos(500'000'000);
  listener.mutable_drain_timeout()->set_seconds(0);
  listener.mutable_unix_access()->set_mode("0640");
  listener.mutable_unix_access()->set_owner("root");
  listener.mutable_unix_access()->set_group("12345");
  const absl::StatusOr<ListenerConfig> config = DecodeListener("web", listener);
  ASSERT_TRUE(config.ok()) << config.status();
  EXPECT_EQ(config->idle_timeout, absl::Milliseconds(500));
  EXPECT_EQ(config->drain_timeout, absl::ZeroDuration());
  EXPECT_EQ(config->socket.unix_access.mode, 0640u);
  EXPECT_EQ(config->socket.unix_access.owner, 0);
  EXPECT_EQ(config->socket.unix_access.group, 12345);
}

TEST(DecodeListenerTest, DurationThatIsNoneIsRefusedAtEachField) {
  using Duration = google::protobuf::Duration;
  const std::pair<const char*, Duration* (*)(v1::Listener&)> kFields[] = {
      {"idle_timeout", [](v1::Listener& l) { return l.mutable_idle_timeout(); }},
      {"max_lifetime", [](v1::Listener& l) { return l.mutable_max_lifetime(); }},
      {"drain_timeout", [](v1::Listener& l) { return l.mutable_drain_timeout(); }},
      {"tcp_user_timeout", [](v1::Listener& l) { return l.mutable_tcp_user_timeout(); }},
      {"tcp_keepalive.idle",
       [](v1::Listener& l) { return l.mutable_tcp_keepalive()->mutable_idle(); }},
      {"tcp_keepalive.interval",
       [](v1::Listener& l) { return l.mutable_tcp_keepalive()->mutable_interval(); }},
      {"forward.connect_timeout",
       [](v1::Listener& l) { return l.mutable_forward()->mutable_connect_timeout(); }},
  };
  for (const auto& [field, mutable_field] : kFields) {
    v1::Listener listener;
    listener.set_service("forward");
    listener.set_address("tcp://127.0.0.1:0");
    listener.mutable_forward()->add_upstreams("tcp://127.0.0.1:1");
    Duration& duration = *mutable_field(listener);
    // Each is a time in the range of the field once it is added up.
    duration.set_seconds(1);
    duration.set_nanos(2'000'000'000);
    EXPECT_EQ(ReasonOf(DecodeListener("web", listener).status(), absl::StrCat("listener.", field)),
              Reason::kFIELD_INVALID);
    duration.set_seconds(2);
    duration.set_nanos(-5);
    EXPECT_EQ(ReasonOf(DecodeListener("web", listener).status(), absl::StrCat("listener.", field)),
              Reason::kFIELD_INVALID);
    duration.set_nanos(5);
    EXPECT_TRUE(DecodeListener("web", listener).ok()) << field;
  }
}

TEST(DecodeListenerTest, OptionsOfConnectionsAreRefusedForDatagrams) {
  const std::pair<const char*, void (*)(v1::Listener&)> kOptions[] = {
      {"backlog", [](v1::Listener& l) { l.set_backlog(5); }},
      {"max_connections", [](v1::Listener& l) { l.set_max_connections(5); }},
      {"max_connections_per_source", [](v1::Listener& l) { l.set_max_connections_per_source(5); }},
      {"max_accepts_per_event", [](v1::Listener& l) { l.set_max_accepts_per_event(5); }},
      {"idle_timeout", [](v1::Listener& l) { l.mutable_idle_timeout()->set_seconds(5); }},
      {"max_lifetime", [](v1::Listener& l) { l.mutable_max_lifetime()->set_seconds(5); }},
  };
  for (const auto& [field, set] : kOptions) {
    v1::Listener listener;
    listener.set_service("echo");
    set(listener);
    for (const char* address : {"udp://127.0.0.1:0", "unixgram:@x"}) {
      listener.set_address(address);
      const absl::Status status = DecodeListener("web", listener).status();
      EXPECT_EQ(ReasonOf(status, absl::StrCat("listener.", field)), Reason::kFIELD_INVALID);
      EXPECT_THAT(DetailOf(status)->metadata.at("value"), AnyOf("5", "5s"));
      EXPECT_EQ(DetailOf(status)->metadata.at("address"), address);
    }
    listener.set_address("tcp://127.0.0.1:0");
    EXPECT_TRUE(DecodeListener("web", listener).ok()) << field;
  }
}

TEST(DecodeListenerTest, ParametersThatAreNotForTheAddressAreRefusedWithTheirValue) {
  const struct {
    const char* service;
    const char* field;
    const char* value;
    bool is_of_udp;
    void (*set)(v1::Listener&);
  } cases[] = {
      {"echo", "udp_guard", "reply_rate: 5", true,
       [](v1::Listener& l) { l.mutable_udp_guard()->set_reply_rate(5); }},
      {"forward", "forward.proxy_protocol", "true", false,
       [](v1::Listener& l) { l.mutable_forward()->set_proxy_protocol(true); }},
      {"forward", "forward.connect_timeout", "1.5s", false,
       [](v1::Listener& l) {
         l.mutable_forward()->mutable_connect_timeout()->set_seconds(1);
         l.mutable_forward()->mutable_connect_timeout()->set_nanos(500'000'000);
       }},
      {"forward", "forward.flow_idle_timeout", "1s", true,
       [](v1::Listener& l) { l.mutable_forward()->mutable_flow_idle_timeout()->set_seconds(1); }},
      {"forward", "forward.max_flows", "5", true,
       [](v1::Listener& l) { l.mutable_forward()->set_max_flows(5); }},
      {"forward", "forward.max_flows_per_source", "6", true,
       [](v1::Listener& l) { l.mutable_forward()->set_max_flows_per_source(6); }},
  };
  for (const auto& c : cases) {
    for (const bool is_udp : {false, true}) {
      const std::string scheme = is_udp ? "udp" : "tcp";
      v1::Listener listener;
      listener.set_service(c.service);
      listener.set_address(scheme + "://127.0.0.1:0");
      if (listener.service() == "forward") {
        listener.mutable_forward()->add_upstreams(scheme + "://127.0.0.1:1");
      }
      c.set(listener);
      const absl::Status status = DecodeListener("web", listener).status();
      if (is_udp == c.is_of_udp) {
        EXPECT_TRUE(status.ok()) << status;
        continue;
      }
      EXPECT_EQ(ReasonOf(status, absl::StrCat("listener.", c.field)), Reason::kFIELD_INVALID);
      EXPECT_EQ(DetailOf(status)->metadata,
                (ErrorMetadata{{"value", c.value}, {"address", listener.address()}}));
    }
  }
}

std::vector<std::string> WrongFields(const v1::Listener& listener) {
  const std::optional<ErrorDetail> detail = DetailOf(DecodeListener("web", listener).status());
  if (!detail) return {};
  std::vector<std::string> fields = {detail->field};
  for (const FieldViolation& other : detail->others) fields.push_back(other.field);
  return fields;
}

TEST(DecodeListenerTest, EachWrongFieldIsNamed) {
  v1::Listener listener;
  listener.set_service("forward");
  listener.set_address("udp://127.0.0.1:0");
  listener.set_display_name(std::string(257, 'x'));
  listener.mutable_drain_timeout()->set_nanos(2'000'000'000);
  listener.set_max_connections(5);
  listener.set_max_accepts_per_event(5);
  listener.mutable_forward()->add_upstreams("nonsense");
  listener.mutable_forward()->set_proxy_protocol(true);
  listener.mutable_forward()->set_max_flows(-1);
  listener.mutable_unix_access()->set_mode("rw");
  listener.mutable_tcp_keepalive();
  EXPECT_THAT(
      WrongFields(listener),
      ElementsAre("listener.display_name", "listener.drain_timeout", "listener.max_connections",
                  "listener.max_accepts_per_event", "listener.forward.proxy_protocol",
                  "listener.forward.upstreams[0]", "listener.forward.max_flows",
                  "listener.unix_access.mode", "listener.tcp_keepalive"));
}

TEST(DecodeListenerTest, WhatDependsOnAWrongFieldIsNotLookedFor) {
  v1::Listener listener;
  listener.set_address("nonsense");
  listener.set_backlog(-1);
  listener.mutable_banner()->set_text("x");
  listener.mutable_tcp_keepalive();
  EXPECT_THAT(WrongFields(listener),
              ElementsAre("listener.service", "listener.address", "listener.backlog"));
}

TEST(DecodeListenerTest, ParametersOfAnotherServiceAreNamed) {
  v1::Listener listener;
  listener.set_address("tcp://127.0.0.1:0");
  listener.mutable_banner()->set_text("x");
  for (const char* service : {"forward", "echo"}) {
    listener.set_service(service);
    EXPECT_EQ(ReasonOf(DecodeListener("web", listener).status(), "listener.banner"),
              Reason::kFIELD_INVALID);
  }
  listener.mutable_forward()->add_upstreams("tcp://127.0.0.1:1");
  for (const char* service : {"banner", "echo"}) {
    listener.set_service(service);
    EXPECT_EQ(ReasonOf(DecodeListener("web", listener).status(), "listener.forward"),
              Reason::kFIELD_INVALID);
  }
}

TEST(DecodeListenerTest, HostOfAnUpstreamMayBeAName) {
  v1::Listener listener;
  listener.set_service("forward");
  listener.set_address("tcp://127.0.0.1:0");
  listener.mutable_forward()->add_upstreams("tcp://no such:1");
  const absl::Status status = DecodeListener("web", listener).status();
  EXPECT_EQ(ReasonOf(status, "listener.forward.upstreams[0]"), Reason::kADDRESS_INVALID);
  EXPECT_THAT(status.message(), AllOf(HasSubstr("nor a name of letters"), HasSubstr("dns.local")));
}

// Gives `field` a value that is not its default.
void Set(v1::Listener& listener, const google::protobuf::FieldDescriptor& field) {
  using google::protobuf::FieldDescriptor;
  const google::protobuf::Reflection& reflection = *listener.GetReflection();
  switch (field.cpp_type()) {
    case FieldDescriptor::CPPTYPE_STRING:
      return reflection.SetString(&listener, &field, "x");
    case FieldDescriptor::CPPTYPE_INT32:
      return reflection.SetInt32(&listener, &field, 1);
    case FieldDescriptor::CPPTYPE_ENUM:
      return reflection.SetEnumValue(&listener, &field, 1);
    case FieldDescriptor::CPPTYPE_MESSAGE:
      field.is_repeated() ? reflection.AddMessage(&listener, &field)
                          : reflection.MutableMessage(&listener, &field);
      return;
    default:
      FAIL() << field.full_name();
  }
}

// A client that shows the message as it is must not be told to clear its screen.
TEST(DecodeListenerTest, ErrorShowsNoControlCharacters) {
  v1::Listener listener = Declared();
  listener.set_service("services/\x1b[2J\n");
  listener.mutable_banner()->set_text("x");
  const absl::Status status = DecodeListener("web", listener).status();
  EXPECT_EQ(ReasonOf(status, "listener.banner"), Reason::kFIELD_INVALID);
  EXPECT_THAT(status.message(),
              AllOf(HasSubstr("\"\\x1b[2J\\n\""), Each(Truly(absl::ascii_isprint))));
}

TEST(DecodeListenerTest, WhatIsOutputOnlyIsCleared) {
  v1::Listener listener = Declared();
  int output_only = 0;
  for (int i = 0; i < v1::Listener::descriptor()->field_count(); ++i) {
    const google::protobuf::FieldDescriptor& field = *v1::Listener::descriptor()->field(i);
    if (!IsOutputOnly(field.name())) continue;
    ++output_only;
    Set(listener, field);
  }
  EXPECT_GT(output_only, 10);
  ClearOutputOnly(listener);
  EXPECT_EQ(listener.DebugString(), Declared().DebugString());
}

}  // namespace
}  // namespace sockhost
