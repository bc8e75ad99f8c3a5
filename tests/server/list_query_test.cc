#include "server/list_query.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/listener_record.h"
#include "sockhost/error.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

SocketSnapshot Socket(SocketId id, const std::string& service, int64_t bytes) {
  SocketSnapshot out;
  out.id = id;
  out.fd = static_cast<int>(100 - id);
  out.service = std::make_shared<const std::string>(service);
  out.counters[Counter::receive_bytes] = bytes;
  return out;
}

std::vector<SocketSnapshot> Sockets() {
  return {Socket(1, "echo", 30), Socket(2, "chargen", 10), Socket(3, "echo", 20),
          Socket(10, "chargen", 20), Socket(11, "banner", -5)};
}

v1::ListSocketsRequest Request(const std::string& order_by, int page_size = 0,
                               const std::string& filter = "") {
  v1::ListSocketsRequest request;
  request.set_order_by(order_by);
  request.set_page_size(page_size);
  request.set_filter(filter);
  return request;
}

// One page; its token goes into `request`.
std::vector<SocketId> NextPage(const std::vector<SocketSnapshot>& sockets,
                               v1::ListSocketsRequest& request) {
  std::vector<SocketId> ids;
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", request);
  EXPECT_TRUE(query.ok()) << query.status();
  if (!query.ok()) return ids;
  request.set_page_token(query->AppendPage(sockets, [&ids](const SocketSnapshot& socket) {
    ids.push_back(socket.id);
    return size_t{1};
  }));
  return ids;
}

std::vector<SocketId> Ordered(const std::string& order_by) {
  v1::ListSocketsRequest request = Request(order_by);
  return NextPage(Sockets(), request);
}

std::string ReasonOf(const v1::ListSocketsRequest& request) {
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", request);
  const auto detail = DetailOf(query.status());
  return detail ? absl::StrCat(ReasonName(detail->reason), " ", detail->field) : "none";
}

TEST(ListQueryTest, OrderIsThatOfIdsUnlessAskedFor) {
  EXPECT_THAT(Ordered(""), ElementsAre(1, 2, 3, 10, 11));
  EXPECT_THAT(Ordered(" "), ElementsAre(1, 2, 3, 10, 11));
  EXPECT_THAT(Ordered("name"), ElementsAre(1, 2, 3, 10, 11));
}

TEST(ListQueryTest, NumbersAndIdsOrderAsNumbersTextByBytes) {
  EXPECT_THAT(Ordered("name desc"), ElementsAre(11, 10, 3, 2, 1));
  EXPECT_THAT(Ordered("counters.receive_bytes"), ElementsAre(11, 2, 3, 10, 1));
  EXPECT_THAT(Ordered("service"), ElementsAre(11, 2, 10, 1, 3));
  EXPECT_THAT(Ordered("fd"), ElementsAre(11, 10, 3, 2, 1));
}

TEST(ListQueryTest, LaterFieldsDecideBetweenEqualOnes) {
  EXPECT_THAT(Ordered("service desc, counters.receive_bytes desc"), ElementsAre(1, 3, 10, 2, 11));
  EXPECT_THAT(Ordered("counters.receive_bytes desc,service"), ElementsAre(1, 10, 3, 2, 11));
  EXPECT_THAT(Ordered(" service\tdesc ,name desc"), ElementsAre(3, 1, 10, 2, 11));
  EXPECT_THAT(Ordered("service asc, fd asc"), ElementsAre(11, 10, 2, 3, 1));
  // The name is unique: nothing behind it decides.
  EXPECT_THAT(Ordered("name desc, service"), ElementsAre(11, 10, 3, 2, 1));
}

TEST(ListQueryTest, BrokenOrderIsRefusedWithTheFieldThatIsWrong) {
  for (const char* order_by :
       {",", "fd,", ",fd", "fd desc desc", "fd down", "fd service", "DESC", "desc", "nope",
        "counters", "receive_bytes", "fd; service", "fd,fd,fd,fd,fd,fd,fd,fd,fd", "name,,service",
        "name,", "name,nope", "name,fd,fd,fd,fd,fd,fd,fd,fd"}) {
    EXPECT_EQ(ReasonOf(Request(order_by)), "ORDER_BY_INVALID order_by") << order_by;
  }
  EXPECT_EQ(ReasonOf(Request(std::string(1025, 'x'))), "ORDER_BY_INVALID order_by");
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", Request("fd, recieve_bytes desc"));
  EXPECT_THAT(std::string(query.status().message()),
              HasSubstr("did you mean counters.receive_bytes?"));
  EXPECT_EQ(DetailOf(query.status())->metadata.at("order_by"), "fd, recieve_bytes desc");
}

TEST(ListQueryTest, PagesFollowEachOtherInEveryOrder) {
  for (const char* order_by : {"", "name desc", "service", "counters.receive_bytes desc, fd"}) {
    for (const int size : {1, 2, 3, 5}) {
      v1::ListSocketsRequest request = Request(order_by, size);
      std::vector<SocketId> all;
      do {
        const std::vector<SocketId> page = NextPage(Sockets(), request);
        all.insert(all.end(), page.begin(), page.end());
        ASSERT_LE(all.size(), 5u);
      } while (!request.page_token().empty());
      EXPECT_EQ(all, Ordered(order_by)) << order_by << " " << size;
    }
  }
}

