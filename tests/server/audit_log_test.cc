#include "server/audit_log.h"

#include <gmock/gmock.h>
#include <grpcpp/client_context.h>
#include <grpcpp/generic/generic_stub.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "google/protobuf/struct.pb.h"
#include "google/protobuf/util/json_util.h"
#include "server/logging.h"
#include "sockhost/error.h"
#include "tests/core/eventually.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

using google::protobuf::Struct;
using testing::AllOf;
using testing::ElementsAre;
using testing::EndsWith;
using testing::Gt;
using testing::HasSubstr;
using testing::SizeIs;

const std::string kReflection = "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo";

std::vector<std::string> LinesOf(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) lines.push_back(line);
  return lines;
}

// A line as any reader of JSON sees it.
Struct Parse(const std::string& line) {
  Struct out;
  EXPECT_TRUE(google::protobuf::util::JsonStringToMessage(line, &out).ok()) << line;
  return out;
}

std::string Text(const std::string& line, const std::string& field) {
  const Struct parsed = Parse(line);
  const auto found = parsed.fields().find(field);
  return found == parsed.fields().end() ? "(none)" : found->second.string_value();
}

std::vector<std::string> Events(const std::string& path) {
  std::vector<std::string> events;
  for (const std::string& line : LinesOf(path)) events.push_back(Text(line, "event"));
  return events;
}

std::shared_ptr<AdminPeer> PeerOn(AdminPeer::Transport transport) {
  auto peer = std::make_shared<AdminPeer>();
  peer->transport = transport;
  return peer;
}

