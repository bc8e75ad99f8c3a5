#include "server/resource_name.h"

#include <gtest/gtest.h>

#include <string>

#include "sockhost/error.h"

namespace sockhost {
namespace {

void ExpectInvalid(const absl::Status& status) {
  const auto detail = DetailOf(status);
  ASSERT_TRUE(detail) << status;
  EXPECT_EQ(detail->reason, Reason::kNAME_INVALID);
  EXPECT_EQ(detail->field, "name");
  EXPECT_LT(status.message().size(), 1000u);
}

TEST(ResourceNameTest, NamesAndIdsAreInverse) {
  EXPECT_EQ(ListenerName("web"), "listeners/web");
  EXPECT_EQ(ServiceName("echo"), "services/echo");
  EXPECT_EQ(SocketName(12), "sockets/12");
  EXPECT_EQ(ParseListenerName(ListenerName("web")).value(), "web");
  EXPECT_EQ(ParseName("services", ServiceName("echo")).value(), "echo");
  EXPECT_EQ(ParseSocketName(SocketName(12)).value(), 12);
  EXPECT_EQ(ParseSocketName("sockets/9223372036854775807").value(), 9223372036854775807);
}

TEST(ResourceNameTest, ServiceMayBeGivenWithoutItsCollection) {
  EXPECT_EQ(ServiceId("services/echo"), "echo");
  EXPECT_EQ(ServiceId("echo"), "echo");
  EXPECT_EQ(ServiceId(""), "");
}

TEST(ResourceNameTest, OtherFormsOfANameAreRefused) {
  for (const std::string& name :
       {std::string(), std::string("web"), std::string("listeners"), std::string("listeners/"),
        std::string("/listeners/web"), std::string("listeners//web"), std::string("listeners/a/b"),
        std::string("listenersx/web"), std::string("services/web"), std::string(100'000, 'x'),
        std::string("\x1b[31m\n")}) {
    SCOPED_TRACE(name.substr(0, 40));
    ExpectInvalid(ParseName("listeners", name).status());
    ExpectInvalid(ParseListenerName(name).status());
  }
}

TEST(ResourceNameTest, NameThatNoListenerCanHaveIsRefused) {
  for (const std::string& id : {std::string("A"), std::string("a\0", 2), std::string("1a"),
                                std::string("a-"), std::string("a b"), std::string(64, 'a')}) {
    SCOPED_TRACE(id);
    ExpectInvalid(ParseListenerName(ListenerName(id)).status());
  }
}

TEST(ResourceNameTest, OtherSpellingsOfANumberAreRefused) {
  for (const char* name : {"sockets/0", "sockets/-1", "sockets/+1", "sockets/01", "sockets/1 ",
                           "sockets/ 1", "sockets/0x1", "sockets/1.0", "sockets/one",
                           "sockets/9223372036854775808", "sockets/1/2"}) {
    SCOPED_TRACE(name);
    ExpectInvalid(ParseSocketName(name).status());
  }
}

}  // namespace
}  // namespace sockhost
