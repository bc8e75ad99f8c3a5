// Page tokens: any text is refused, or leads to a page of the call that it is of. The
// first line of the input is order_by, the second the filter, the rest is the token;
// it is tried as it is, and as the key of a token that is well made.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "require.h"
#include "server/list_query.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {
namespace {

constexpr absl::string_view kCall = "a call";

std::vector<SocketSnapshot> MakeSockets() {
  std::vector<SocketSnapshot> sockets(5);
  for (size_t i = 0; i < sockets.size(); ++i) {
    sockets[i].id = static_cast<SocketId>(i + 1);
    sockets[i].fd = static_cast<int>(i % 2);
    sockets[i].service = std::make_shared<const std::string>(i < 2 ? "echo" : "");
    sockets[i].counters[Counter::receive_bytes] = static_cast<int64_t>(i) - 2;
  }
  return sockets;
}

void CheckToken(const std::string& token) {
  const absl::StatusOr<Page> page = ParsePage(kCall, 1, token);
  if (!page.ok()) {
    const ErrorDetail detail = RequireParseError(page.status(), Reason::kPAGE_TOKEN_INVALID);
    Require(detail.field == "page_token", "the field is named");
    return;
  }
  Require(page->after.empty() == token.empty(), "a token has a key");
  if (token.empty()) return;
  const absl::StatusOr<Page> again = ParsePage(kCall, 1, NextPageToken(kCall, page->after));
  Require(again.ok() && again->after == page->after, "a token that was read is written");
  Require(!ParsePage("another call", 1, token).ok(), "a token is of one call");
}

void CheckKey(absl::string_view rest) {
  if (rest.empty()) return;
  const std::vector<std::string> key = absl::StrSplit(rest, '\n');
  const absl::StatusOr<Page> page = ParsePage(kCall, 1, NextPageToken(kCall, key));
  Require(page.ok() && page->after == key, "a token that was written is read");
}

// Page after page of one item shows what one page of all shows.
void CheckPages(v1::ListSocketsRequest request, const std::vector<SocketSnapshot>& sockets) {
  const auto list = [&sockets](v1::ListSocketsRequest& asked, std::vector<SocketId>& ids) {
    const auto query = ListQuery<SocketSnapshot>::Parse("sockets", asked);
    Require(query.ok(), "a request is as good with a token of its own");
    asked.set_page_token(query->AppendPage(sockets, [&ids](const SocketSnapshot& socket) {
      ids.push_back(socket.id);
      return size_t{1};
    }));
  };
  std::vector<SocketId> all;
  list(request, all);
  Require(request.page_token().empty(), "one page holds all");
  request.set_page_size(1);
  std::vector<SocketId> paged;
  do {
    list(request, paged);
    Require(paged.size() <= sockets.size(), "pages come to an end");
  } while (!request.page_token().empty());
  Require(paged == all, "pages show each item once, in order");
}

void CheckRequest(absl::string_view order_by, absl::string_view filter, absl::string_view token) {
  const std::vector<SocketSnapshot> sockets = MakeSockets();
  v1::ListSocketsRequest request;
  request.set_order_by(std::string(order_by));
  request.set_filter(std::string(filter));
  const auto query = ListQuery<SocketSnapshot>::Parse("sockets", request);
  if (!query.ok()) {
    const auto detail = DetailOf(query.status());
    RequireParseError(query.status(), detail ? detail->reason : Reason::kINTERNAL);
    return;
  }
  CheckPages(request, sockets);
  // A token that was made up is refused or harmless.
  request.set_page_token(std::string(token));
  const auto made_up = ListQuery<SocketSnapshot>::Parse("sockets", request);
  if (made_up.ok()) made_up->AppendPage(sockets, [](const SocketSnapshot&) { return size_t{1}; });
}

}  // namespace
}  // namespace sockhost

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view input(reinterpret_cast<const char*>(data), size);
  std::vector<absl::string_view> lines = absl::StrSplit(input, absl::MaxSplits('\n', 2));
  lines.resize(3);
  sockhost::CheckToken(std::string(lines[2]));
  sockhost::CheckKey(lines[2]);
  sockhost::CheckRequest(lines[0], lines[1], lines[2]);
  return 0;
}