AuditEntry Entry(const std::string& resource = "listeners/web") {
  AuditEntry entry;
  const auto peer = PeerOn(AdminPeer::Transport::kUnix);
  peer->uid = 1000;
  peer->gid = 100;
  peer->pid = 77;
  entry.time = absl::FromUnixMicros(1'700'000'000'123'456);
  entry.caller = {peer, AdminRole::kOperator, false};
  entry.method = "/sockhost.v1.AdminService/CreateListener";
  entry.resource = resource;
  entry.code = "OK";
  return entry;
}

// ---- Lines ---------------------------------------------------------------------

TEST(AuditEntryTest, LineHasWhoWhatAndOutcome) {
  AuditEntry entry = Entry();
  entry.request_id = "r-1";
  EXPECT_EQ(JsonOf(entry),
            R"({"time":"2023-11-14T22:13:20.123456Z","event":"call","transport":"unix",)"
            R"("uid":1000,"gid":100,"pid":77,"role":"operator",)"
            R"("method":"sockhost.v1.AdminService/CreateListener","resource":"listeners/web",)"
            R"("request_id":"r-1","code":"OK"})");
}

TEST(AuditEntryTest, DenialIsAnEventOfItsOwn) {
  AuditEntry entry = Entry();
  entry.code = "PERMISSION_DENIED";
  entry.reason = "ROLE_REQUIRED";
  EXPECT_EQ(Text(JsonOf(entry), "event"), "denied");
  EXPECT_EQ(Text(JsonOf(entry), "reason"), "ROLE_REQUIRED");
}

TEST(AuditEntryTest, NamesOfCertificatesMayHoldAnyBytes) {
  AuditEntry entry = Entry();
  const auto peer = PeerOn(AdminPeer::Transport::kTls);
  peer->names = {"dns:a.test", "uri:\xff\"\n"};
  entry.caller.peer = peer;
  const Struct line = Parse(JsonOf(entry));
  ASSERT_EQ(line.fields().at("names").list_value().values_size(), 2);
  EXPECT_EQ(line.fields().at("names").list_value().values(0).string_value(), "dns:a.test");
}

TEST(AuditEntryTest, TextCannotBreakOutOfItsLine) {
  for (const std::string text :
       {"a\"b", "a\\", "a\nb", "\r\n{}", "\x01\x7f", "\",\"code\":\"OK", "\xc3\xbc\xe2\x82\xac"}) {
    const std::string line = JsonOf(Entry(text));
    EXPECT_FALSE(absl::StrContains(line, "\n"));
    EXPECT_EQ(Text(line, "resource"), text);
  }
}

TEST(AuditEntryTest, LineIsUtf8WhateverTheMethodIs) {
  AuditEntry entry = Entry();
  entry.method = "/x\xff/y";
  EXPECT_EQ(Text(JsonOf(entry), "method"), "x\xef\xbf\xbd/y");
  entry.method = "/" + std::string(1000, '\x80');
  EXPECT_THAT(Text(JsonOf(entry), "method"), AllOf(HasSubstr("\xef\xbf\xbd"), EndsWith("...")));
}

TEST(AuditEntryTest, LongTextsAreCutBetweenCharacters) {
  AuditEntry entry = Entry("listeners/" + std::string(1 << 20, '\x01'));
  for (int i = 0; i < 100'000; ++i) entry.request_id += "\xe2\x82\xac";
  const std::string line = JsonOf(entry);
  EXPECT_LT(line.size(), 4096u);
  EXPECT_EQ(Text(line, "resource"), "listeners/" + std::string(246, '\x01') + "...");
  // 85 characters of three bytes are 255 bytes.
  EXPECT_THAT(Text(line, "request_id"), AllOf(SizeIs(255 + 3), EndsWith("\xe2\x82\xac...")));
}

TEST(AuditEntryTest, CallerMayBeGone) {
  AuditEntry entry = Entry();
  entry.caller = {};
  EXPECT_EQ(Text(JsonOf(entry), "transport"), "(none)");
  EXPECT_EQ(Text(JsonOf(entry), "role"), "none");
}

// ---- Files ---------------------------------------------------------------------

class AuditLogTest : public testing::Test {
 protected:
  std::unique_ptr<AuditLog> Open(bool fail_closed) {
    return AuditLog::Open(path_, fail_closed).value();
  }

  const TemporaryFolder folder_;
  const std::string path_ = folder_.Path("audit.log");
};

TEST_F(AuditLogTest, LinesAreAppendedAndNotForOthersToRead) {
  std::filesystem::remove(path_);
  for (int i = 0; i < 2; ++i) {
    const auto log = Open(/*fail_closed=*/true);
    EXPECT_TRUE(log->Ready().ok());
    EXPECT_TRUE(log->Write(Entry()).ok());
  }
  EXPECT_THAT(Events(path_), ElementsAre("opened", "call", "opened", "call"));
  struct stat status;
  ASSERT_EQ(stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0007, 0u);
}

TEST_F(AuditLogTest, FileThatCannotBeWrittenIsRefusedAtTheStart) {
  for (const std::string& path : {folder_.Path("no/such/folder"), std::string("/dev/full")}) {
    const absl::Status status = AuditLog::Open(path, false).status();
    ASSERT_TRUE(DetailOf(status).has_value()) << path;
    EXPECT_EQ(DetailOf(status)->reason, Reason::kFIELD_INVALID);
    EXPECT_THAT(std::string(status.message()), HasSubstr(path));
  }
}

TEST_F(AuditLogTest, RenamedFileIsLeftAlone) {
  const auto log = Open(/*fail_closed=*/true);
  ASSERT_TRUE(log->Write(Entry()).ok());
  std::filesystem::rename(path_, path_ + ".1");
  ASSERT_TRUE(log->Write(Entry()).ok());
  std::filesystem::remove(path_);
  ASSERT_TRUE(log->Ready().ok());
  ASSERT_TRUE(log->Write(Entry()).ok());
  EXPECT_THAT(Events(path_ + ".1"), ElementsAre("opened", "call"));
  EXPECT_THAT(Events(path_), ElementsAre("call"));
}

TEST_F(AuditLogTest, RemovedFileIsNotWrittenToWhereNoNewOneCanBeOpened) {
  const auto log = Open(/*fail_closed=*/true);
  std::filesystem::remove(path_);
  std::filesystem::create_directory(path_);
  EXPECT_EQ(DetailOf(log->Ready())->reason, Reason::kAUDIT_UNAVAILABLE);
  EXPECT_EQ(DetailOf(log->Write(Entry()))->reason, Reason::kAUDIT_UNAVAILABLE);
  std::filesystem::remove(path_);
  EXPECT_TRUE(log->Ready().ok());
  EXPECT_THAT(Events(path_), ElementsAre("resumed"));
}

TEST_F(AuditLogTest, RenamedFileStillServesWhereNoNewOneCanBeOpened) {
  const auto log = Open(/*fail_closed=*/true);
  std::filesystem::rename(path_, path_ + ".1");
  std::filesystem::create_directory(path_);
  EXPECT_TRUE(log->Ready().ok());
  EXPECT_TRUE(log->Write(Entry()).ok());
  EXPECT_THAT(Events(path_ + ".1"), ElementsAre("opened", "call"));
}

int64_t BytesOnDisk(const std::string& path) {
  struct stat status;
  EXPECT_EQ(stat(path.c_str(), &status), 0);
  return int64_t{status.st_blocks} * 512;
}

TEST_F(AuditLogTest, RoomIsReservedAnewWhenTheFileWasTruncatedInPlace) {
  constexpr int64_t kRoom = 16 << 10;
  const auto log = Open(/*fail_closed=*/true);
  ASSERT_TRUE(log->Ready().ok());
  if (BytesOnDisk(path_) < kRoom) GTEST_SKIP() << "this file system reserves nothing";
  std::filesystem::resize_file(path_, 0);
  ASSERT_LT(BytesOnDisk(path_), kRoom);
  EXPECT_TRUE(log->Ready().ok());
  EXPECT_GE(BytesOnDisk(path_), kRoom);
}

// The path becomes one at which every write fails, and a file again.
class FullDiskTest : public AuditLogTest {
 protected:
  void FillDisk() {
    std::filesystem::rename(path_, path_ + ".1");
    std::filesystem::create_symlink("/dev/full", path_);
  }
  void MakeRoom() { std::filesystem::remove(path_); }
};

TEST_F(FullDiskTest, LostLinesAreCountedAndReported) {
  const auto log = Open(/*fail_closed=*/false);
  FillDisk();
  EXPECT_TRUE(log->Ready().ok()) << "it does not fail closed";
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(DetailOf(log->Write(Entry()))->reason, Reason::kAUDIT_UNAVAILABLE);
  }
  MakeRoom();
  EXPECT_TRUE(log->Write(Entry()).ok());
  EXPECT_THAT(Events(path_), ElementsAre("resumed", "call"));
  EXPECT_EQ(Parse(LinesOf(path_)[0]).fields().at("lost_lines").number_value(), 3);
}

TEST_F(FullDiskTest, FailingClosedIsNotReadyUntilThereIsRoom) {
  const auto log = Open(/*fail_closed=*/true);
  FillDisk();
  EXPECT_FALSE(log->Write(Entry()).ok());
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(DetailOf(log->Ready())->reason, Reason::kAUDIT_UNAVAILABLE);
  }
  MakeRoom();
  EXPECT_TRUE(log->Ready().ok());
  EXPECT_THAT(Events(path_), ElementsAre("resumed"));
}