TEST(ListQueryTest, FilterAppliesBeforeThePageIsCut) {
  v1::ListSocketsRequest request = Request("", 2, "service = echo OR service = banner");
  EXPECT_THAT(NextPage(Sockets(), request), ElementsAre(1, 3));
  EXPECT_THAT(NextPage(Sockets(), request), ElementsAre(11));
  EXPECT_EQ(request.page_token(), "");
}

TEST(ListQueryTest, ItemsThatComeAndGoShiftNoPage) {
  std::vector<SocketSnapshot> sockets = Sockets();
  v1::ListSocketsRequest request = Request("counters.receive_bytes", 2);
  EXPECT_THAT(NextPage(sockets, request), ElementsAre(11, 2));
  // Both of the first page go, the token's own among them; others come on either
  // side of it.
  std::erase_if(sockets, [](const SocketSnapshot& s) { return s.id == 11 || s.id == 2; });
  sockets.push_back(Socket(12, "echo", 0));
  sockets.push_back(Socket(13, "echo", 25));
  EXPECT_THAT(NextPage(sockets, request), ElementsAre(3, 10));
  EXPECT_THAT(NextPage(sockets, request), ElementsAre(13, 1));
  EXPECT_EQ(request.page_token(), "");
}

TEST(ListQueryTest, TokenBelongsToFilterAndOrder) {
  v1::ListSocketsRequest request = Request("service", 2, "fd > 0");
  NextPage(Sockets(), request);
  ASSERT_NE(request.page_token(), "");
  v1::ListSocketsRequest other_filter = request;
  other_filter.set_filter("fd > 1");
  v1::ListSocketsRequest other_order = request;
  other_order.set_order_by("service desc");
  // The same characters, cut at another place.
  v1::ListSocketsRequest shifted = request;
  shifted.set_filter("fd > 0s");
  shifted.set_order_by("ervice");
  for (const auto& changed : {other_filter, other_order}) {
    EXPECT_EQ(ReasonOf(changed), "PAGE_TOKEN_INVALID page_token") << changed.ShortDebugString();
  }
  EXPECT_NE(ReasonOf(shifted), "none");
  request.set_page_size(4);
  EXPECT_THAT(NextPage(Sockets(), request), ElementsAre(10, 1, 3));
}

TEST(ListQueryTest, TokenOfOtherOptionsIsRefused) {
  const v1::ListSocketsRequest first = Request("", 1);
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", first, "closed");
  v1::ListSocketsRequest next = first;
  next.set_page_token(query->AppendPage(Sockets(), [](const auto&) { return size_t{1}; }));
  EXPECT_EQ(ReasonOf(next), "PAGE_TOKEN_INVALID page_token");
  EXPECT_TRUE(ListQuery<SocketSnapshot>::Parse("sockets", next, "closed").ok());
}

TEST(ListQueryTest, SocketsBeforeAPageByNameNeedNotBeLookedAt) {
  v1::ListSocketsRequest request = Request("", 2);
  const auto after = [&request] {
    return ListQuery<SocketSnapshot>::Parse("sockets", request)->after_number();
  };
  EXPECT_EQ(after(), 0);
  NextPage(Sockets(), request);
  EXPECT_EQ(after(), 2);
  request = Request("fd", 2);
  NextPage(Sockets(), request);
  EXPECT_EQ(after(), 0);
  request = Request("name desc", 2);
  NextPage(Sockets(), request);
  EXPECT_EQ(after(), 0);
}

TEST(ListQueryTest, LargePageEndsEarlyAndGoesOn) {
  v1::ListSocketsRequest request = Request("service");
  std::vector<SocketId> ids;
  do {
    const auto query = ListQuery<SocketSnapshot>::Parse("sockets", request);
    ASSERT_TRUE(query.ok()) << query.status();
    size_t in_page = 0;
    request.set_page_token(query->AppendPage(Sockets(), [&](const SocketSnapshot& socket) {
      ids.push_back(socket.id);
      ++in_page;
      return kMaxPageBytes / 2;
    }));
    EXPECT_LE(in_page, 2u);
  } while (!request.page_token().empty() && ids.size() <= 5);
  EXPECT_EQ(ids, Ordered("service"));
}

TEST(ListQueryTest, NothingMatchesIsAnEmptyLastPage) {
  v1::ListSocketsRequest request = Request("fd", 2, "fd = 0");
  EXPECT_THAT(NextPage(Sockets(), request), IsEmpty());
  EXPECT_EQ(request.page_token(), "");
}

TEST(ListQueryTest, ListenersOrderByTheirLabels) {
  std::vector<ListenerSnapshot> listeners;
  for (const auto& [name, tier] : {std::pair("a", "3"), std::pair("b", ""), std::pair("c", "1")}) {
    v1::Listener declared;
    if (*tier) (*declared.mutable_labels())["tier"] = tier;
    ListenerConfig config;
    config.name = name;
    config.attachment = MakeListenerRecord(name, declared);
    listeners.emplace_back().config = std::make_shared<const ListenerConfig>(config);
  }
  v1::ListListenersRequest request;
  request.set_order_by("labels.tier desc");
  std::string names;
  const auto query = ListQuery<ListenerSnapshot>::Parse("listeners", request);
  ASSERT_TRUE(query.ok()) << query.status();
  query->AppendPage(listeners, [&names](const ListenerSnapshot& listener) {
    names += listener.config->name;
    return size_t{1};
  });
  EXPECT_EQ(names, "acb");
}

}  // namespace
}  // namespace sockhost
