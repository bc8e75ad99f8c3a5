#include "service_core/service_registry.h"

#include <gmock/gmock.h>
#include <poll.h>

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

void Handler(net_socket_service_event*) {}
void FreeUserData(void*) {}

sockhost_service_definition Definition(const char* name, int capacity = 0) {
  sockhost_service_definition definition{};
  definition.name = name;
  definition.owner = "file.c:1";
  definition.handler = Handler;
  definition.capacity = capacity;
  return definition;
}

// What NET_SOCKET_SERVICE_SYNC_DEFINE makes.
struct MacroService {
  int index = -1;
  net_socket_service_event events[3] = {};
  net_socket_service_desc descriptor{"macro.c:7", events, 3, &index};
};

class ServiceRegistryTest : public testing::Test {
 protected:
  std::vector<std::string> Names() const {
    std::vector<std::string> names;
    for (const auto& service : registry_.List()) names.push_back(*service->name);
    return names;
  }

  std::shared_ptr<Service> Define(const sockhost_service_definition& definition) {
    absl::StatusOr<std::shared_ptr<Service>> service =
        registry_.Define(definition, ServiceKind::kBuiltIn);
    EXPECT_TRUE(service.ok()) << service.status();
    return service.ok() ? *service : nullptr;
  }

  ServiceRegistry registry_;
};

TEST_F(ServiceRegistryTest, EmptyRegistryKnowsNothing) {
  EXPECT_THAT(registry_.List(), IsEmpty());
  EXPECT_EQ(registry_.Find("echo"), nullptr);
}

TEST_F(ServiceRegistryTest, DefinitionIsCopied) {
  std::string name = "my-service";
  std::string owner = "source.cc:12";
  sockhost_service_definition definition = Definition(name.c_str(), 2);
  definition.owner = owner.c_str();
  definition.free_user_data = FreeUserData;
  definition.connection_events = POLLOUT;
  const std::shared_ptr<Service> service = Define(definition);
  name.assign(name.size(), 'x');
  owner.assign(owner.size(), 'x');
  definition = {};

  EXPECT_EQ(*service->name, "my-service");
  EXPECT_EQ(service->owner, "source.cc:12");
  EXPECT_STREQ(service->descriptor->owner, "source.cc:12");
  EXPECT_EQ(service->handler, Handler);
  EXPECT_EQ(service->free_user_data, FreeUserData);
  EXPECT_EQ(service->connection_events, static_cast<uint32_t>(POLLOUT));
  EXPECT_EQ(service->kind, ServiceKind::kBuiltIn);
  EXPECT_EQ(service->descriptor->pev_len, 2);
}

TEST_F(ServiceRegistryTest, ConnectionsAreReadByDefault) {
  EXPECT_EQ(Define(Definition("a"))->connection_events, static_cast<uint32_t>(POLLIN));
}

TEST_F(ServiceRegistryTest, MissingOwnerIsEmpty) {
  sockhost_service_definition definition = Definition("a");
  definition.owner = nullptr;
  EXPECT_STREQ(Define(definition)->descriptor->owner, "");
}

TEST_F(ServiceRegistryTest, EntriesOfADescriptorStartFree) {
  const std::shared_ptr<Service> service = Define(Definition("a", 4));
  for (int i = 0; i < 4; ++i) {
    const net_socket_service_event& entry = service->descriptor->pev[i];
    EXPECT_EQ(entry.event.fd, -1);
    EXPECT_EQ(entry.callback, Handler);
    EXPECT_EQ(entry.svc, service->descriptor);
    EXPECT_EQ(entry.user_data, nullptr);
  }
}

TEST_F(ServiceRegistryTest, AnnouncedServiceIsFilledAndFound) {
  MacroService macro;
  const std::shared_ptr<Service> service =
      registry_.Announce(&macro.descriptor, "macro_service", Handler);
  EXPECT_EQ(*service->name, "macro_service");
  EXPECT_EQ(service->owner, "macro.c:7");
  EXPECT_EQ(service->kind, ServiceKind::kModule);
  EXPECT_EQ(macro.index, 0);
  for (const net_socket_service_event& entry : macro.events) {
    EXPECT_EQ(entry.event.fd, -1);
    EXPECT_EQ(entry.callback, Handler);
    EXPECT_EQ(entry.svc, &macro.descriptor);
  }
  EXPECT_EQ(registry_.Find(&macro.descriptor), service);
  EXPECT_EQ(registry_.Find("macro_service"), service);
}

TEST_F(ServiceRegistryTest, AnnouncedServicesOfOneNameAreNumbered) {
  MacroService macros[3];
  for (MacroService& macro : macros) registry_.Announce(&macro.descriptor, "local", Handler);
  EXPECT_THAT(Names(), ElementsAre("local", "local-2", "local-3"));
  EXPECT_EQ(registry_.Find("local-3")->descriptor, &macros[2].descriptor);
}

TEST_F(ServiceRegistryTest, DefiningATakenNameFails) {
  Define(Definition("echo"));
  const absl::Status status = registry_.Define(Definition("echo"), ServiceKind::kModule).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kAlreadyExists) << status;
  EXPECT_THAT(Names(), ElementsAre("echo"));
}