TEST_F(FullDiskTest, RefusingIsLoggedOnceAndSoIsItsEnd) {
  const auto log = Open(/*fail_closed=*/true);
  testing::internal::CaptureStderr();
  StartLogging("info", "text");
  FillDisk();
  // What was there is left behind for the new file; a line shows that it cannot be written.
  EXPECT_FALSE(log->Write(Entry()).ok());
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(log->Ready().ok());
  MakeRoom();
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(log->Ready().ok());
  StopLogging();
  const std::string lines = testing::internal::GetCapturedStderr();
  const auto count = [&lines](const std::string& text) {
    return static_cast<int>(std::vector<std::string>(absl::StrSplit(lines, text)).size()) - 1;
  };
  EXPECT_EQ(count("are refused error="), 1) << lines;
  EXPECT_EQ(count("no longer refused"), 1) << lines;
}

// Files cannot grow beyond a size: a write that passes it is carried out in part, as on a disk
// that becomes full.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t size) {
    signal(SIGXFSZ, SIG_IGN);
    EXPECT_EQ(getrlimit(RLIMIT_FSIZE, &before_), 0);
    const rlimit limit{size, before_.rlim_max};
    EXPECT_EQ(setrlimit(RLIMIT_FSIZE, &limit), 0);
  }
  ~FileSizeLimit() {
    setrlimit(RLIMIT_FSIZE, &before_);
    signal(SIGXFSZ, SIG_DFL);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;
  FileSizeLimit& operator=(const FileSizeLimit&) = delete;

 private:
  rlimit before_{};
};

