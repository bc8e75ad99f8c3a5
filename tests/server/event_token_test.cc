#include "server/event_token.h"

#include <gmock/gmock.h>

#include "absl/strings/escaping.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

constexpr char kInstance[] = "0b5e0b8e-0000-4000-8000-000000000000";

Reason ReasonOf(absl::string_view token) {
  const absl::StatusOr<int64_t> parsed = ParseEventToken(token, kInstance, 100);
  EXPECT_FALSE(parsed.ok()) << token;
  return parsed.ok() ? Reason::kINTERNAL : DetailOf(parsed.status()).value().reason;
}

TEST(EventTokenTest, IsReadBack) {
  for (const int64_t sequence : {0, 1, 99, 100}) {
    EXPECT_EQ(ParseEventToken(EventToken(kInstance, sequence), kInstance, 100).value(), sequence);
  }
}

TEST(EventTokenTest, OfTheFutureIsRefused) {
  EXPECT_EQ(ReasonOf(EventToken(kInstance, 101)), Reason::kRESUME_TOKEN_INVALID);
}

TEST(EventTokenTest, OfAnotherInstanceIsToldSo) {
  EXPECT_EQ(ReasonOf(EventToken("another", 5)), Reason::kINSTANCE_CHANGED);
  EXPECT_EQ(ReasonOf(EventToken("another", 1000)), Reason::kINSTANCE_CHANGED);
}

TEST(EventTokenTest, GarbageIsRefused) {
  const std::string ours = EventToken(kInstance, 5);
  const std::string cut = ours.substr(0, ours.size() - 1);
  for (const std::string& token :
       {std::string("x"), std::string("="), std::string(5000, 'A'), cut, ours + "A", ours + "\n",
        absl::WebSafeBase64Escape("events/"), absl::WebSafeBase64Escape("events//-1"),
        absl::WebSafeBase64Escape(std::string("events/") + kInstance + "/05"),
        absl::WebSafeBase64Escape(std::string("sockets/") + kInstance + "/5"),
        absl::WebSafeBase64Escape(std::string("events/") + kInstance + "/99999999999999999999")}) {
    EXPECT_EQ(ReasonOf(token), Reason::kRESUME_TOKEN_INVALID) << token;
  }
}

}  // namespace
}  // namespace sockhost