TEST_F(ServiceRegistryTest, TakenNameTellsTheOwnersThatAreKnown) {
  const auto message = [this](const char* name, const char* owner) {
    sockhost_service_definition definition = Definition(name);
    definition.owner = owner;
    return std::string(registry_.Define(definition, ServiceKind::kModule).status().message());
  };
  EXPECT_EQ(message("known", "a.c:1"), "");
  EXPECT_EQ(message("known", "b.c:2"),
            "service \"known\" (b.c:2): the name is taken by another one (a.c:1)");
  EXPECT_EQ(message("unknown", nullptr), "");
  EXPECT_EQ(message("unknown", nullptr), "service \"unknown\": the name is taken by another one");
}

TEST_F(ServiceRegistryTest, ServicesAreListedInTheirOrderWithGrowingIndexes) {
  MacroService macro;
  const std::shared_ptr<Service> first = Define(Definition("zebra"));
  registry_.Announce(&macro.descriptor, "middle", Handler);
  const std::shared_ptr<Service> last = Define(Definition("ant"));
  EXPECT_THAT(Names(), ElementsAre("zebra", "middle", "ant"));
  EXPECT_EQ(*first->descriptor->idx, 0);
  EXPECT_EQ(macro.index, 1);
  EXPECT_EQ(*last->descriptor->idx, 2);
}

TEST_F(ServiceRegistryTest, WithdrawnServiceIsUnknownAndItsIndexNotReused) {
  const std::shared_ptr<Service> gone = Define(Definition("gone"));
  Define(Definition("stays"));
  registry_.Withdraw(*gone);
  EXPECT_EQ(registry_.Find("gone"), nullptr);
  EXPECT_EQ(registry_.Find(gone->descriptor), nullptr);
  EXPECT_THAT(Names(), ElementsAre("stays"));
  EXPECT_EQ(*Define(Definition("gone"))->descriptor->idx, 2);
}

TEST_F(ServiceRegistryTest, UnknownDescriptorIsNotRead) {
  Define(Definition("a"));
  const auto* wild = reinterpret_cast<const net_socket_service_desc*>(16);
  EXPECT_EQ(registry_.Find(wild), nullptr);
}

struct NameCase {
  std::string name;
  bool valid;

  friend void PrintTo(const NameCase& c, std::ostream* out) { *out << '"' << c.name << '"'; }
};

class ServiceNameTest : public testing::TestWithParam<NameCase> {};

TEST_P(ServiceNameTest, IsCheckedAgainstTheDocumentedForm) {
  ServiceRegistry registry;
  const absl::Status status =
      registry.Define(Definition(GetParam().name.c_str()), ServiceKind::kModule).status();
  EXPECT_EQ(status.ok(), GetParam().valid) << status;
  if (GetParam().valid) return;
  ASSERT_TRUE(DetailOf(status).has_value()) << status;
  EXPECT_EQ(DetailOf(status)->reason, Reason::kSERVICE_INVALID);
}

// ^[a-z]([a-z0-9_-]{0,61}[a-z0-9])?$, or a C identifier.
INSTANTIATE_TEST_SUITE_P(
    Names, ServiceNameTest,
    testing::Values(NameCase{"a", true}, NameCase{"echo", true}, NameCase{"echo-2", true},
                    NameCase{"a_b-c", true}, NameCase{std::string(63, 'a'), true},
                    NameCase{"service_udp", true}, NameCase{"_private", true},
                    NameCase{"MyService1", true}, NameCase{"trailing_", true}, NameCase{"", false},
                    NameCase{std::string(64, 'a'), false}, NameCase{"2nd", false},
                    NameCase{"-a", false}, NameCase{"a-", false}, NameCase{"My-Service", false},
                    NameCase{"_a-b", false}, NameCase{"a b", false}, NameCase{"a/b", false},
                    NameCase{"a.b", false}, NameCase{"a\n", false}, NameCase{"\xc3\xa4", false}));

TEST_F(ServiceRegistryTest, UnusableDefinitionsAreRefused) {
  sockhost_service_definition no_name = Definition(nullptr);
  sockhost_service_definition no_handler = Definition("a");
  no_handler.handler = nullptr;
  const sockhost_service_definition negative = Definition("a", -1);
  const sockhost_service_definition huge = Definition("a", 1 << 30);
  for (const auto& definition : {no_name, no_handler, negative, huge}) {
    const absl::Status status = registry_.Define(definition, ServiceKind::kModule).status();
    ASSERT_TRUE(DetailOf(status).has_value()) << status;
    EXPECT_EQ(DetailOf(status)->reason, Reason::kSERVICE_INVALID);
  }
  EXPECT_THAT(Names(), IsEmpty());
}

TEST_F(ServiceRegistryTest, RefusalNamesWhatIsWrongAlone) {
  sockhost_service_definition no_handler = Definition("a");
  no_handler.handler = nullptr;
  EXPECT_EQ(registry_.Define(no_handler, ServiceKind::kModule).status().message(),
            "service \"a\": needs a handler");
  EXPECT_EQ(registry_.Define(Definition("a", -1), ServiceKind::kModule).status().message(),
            "service \"a\": capacity -1: use 0 to 1048576");
}

TEST_F(ServiceRegistryTest, ThreadsGetOneServiceForOneName) {
  constexpr int kThreads = 8;
  std::atomic<int> defined{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int n = 0; n < 100; ++n) {
        const std::string name = absl::StrCat("s", n);
        if (registry_.Define(Definition(name.c_str()), ServiceKind::kModule).ok()) ++defined;
        registry_.List();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(defined, 100);
  EXPECT_EQ(registry_.List().size(), 100u);
}

}  // namespace
}  // namespace sockhost
