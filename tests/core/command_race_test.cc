// Many threads, one host: every command is answered once, and what the answers say
// is consistent.
//
//   SOCKHOST_RACE_COMMANDS: commands of each thread.
#include <gmock/gmock.h>

#include <atomic>
#include <map>
#include <mutex>
#include <random>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"
#include "tests/core/eventually.h"
#include "tests/core/log_lines.h"
#include "tests/core/process_host_fixture.h"
#include "tests/core/sockets.h"
#include "tests/core/test_numbers.h"

namespace sockhost {
namespace {

using testing::Eq;

constexpr int kThreads = 8;

class CommandRaceTest : public ProcessHostFixture {
 protected:
  // Runs `command` again and again on every thread, each with its own generator.
  template <typename Command>
  void OnAllThreads(Command command) {
    const int64_t commands = NumberFromEnvironment("SOCKHOST_RACE_COMMANDS", 3000);
    const uint64_t seed = SeedFromEnvironment("SOCKHOST_RACE_SEED");
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([=] {
        std::mt19937_64 random(seed + static_cast<uint64_t>(thread));
        for (int64_t i = 0; i < commands; ++i) command(thread, random);
      });
    }
    for (std::thread& thread : threads) thread.join();
  }
};

// ---- Listeners ----------------------------------------------------------------------

void Echo(net_socket_service_event* event) {
  char buffer[256];
  const ssize_t got = recv(event->event.fd, buffer, sizeof(buffer), 0);
  if (got > 0) send(event->event.fd, buffer, static_cast<size_t>(got), MSG_NOSIGNAL);
}

TEST_F(CommandRaceTest, ListenersAreCreatedAndDeletedConsistently) {
  constexpr int kNames = 5;
  // One life of a name, by the order of events in the whole process.
  struct Life {
    int64_t created = 0;         // the create call had returned by then
    int64_t delete_called = -1;  // no delete call that succeeded had begun before
  };
  std::atomic<int64_t> now{0};
  std::atomic<int64_t> deletes{0};
  std::atomic<int64_t> answers{0};
  std::mutex mutex;
  std::map<std::string, std::map<const ListenerConfig*, Life>> lives;
  std::vector<std::shared_ptr<const ListenerConfig>> alive;  // no address is used twice

  TestService service(0, nullptr, Echo);
  OnAllThreads([&](int, std::mt19937_64& random) {
    const std::string name = absl::StrCat("l", random() % kNames);
    switch (random() % 4) {
      case 0: {
        ListenerConfig config;
        config.name = name;
        config.service = service.name();
        config.address = *SocketAddress::Parse("tcp://127.0.0.1:0");
        const absl::StatusOr<ListenerSnapshot> created = host().CreateListener(config);
        if (created.ok()) {
          const int64_t time = ++now;
          const std::lock_guard<std::mutex> lock(mutex);
          alive.push_back(created->config);
          lives[name][created->config.get()].created = time;
        } else {
          const std::optional<ErrorDetail> detail = DetailOf(created.status());
          ASSERT_TRUE(detail && detail->reason == Reason::kLISTENER_EXISTS) << created.status();
        }
        return;
      }
      case 1: {
        const std::optional<ListenerSnapshot> found = host().FindListener(name);
        if (!found) return;
        const int64_t called = ++now;
        const absl::Status status = host().DeleteListener(*found, true, [&answers] { ++answers; });
        if (!status.ok()) {
          ASSERT_EQ(status.code(), absl::StatusCode::kNotFound) << status;
          return;
        }
        ++deletes;
        const std::lock_guard<std::mutex> lock(mutex);
        Life& life = lives[name][found->config.get()];
        if (life.delete_called < 0 || called < life.delete_called) life.delete_called = called;
        return;
      }
      case 2: {
        // A client, who may come too late.
        const std::optional<ListenerSnapshot> found = host().FindListener(name);
        if (!found) return;
        const UniqueFd client = TryConnect(found->effective_address);
        if (client.valid()) send(client.get(), "x", 1, MSG_NOSIGNAL);
        return;
      }
      default:
        for (const ListenerSnapshot& listener : host().ListListeners()) {
          ASSERT_TRUE(listener.config != nullptr);
        }
        host().ForEachSocket([](SocketSnapshot&& socket) { ASSERT_GT(socket.id, 0); });
        host().ListServices();
    }
  });

  EXPECT_TRUE(Becomes([&] { return answers.load(); }, Eq(deletes.load())));
  EXPECT_GT(deletes, 0);
  for (const auto& [name, lives_of_name] : lives) {
    // The time during which a life was certainly there; none if others deleted it
    // before its creator had looked at the clock.
    std::map<int64_t, int64_t> certain;
    int undeleted = 0;
    for (const auto& [config, life] : lives_of_name) {
      if (life.delete_called < 0) ++undeleted;
      const int64_t end = life.delete_called < 0 ? now + 1 : life.delete_called;
      if (life.created < end) certain[life.created] = end;
    }
    int64_t before = 0;
    for (const auto& [begin, end] : certain) {
      EXPECT_LT(before, begin) << "two listeners " << name << " at the same time";
      before = end;
    }
    EXPECT_EQ(host().FindListener(name).has_value() ? 1 : 0, undeleted) << name;
  }
  for (const ListenerSnapshot& listener : host().ListListeners()) {
    std::promise<void> done;
    ASSERT_TRUE(host().DeleteListener(listener, true, [&done] { done.set_value(); }).ok());
    done.get_future().wait();
  }
  EXPECT_EQ(host().sockets(), 0u);
  EXPECT_EQ(service.Snapshot().counters[Counter::active_connections], 0);
}

// ---- Registrations ------------------------------------------------------------------

TEST_F(CommandRaceTest, EachThreadSeesItsOwnRegistrationsServed) {
  // One service of all threads, and each thread has its own fds.
  struct Socket {
    std::atomic<int64_t> calls{0};
  };
  static std::vector<Socket> sockets(kThreads);
  // Reads nothing: a call that is in progress while its fd is removed and closed would read
  // what the next thread with that number waits for.
  const auto handler = [](net_socket_service_event* event) {
    ++static_cast<Socket*>(event->user_data)->calls;
  };
  TestService service(kThreads, nullptr, handler);
  OnAllThreads([&](int thread, std::mt19937_64& random) {
    Socket& socket = sockets[static_cast<size_t>(thread)];
    const int64_t calls = socket.calls;
    UniqueFd fd = EventFd(true);
    ASSERT_EQ(sockhost_service_add(service, fd.get(), POLLIN, &socket), 0);
    if (random() % 4 == 0) {
      ASSERT_TRUE(Becomes([&] { return socket.calls.load(); }, testing::Gt(calls)));
    }
    if (random() % 4 == 0) {
      ASSERT_EQ(sockhost_service_modify(service, fd.get(), POLLPRI), 0);
    }
    ASSERT_EQ(sockhost_service_remove(service, fd.get()), 0);
    fd.reset();  // and the number is another thread's at once
  });
  EXPECT_EQ(service.Snapshot().registered, 0);
  EXPECT_EQ(service.Snapshot().sockets, 0);
}

TEST_F(CommandRaceTest, SetsAreReplacedAndClosedFromEverywhere) {
  const LogLines log;
  static std::atomic<int64_t> completions{0};
  completions = 0;
  std::atomic<int64_t> closes{0};
  const auto handler = [](net_socket_service_event* event) { TakeAll(event->event.fd); };
  // The fds of the first stay the threads', those of the second are handed over.
  TestService replaced(4, nullptr, handler);
  TestService closed(4, nullptr, handler);
  OnAllThreads([&](int, std::mt19937_64& random) {
    UniqueFd fd = EventFd(true);
    switch (random() % 8) {
      case 0:
      case 1: {
        pollfd set[1] = {{fd.get(), POLLIN, 0}};
        ASSERT_EQ(net_socket_service_register(replaced, set, 1, nullptr), 0);
        // Often the next thread has replaced it already; else it is closed silently.
        if (random() % 2 == 0) sockhost_service_remove(replaced, fd.get());
        return;
      }
      case 2:
        ASSERT_EQ(net_socket_service_unregister(replaced), 0);
        return;
      case 3:
      case 4: {
        const int result = sockhost_service_add(closed, fd.get(), POLLIN, nullptr);
        ASSERT_TRUE(result == 0 || result == -ENOMEM) << result;
        if (result == 0) fd.release();
        return;
      }
      case 5:
        ++closes;
        ASSERT_EQ(sockhost_service_close(
                      closed, [](void*) { ++completions; }, nullptr),
                  0);
        return;
      case 6:
        ASSERT_EQ(sockhost_service_close_wait(closed, -1), 0);
        return;
      default:
        net_socket_service_foreach(
            [](const net_socket_service_desc* service, void*) { ASSERT_GE(service->pev_len, 0); },
            nullptr);
    }
  });
  EXPECT_TRUE(Becomes([&] { return completions.load(); }, Eq(closes.load())));
  ASSERT_EQ(net_socket_service_unregister(replaced), 0);
  ASSERT_EQ(sockhost_service_close_wait(closed, -1), 0);
  EXPECT_EQ(replaced.Snapshot().sockets, 0);
  EXPECT_EQ(closed.Snapshot().sockets, 0);
}

}  // namespace
}  // namespace sockhost