TEST_F(AuditLogTest, LineThatWasWrittenInPartIsTakenBack) {
  const auto log = Open(/*fail_closed=*/false);
  const auto size = std::filesystem::file_size(path_);
  absl::Status status;
  {
    const FileSizeLimit limit(size + 10);
    status = log->Write(Entry());
  }
  EXPECT_FALSE(status.ok());
  EXPECT_EQ(std::filesystem::file_size(path_), size);
  EXPECT_TRUE(log->Write(Entry()).ok());
  EXPECT_THAT(Events(path_), ElementsAre("opened", "resumed", "call"));
}

// ---- Calls ---------------------------------------------------------------------

// Rules that leave the tests' client without a role.
constexpr char kOthers[] = "email:nobody@client.test admin\n";

class AuditedCallsTest : public FullDiskTest {
 protected:
  void Start(bool fail_closed, const std::string& rules = "unix:* admin\n") {
    const std::string roles = folder_.Path("roles");
    std::ofstream(roles) << rules;
    AdminApi::Options options;
    options.roles = roles;
    options.audit_log = path_;
    options.audit_fail_closed = fail_closed;
    api_ = std::make_unique<AdminApi>(options);
  }

  grpc::Status Create(const std::string& id) {
    grpc::ClientContext context;
    v1::CreateListenerRequest request;
    request.set_listener_id(id);
    request.mutable_listener()->set_service("echo");
    request.mutable_listener()->set_address("udp://127.0.0.1:0");
    v1::Listener response;
    return api_->stub().CreateListener(&context, request, &response);
  }
  grpc::Status Delete(const std::string& id) {
    grpc::ClientContext context;
    v1::DeleteListenerRequest request;
    request.set_name("listeners/" + id);
    google::protobuf::Empty response;
    return api_->stub().DeleteListener(&context, request, &response);
  }
  grpc::Status GetHost() {
    grpc::ClientContext context;
    v1::Host host;
    return api_->stub().GetHost(&context, {}, &host);
  }

  std::unique_ptr<AdminApi> api_;
};

TEST_F(AuditedCallsTest, WhatChangesSomethingHasALineWhenItIsAnswered) {
  Start(/*fail_closed=*/false);
  EXPECT_TRUE(Create("web").ok());
  ASSERT_THAT(LinesOf(path_), SizeIs(2));
  const std::string created = LinesOf(path_)[1];
  EXPECT_EQ(Text(created, "event"), "call");
  EXPECT_EQ(Text(created, "method"), "sockhost.v1.AdminService/CreateListener");
  EXPECT_EQ(Text(created, "resource"), "listeners/web");
  EXPECT_EQ(Text(created, "role"), "admin");
  EXPECT_EQ(Text(created, "code"), "OK");
  EXPECT_EQ(Parse(created).fields().at("uid").number_value(), getuid());
  EXPECT_EQ(Parse(created).fields().at("pid").number_value(), getpid());
  EXPECT_FALSE(Create("web").ok());
  EXPECT_EQ(Text(LinesOf(path_).at(2), "reason"), "LISTENER_EXISTS");
  EXPECT_TRUE(Delete("web").ok());
  EXPECT_EQ(Text(LinesOf(path_).at(3), "resource"), "listeners/web");
  EXPECT_TRUE(GetHost().ok());
  EXPECT_THAT(LinesOf(path_), SizeIs(4)) << "what reads has none";
}

