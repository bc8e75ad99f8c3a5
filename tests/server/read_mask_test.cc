#include "server/read_mask.h"

#include <gmock/gmock.h>

#include <initializer_list>

#include "sockhost/error.h"
#include "sockhost/v1/socket.pb.h"

namespace sockhost {
namespace {

google::protobuf::FieldMask Paths(std::initializer_list<const char*> paths) {
  google::protobuf::FieldMask mask;
  for (const char* path : paths) mask.add_paths(path);
  return mask;
}

absl::StatusOr<ReadMask> ParseSocketMask(std::initializer_list<const char*> paths) {
  return ReadMask::Parse(Paths(paths), *v1::Socket::descriptor(), "read_mask");
}

v1::Socket Full() {
  v1::Socket socket;
  socket.set_name("sockets/1");
  socket.set_fd(7);
  socket.add_poll_events("POLLIN");
  socket.mutable_create_time()->set_seconds(5);
  socket.mutable_create_time()->set_nanos(6);
  socket.mutable_counters()->set_receive_bytes(10);
  socket.mutable_counters()->set_transmit_bytes(20);
  return socket;
}

std::string Trimmed(std::initializer_list<const char*> paths) {
  v1::Socket socket = Full();
  ParseSocketMask(paths).value().Trim(socket);
  return socket.ShortDebugString();
}

TEST(ReadMaskTest, EmptyAndStarShowEverything) {
  EXPECT_EQ(Trimmed({}), Full().ShortDebugString());
  EXPECT_EQ(Trimmed({"*"}), Full().ShortDebugString());
  EXPECT_EQ(Trimmed({"fd", "*"}), Full().ShortDebugString());
  EXPECT_EQ(ParseSocketMask({"*"})->key(), "");
}

TEST(ReadMaskTest, ShowsWhatIsNamedAndAlwaysTheName) {
  EXPECT_EQ(Trimmed({"fd"}), "name: \"sockets/1\" fd: 7");
  EXPECT_EQ(Trimmed({"poll_events"}), "name: \"sockets/1\" poll_events: \"POLLIN\"");
  EXPECT_EQ(Trimmed({"counters"}),
            "name: \"sockets/1\" counters { receive_bytes: 10 transmit_bytes: 20 }");
}

TEST(ReadMaskTest, ShowsFieldsOfFields) {
  EXPECT_EQ(Trimmed({"counters.receive_bytes", "create_time.nanos"}),
            "name: \"sockets/1\" create_time { nanos: 6 } counters { receive_bytes: 10 }");
}

TEST(ReadMaskTest, WholeFieldWinsOverItsParts) {
  const std::string whole = Trimmed({"counters"});
  EXPECT_EQ(Trimmed({"counters", "counters.receive_bytes"}), whole);
  EXPECT_EQ(Trimmed({"counters.receive_bytes", "counters"}), whole);
}

TEST(ReadMaskTest, WhatIsNotSetStaysNotSet) {
  v1::Socket socket;
  ParseSocketMask({"counters.receive_bytes"})->Trim(socket);
  EXPECT_FALSE(socket.has_counters());
}

TEST(ReadMaskTest, KeyIsTheSameForTheSameFields) {
  EXPECT_EQ(ParseSocketMask({"fd", "counters.receive_bytes"})->key(),
            ParseSocketMask({"counters.receive_bytes", "fd", "fd", "name"})->key());
  EXPECT_NE(ParseSocketMask({"counters"})->key(),
            ParseSocketMask({"counters.receive_bytes"})->key());
}

TEST(ReadMaskTest, ErrorSaysWhichFieldWasMeant) {
  const auto message = [](const char* path) {
    return std::string(ParseSocketMask({path}).status().message());
  };
  EXPECT_EQ(message("localAddress"),
            "read_mask path \"localAddress\": \"localAddress\" is no field of Socket; did you mean "
            "local_address?");
  EXPECT_THAT(message("counters.recieve_bytes"), testing::HasSubstr("did you mean receive_bytes?"));
  EXPECT_THAT(message("poll_events.x"), testing::HasSubstr("parts of poll_events cannot be named"));
  EXPECT_THAT(message(""), testing::HasSubstr("it is empty"));
}

TEST(ReadMaskTest, PathsThatNameNoFieldAreRefused) {
  for (const char* path : {"", "no_such_field", "counters.no_such_field", "fd.x", "poll_events.x",
                           "counters.", ".fd", "counters.*", "Fd", "name\n"}) {
    const absl::StatusOr<ReadMask> mask = ParseSocketMask({"fd", path});
    ASSERT_FALSE(mask.ok()) << path;
    const ErrorDetail detail = DetailOf(mask.status()).value();
    EXPECT_EQ(detail.reason, Reason::kMASK_INVALID) << path;
    EXPECT_EQ(detail.field, "read_mask");
    EXPECT_THAT(detail.metadata, testing::Contains(testing::Key("path")));
  }
}

}  // namespace
}  // namespace sockhost
