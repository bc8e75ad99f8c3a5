#include "client/json_text.h"

#include <gmock/gmock.h>
#include <google/protobuf/util/json_util.h>
#include <google/protobuf/util/message_differencer.h>

#include <algorithm>

#include "client/read_mask.h"
#include "sockhost/v1/admin.pb.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost::client {
namespace {

using testing::HasSubstr;
using testing::Not;

TEST(JsonTextTest, NamesAreLowerCamelCase) {
  v1::Listener listener;
  listener.set_name("listeners/web");
  listener.set_effective_address("tcp://127.0.0.1:7");
  listener.mutable_counters()->set_poll_in_events(7);
  const std::string json = *JsonText(listener, JsonLayout::kIndented);
  EXPECT_THAT(json, HasSubstr("\"effectiveAddress\": \"tcp://127.0.0.1:7\""));
  EXPECT_THAT(json, HasSubstr("\"pollInEvents\": \"7\"")) << "int64 is a string in proto3 JSON";
}

TEST(JsonTextTest, ZeroCountersArePrinted) {
  v1::Socket socket;
  socket.mutable_counters();
  const std::string json = *JsonText(socket, JsonLayout::kOneLine);
  EXPECT_THAT(json, HasSubstr("\"pollInEvents\":\"0\""));
  EXPECT_THAT(json, HasSubstr("\"listener\":\"\""));
  EXPECT_THAT(json, HasSubstr("\"role\":\"ROLE_UNSPECIFIED\""));
  EXPECT_THAT(json, Not(HasSubstr("createTime"))) << "a message that is not set is absent";
}

TEST(JsonTextTest, LeftOutFieldsAreNotPrinted) {
  v1::WatchSocketsResponse message;
  v1::Socket& socket = *message.add_sockets();
  socket.set_name("sockets/1");
  socket.mutable_counters();
  socket.mutable_create_time()->set_seconds(1);
  google::protobuf::FieldMask mask;
  for (const char* path : {"fd", "counters.receive_bytes", "create_time.seconds"}) {
    mask.add_paths(path);
  }
  EXPECT_EQ(*JsonText(message, JsonLayout::kOneLine, LeftOutBy(mask)),
            "{\"instanceId\":\"\",\"sequence\":\"0\",\"sockets\":[{\"name\":\"sockets/1\",\"fd\":0,"
            "\"counters\":{\"receiveBytes\":\"0\"},\"createTime\":\"1970-01-01T00:00:01Z\"}],"
            "\"removed\":[],\"sync\":false,\"more\":false,\"reset\":false}\n");
  EXPECT_THAT(LeftOutBy({}), testing::IsEmpty());
  mask.add_paths("*");
  EXPECT_THAT(LeftOutBy(mask), testing::IsEmpty());
}

TEST(JsonTextTest, EmptyListIsOneObject) {
  EXPECT_EQ(*JsonText(v1::ListListenersResponse(), JsonLayout::kOneLine),
            "{\"listeners\":[],\"nextPageToken\":\"\"}\n");
}

TEST(JsonTextTest, ValueThatJsonHasNoFormForIsAnError) {
  v1::Listener listener;
  listener.mutable_idle_timeout()->set_nanos(2'000'000'000);
  EXPECT_EQ(JsonText(listener, JsonLayout::kOneLine).status().code(), absl::StatusCode::kInternal);
  listener.clear_idle_timeout();
  listener.mutable_create_time()->set_seconds(1'000'000'000'000);
  EXPECT_EQ(JsonText(listener, JsonLayout::kIndented).status().code(), absl::StatusCode::kInternal);
}

TEST(JsonTextTest, OneLineHasNoOtherLineEnd) {
  v1::WatchSocketsResponse message;
  message.add_sockets()->set_local_address("a\nb");
  const std::string json = *JsonText(message, JsonLayout::kOneLine);
  EXPECT_EQ(std::count(json.begin(), json.end(), '\n'), 1);
  EXPECT_EQ(json.back(), '\n');
}

TEST(JsonTextTest, ProtobufReadsItBack) {
  v1::Listener listener;
  listener.set_name("listeners/web");
  (*listener.mutable_labels())["env"] = "\"test\"";
  listener.set_state(v1::Listener::PAUSED);
  listener.mutable_create_time()->set_seconds(1'700'000'000);
  for (const JsonLayout layout : {JsonLayout::kIndented, JsonLayout::kOneLine}) {
    v1::Listener parsed;
    ASSERT_TRUE(
        google::protobuf::util::JsonStringToMessage(*JsonText(listener, layout), &parsed).ok());
    EXPECT_TRUE(google::protobuf::util::MessageDifferencer::Equals(listener, parsed));
  }
}

}  // namespace
}  // namespace sockhost::client
