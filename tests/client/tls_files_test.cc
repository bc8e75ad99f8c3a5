#include "client/tls_files.h"

#include <gmock/gmock.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <string>

namespace sockhost::client {
namespace {

using testing::HasSubstr;

class TlsFilesTest : public testing::Test {
 protected:
  TlsFilesTest() {
    folder_ = std::filesystem::temp_directory_path() / "sockctl-test.XXXXXX";
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
    files_ = {Write("cert", "-----BEGIN CERTIFICATE-----\n"),
              Write("key", "-----BEGIN PRIVATE KEY-----\n"),
              Write("ca", "-----BEGIN CERTIFICATE-----\n"), ""};
  }
  ~TlsFilesTest() override { std::filesystem::remove_all(folder_); }

  std::string Write(const std::string& name, const std::string& text) {
    const std::string path = folder_ + "/" + name;
    std::ofstream(path) << text;
    return path;
  }
  absl::Status Use(const char* address = "tls://127.0.0.1:1") {
    return CredentialsFor(*ParseAdminAddress(address), files_).status();
  }

  std::string folder_;
  TlsFiles files_;
};

TEST_F(TlsFilesTest, AreAllNeededForTls) {
  EXPECT_TRUE(Use().ok());
  for (std::string TlsFiles::*file : {&TlsFiles::certificate, &TlsFiles::key, &TlsFiles::ca}) {
    const TlsFiles all = files_;
    files_.*file = "";
    EXPECT_THAT(std::string(Use().message()), HasSubstr("--tls-cert, --tls-key and --tls-ca"));
    files_ = all;
  }
}

TEST_F(TlsFilesTest, AreNotReadForOtherAddresses) {
  files_.key = folder_ + "/missing";
  EXPECT_TRUE(Use("tcp://127.0.0.1:1").ok());
  EXPECT_TRUE(Use("unix:/a").ok());
}

TEST_F(TlsFilesTest, OneThatCannotBeUsedIsNamedWithItsFlag) {
  files_.key = folder_ + "/missing";
  EXPECT_THAT(std::string(Use().message()),
              HasSubstr("--tls-key " + files_.key + ": No such file"));
  files_.key = Write("empty", "");
  EXPECT_THAT(std::string(Use().message()), HasSubstr("empty"));
  files_.key = Write("der", "\x30\x82");
  EXPECT_THAT(std::string(Use().message()), HasSubstr("no PEM file"));
}

}  // namespace
}  // namespace sockhost::client
