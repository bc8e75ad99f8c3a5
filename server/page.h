// Pages of lists.
#ifndef SOCKHOST_SERVER_PAGE_H_
#define SOCKHOST_SERVER_PAGE_H_

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// What a list call asks for: up to `size` items whose keys follow `after`. The
// token is the key of the last item that was given, so a page is right whatever
// was created or deleted in between.
struct Page {
  size_t size = 0;
  std::string after;
};

// Reads page_size and page_token of a call that lists `collection`. Errors:
// PAGE_SIZE_INVALID, PAGE_TOKEN_INVALID. A token of another collection is
// refused; one that was made up is harmless.
absl::StatusOr<Page> ParsePage(absl::string_view collection, int32_t page_size,
                               absl::string_view page_token);

// A page ends before it is full when it has grown to this: stock clients refuse
// messages of more than 4 MiB, and no item is larger than the difference.
inline constexpr size_t kMaxPageBytes = size_t{2} << 20;

// The token of the page that follows the item with `last_key`.
std::string NextPageToken(absl::string_view collection, absl::string_view last_key);

// Appends a page of `items`, which are in the order of their keys, and tells the
// key of the last one if more follow. `append` returns the size of an item.
template <typename Items, typename KeyOf, typename Append>
std::string AppendPage(const Items& items, const Page& page, KeyOf key_of, Append append) {
  size_t count = 0;
  size_t bytes = 0;
  std::string last;
  for (const auto& item : items) {
    if (!page.after.empty() && key_of(item) <= page.after) continue;
    if (count++ == page.size || bytes >= kMaxPageBytes) return last;
    bytes += append(item);
    last = key_of(item);
  }
  return "";
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PAGE_H_