TEST_F(AuditedCallsTest, EveryDenialHasALine) {
  Start(/*fail_closed=*/false, kOthers);
  EXPECT_EQ(GetHost().error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_EQ(Create("web").error_code(), grpc::StatusCode::PERMISSION_DENIED);
  EXPECT_THAT(Events(path_), ElementsAre("opened", "denied", "denied"));
  EXPECT_EQ(Text(LinesOf(path_)[1], "method"), "sockhost.v1.AdminService/GetHost");
  EXPECT_EQ(Text(LinesOf(path_)[2], "resource"), "listeners/web");
  EXPECT_EQ(Text(LinesOf(path_)[2], "role"), "none");
}

TEST_F(AuditedCallsTest, StrangersHaveFewLinesWhichCountTheOthers) {
  Start(/*fail_closed=*/false, kOthers);
  double calls = 0;
  const auto suppressed = [this, &calls] {
    ++calls;
    EXPECT_EQ(GetHost().error_code(), grpc::StatusCode::PERMISSION_DENIED);
    double sum = 0;
    for (const std::string& line : LinesOf(path_)) {
      const auto fields = Parse(line).fields();
      if (fields.count("suppressed") > 0) sum += fields.at("suppressed").number_value();
    }
    return sum;
  };
  // The first is "opened". The line that counts is that of the last call.
  double counted = 0;
  EXPECT_TRUE(Becomes([&] { return counted = suppressed(); }, Gt(0)));
  EXPECT_EQ(static_cast<double>(LinesOf(path_).size()) - 1 + counted, calls);
}

TEST_F(AuditedCallsTest, DeniedReflectionHasALine) {
  Start(/*fail_closed=*/false, kOthers);
  grpc::GenericStub stub(api_->Connect());
  grpc::ClientContext context;
  grpc::CompletionQueue queue;
  const grpc::Slice nothing("");
  const auto call =
      stub.PrepareUnaryCall(&context, kReflection, grpc::ByteBuffer(&nothing, 1), &queue);
  call->StartCall();
  grpc::ByteBuffer answer;
  grpc::Status status;
  call->Finish(&answer, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_FALSE(status.ok());
  ASSERT_THAT(Events(path_), ElementsAre("opened", "denied"));
  const std::string line = LinesOf(path_)[1];
  EXPECT_EQ("/" + Text(line, "method"), kReflection);
  EXPECT_EQ(Text(line, "code"), "PERMISSION_DENIED");
  EXPECT_EQ(Text(line, "reason"), "ROLE_REQUIRED");
}

TEST_F(AuditedCallsTest, CallsGoOnWithoutTheLog) {
  Start(/*fail_closed=*/false);
  FillDisk();
  EXPECT_TRUE(Create("web").ok());
  MakeRoom();
  EXPECT_TRUE(Delete("web").ok());
  EXPECT_THAT(Events(path_), ElementsAre("resumed", "call"));
}

TEST_F(AuditedCallsTest, FailingClosedChangesNothingWithoutTheLog) {
  Start(/*fail_closed=*/true);
  FillDisk();
  const grpc::Status done = Create("web");
  EXPECT_EQ(done.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_THAT(done.error_message(), HasSubstr("was carried out")) << "only now it showed";
  EXPECT_EQ(Create("more").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(Delete("web").error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(api_->host().listeners(), 1u);
  EXPECT_TRUE(GetHost().ok()) << "what reads goes on";
  MakeRoom();
  EXPECT_TRUE(Delete("web").ok());
  EXPECT_EQ(api_->host().listeners(), 0u);
}

}  // namespace
}  // namespace sockhost
