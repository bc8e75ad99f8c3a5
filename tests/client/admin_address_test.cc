#include "client/admin_address.h"

#include <gmock/gmock.h>

#include <ostream>
#include <string>

namespace sockhost::client {
namespace {

using testing::HasSubstr;

struct Form {
  const char* text;
  const char* target;
  const char* unix_path;
};

// Names the case in the output of gtest, which would print addresses of memory.
void PrintTo(const Form& form, std::ostream* out) { *out << form.text; }

class AdminAddressFormTest : public testing::TestWithParam<Form> {};

TEST_P(AdminAddressFormTest, BecomesGrpcTarget) {
  const auto address = ParseAdminAddress(GetParam().text);
  ASSERT_TRUE(address.ok()) << address.status();
  EXPECT_EQ(address->text, GetParam().text);
  EXPECT_EQ(address->target, GetParam().target);
  EXPECT_EQ(address->unix_path, GetParam().unix_path);
}

INSTANTIATE_TEST_SUITE_P(
    All, AdminAddressFormTest,
    testing::Values(Form{"unix:/run/a.sock", "unix:/run/a.sock", "/run/a.sock"},
                    Form{"unix:///run/a.sock", "unix:/run/a.sock", "/run/a.sock"},
                    Form{"/run/a.sock", "unix:/run/a.sock", "/run/a.sock"},
                    Form{"unix:a.sock", "unix:a.sock", "a.sock"},
                    Form{"unix:/run/a b%.sock", "unix:/run/a%20b%25.sock", "/run/a b%.sock"},
                    Form{"unix:@sockhost", "unix-abstract:sockhost", "@sockhost"},
                    Form{"unix-abstract:sockhost", "unix-abstract:sockhost", "@sockhost"},
                    Form{"tcp://127.0.0.1:80", "dns:///127.0.0.1:80", ""},
                    Form{"tls://host.example:443", "dns:///host.example:443", ""},
                    Form{"tcp://[::1]:65535", "dns:///[::1]:65535", ""},
                    Form{"[fe80::1%eth0]:7", "dns:///[fe80::1%25eth0]:7", ""},
                    Form{"host.example:7000", "dns:///host.example:7000", ""}));

class AdminAddressErrorTest : public testing::TestWithParam<std::string> {};

TEST_P(AdminAddressErrorTest, NamesValueAndForms) {
  const auto address = ParseAdminAddress(GetParam());
  ASSERT_FALSE(address.ok()) << address->target;
  EXPECT_EQ(address.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(address.status().message()), HasSubstr("\"" + GetParam()));
  EXPECT_THAT(std::string(address.status().message()), HasSubstr("tcp://HOST:PORT"));
}

INSTANTIATE_TEST_SUITE_P(All, AdminAddressErrorTest,
                         testing::Values("", "unix:", "unix:@", "unix-abstract:", "unix://a.sock",
                                         "localhost", "localhost:", "localhost:0",
                                         "localhost:65536", "localhost:7x", ":7", "tcp://:7",
                                         "tcp://a/b:7", "::1:7", "[]:7", "http://localhost:7",
                                         "a b:7"));

TEST(AdminAddressTest, UnixPathMayHave107Bytes) {
  EXPECT_TRUE(ParseAdminAddress("unix:/" + std::string(106, 'a')).ok());
  EXPECT_FALSE(ParseAdminAddress("unix:/" + std::string(107, 'a')).ok());
}

TEST(AdminAddressTest, OnlyTlsIsTls) {
  EXPECT_TRUE(ParseAdminAddress("tls://[::1]:443")->tls);
  for (const char* text : {"unix:/a", "tcp://127.0.0.1:1", "127.0.0.1:1"}) {
    EXPECT_FALSE(ParseAdminAddress(text)->tls) << text;
  }
}

TEST(AdminAddressTest, DefaultIsValid) {
  EXPECT_TRUE(ParseAdminAddress(kDefaultAdminAddress).ok());
}

}  // namespace
}  // namespace sockhost::client
