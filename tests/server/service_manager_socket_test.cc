#include "server/service_manager_socket.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstddef>
#include <cstring>
#include <string>

#include "absl/strings/str_cat.h"
#include "service_core/unique_fd.h"
#include "tests/server/admin_api.h"

namespace sockhost {
namespace {

// What systemd has at its end.
class ManagerEnd {
 public:
  explicit ManagerEnd(const std::string& name)
      : fd_(socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) {
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    std::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const auto length = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size());
    EXPECT_EQ(bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  }

  // The next datagram; empty if there is none.
  std::string Receive() const {
    char text[256];
    const ssize_t length = recv(fd_.get(), text, sizeof(text), 0);
    return length < 0 ? "" : std::string(text, static_cast<size_t>(length));
  }

 private:
  const UniqueFd fd_;
};

class ServiceManagerSocketTest : public testing::Test {
 protected:
  ServiceManagerSocketTest() { Clear(); }
  ~ServiceManagerSocketTest() override { Clear(); }

  static void Clear() {
    for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) unsetenv(name);
  }
  static void Set(const char* name, const std::string& value) {
    setenv(name, value.c_str(), /*overwrite=*/1);
  }

  TemporaryFolder folder_;
};

TEST_F(ServiceManagerSocketTest, DatagramsArriveAtAPathAndAtAnAbstractName) {
  for (const std::string& name :
       {folder_.Path("notify"), absl::StrCat("@sockhost-test-", getpid())}) {
    const ManagerEnd manager(name);
    Set("NOTIFY_SOCKET", name);
    const ServiceManagerSocket socket;
    socket.Send("READY=1\nSTATUS=serving");
    socket.Send("WATCHDOG=1");
    EXPECT_EQ(manager.Receive(), "READY=1\nSTATUS=serving");
    EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
  }
}

TEST_F(ServiceManagerSocketTest, VariablesAreTakenOutOfTheEnvironment) {
  Set("NOTIFY_SOCKET", folder_.Path("notify"));
  Set("WATCHDOG_USEC", "1000000");
  Set("WATCHDOG_PID", absl::StrCat(getpid()));
  const ServiceManagerSocket socket;
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) {
    EXPECT_EQ(getenv(name), nullptr) << name;
  }
}

TEST_F(ServiceManagerSocketTest, NothingHappensWithoutAManager) {
  ServiceManagerSocket().Send("READY=1");
  for (const std::string& name : {std::string("relative"), std::string("@"), std::string("/"),
                                  folder_.Path("nobody"), std::string(200, '/')}) {
    Set("NOTIFY_SOCKET", name);
    ServiceManagerSocket().Send("READY=1");
  }
}

// Nobody reads: the queue of the socket is full at some time.
TEST_F(ServiceManagerSocketTest, ManagerThatDoesNotReadIsNotWaitedFor) {
  const std::string name = folder_.Path("notify");
  const ManagerEnd manager(name);
  Set("NOTIFY_SOCKET", name);
  const ServiceManagerSocket socket;
  for (int i = 0; i < 10000; ++i) socket.Send("WATCHDOG=1");
  EXPECT_EQ(manager.Receive(), "WATCHDOG=1");
}

TEST_F(ServiceManagerSocketTest, WatchdogIntervalIsHalfOfWhatIsAskedFor) {
  const struct {
    const char* micros;
    std::string pid;
    std::optional<absl::Duration> wanted;
  } kCases[] = {
      {"2000000", absl::StrCat(getpid()), absl::Seconds(1)},
      {"2000000", "", absl::Seconds(1)},
      {"2000000", absl::StrCat(getppid()), std::nullopt},
      {"2000000", "me", std::nullopt},
      {"0", "", std::nullopt},
      {"-5", "", std::nullopt},
      {"soon", "", std::nullopt},
      {"", "", std::nullopt},
  };
  for (const auto& [micros, pid, wanted] : kCases) {
    Set("NOTIFY_SOCKET", folder_.Path("notify"));
    Set("WATCHDOG_USEC", micros);
    if (!pid.empty()) Set("WATCHDOG_PID", pid);
    EXPECT_EQ(ServiceManagerSocket().watchdog_interval(), wanted) << micros << " " << pid;
  }
}

}  // namespace
}  // namespace sockhost
