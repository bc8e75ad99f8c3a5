#include "server/listener_record.h"

#include <gmock/gmock.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::MatchesRegex;
using testing::Pair;

v1::Listener WithLabel(const std::string& key, const std::string& value) {
  v1::Listener listener;
  (*listener.mutable_labels())[key] = value;
  return listener;
}

v1::Listener WithLabels(int count) {
  v1::Listener listener;
  for (int i = 0; i < count; ++i) listener.mutable_labels()->insert({absl::StrCat("k", i), "v"});
  return listener;
}

v1::Listener WithDisplayName(const std::string& text) {
  v1::Listener listener;
  listener.set_display_name(text);
  return listener;
}

void ExpectInvalid(const v1::Listener& listener, absl::string_view field) {
  const absl::Status status = ValidateListenerTexts(listener);
  const auto detail = DetailOf(status);
  ASSERT_TRUE(detail) << status;
  EXPECT_EQ(detail->reason, Reason::kFIELD_INVALID);
  EXPECT_EQ(detail->field, field);
  EXPECT_LT(status.message().size(), 1000u);
}

TEST(ListenerRecordTest, TextsWithinTheirLimitsAreTaken) {
  for (const v1::Listener& listener :
       {v1::Listener(), WithDisplayName(std::string(256, 'x')), WithLabels(64), WithLabel("a", ""),
        WithLabel(std::string(63, 'a'), std::string(256, 'v')),
        WithLabel("a_b.c-d9", "\n\xc3\xa4")}) {
    EXPECT_TRUE(ValidateListenerTexts(listener).ok()) << listener.DebugString();
  }
}

TEST(ListenerRecordTest, LongDisplayNameIsRefused) {
  ExpectInvalid(WithDisplayName(std::string(257, 'x')), "listener.display_name");
  ExpectInvalid(WithDisplayName(std::string(1'000'000, '\n')), "listener.display_name");
}

TEST(ListenerRecordTest, WrongLabelsAreRefused) {
  ExpectInvalid(WithLabels(65), "listener.labels");
  ExpectInvalid(WithLabel("k", std::string(257, 'v')), "listener.labels");
  for (const std::string& key :
       {std::string(), std::string("K"), std::string("1k"), std::string("k-"), std::string("k."),
        std::string("_k"), std::string("k k"), std::string("k/k"), std::string("\xc3\xa4"),
        std::string("k\0", 2), std::string(64, 'k')}) {
    SCOPED_TRACE(key);
    ExpectInvalid(WithLabel(key, "v"), "listener.labels");
  }
}

TEST(ListenerRecordTest, RecordHoldsTheTextsAndIsNew) {
  v1::Listener listener = WithLabel("env", "test");
  listener.set_display_name("Web");
  listener.set_service("echo");
  listener.set_uid("not mine");
  listener.set_state_reason("not mine");
  const int64_t before = absl::GetCurrentTimeNanos();
  const auto record = MakeListenerRecord("web", listener);
  const v1::Listener declared = DeclaredOf(*record);
  EXPECT_EQ(declared.name(), "listeners/web");
  EXPECT_EQ(declared.service(), "services/echo");
  EXPECT_EQ(declared.display_name(), "Web");
  EXPECT_EQ(declared.uid(), "");
  EXPECT_EQ(declared.state_reason(), "");
  EXPECT_THAT(declared.labels(), ElementsAre(Pair("env", "test")));
  EXPECT_EQ(listener.DebugString(), declared.DebugString());
  EXPECT_EQ(record->display_name, "Web");
  EXPECT_THAT(record->labels, ElementsAre(Pair("env", "test")));
  EXPECT_GE(record->create_time_nanos, before);
  EXPECT_EQ(record->create_time_nanos, record->update_time_nanos);
  const auto another = MakeListenerRecord("web", listener);
  EXPECT_NE(record->uid, another->uid);
  EXPECT_NE(record->etag, another->etag);
}

TEST(ListenerRecordTest, UnknownFieldsAreNotKept) {
  v1::Listener listener;
  listener.mutable_tcp_keepalive()->set_count(3);
  const std::string known = DeclaredOf(*MakeListenerRecord("web", listener)).SerializeAsString();
  for (google::protobuf::Message* message :
       {static_cast<google::protobuf::Message*>(&listener),
        static_cast<google::protobuf::Message*>(listener.mutable_tcp_keepalive())}) {
    message->GetReflection()->MutableUnknownFields(message)->AddLengthDelimited(
        9999, std::string(1000, 'x'));
  }
  EXPECT_EQ(DeclaredOf(*MakeListenerRecord("web", listener)).SerializeAsString(), known);
  EXPECT_LT(listener.ByteSizeLong(), 1000u);
}

TEST(ListenerRecordTest, KnowsHowMuchMemoryItIs) {
  v1::Listener small;
  EXPECT_LT(MakeListenerRecord("web", small)->bytes, 1000u);
  v1::Listener labels = WithLabel("env", std::string(256, 'v'));
  EXPECT_GE(MakeListenerRecord("web", labels)->bytes, 3 * 256u) << "also as the labels of filters";
  v1::Listener banner;
  banner.mutable_banner()->set_text(std::string(65536, 'x'));
  const auto record = MakeListenerRecord("web", banner);
  EXPECT_GE(record->bytes, 2 * 65536u) << "also as the parameters of the service";
  EXPECT_EQ(UpdatedRecord(*record, banner)->bytes, record->bytes);
}

TEST(ListenerRecordTest, UuidIsRandomVersion4) {
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const std::string uuid = UuidText(MakeUuid());
    EXPECT_THAT(uuid, MatchesRegex("[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-"
                                   "[0-9a-f]{12}"));
    seen.insert(uuid);
  }
  EXPECT_EQ(seen.size(), 1000u);
}

}  // namespace
}  // namespace sockhost
