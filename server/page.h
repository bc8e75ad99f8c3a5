// Pages of lists.
#ifndef SOCKHOST_SERVER_PAGE_H_
#define SOCKHOST_SERVER_PAGE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace sockhost {

// What a list call asks for: up to `size` items, those that follow the item with
// the key `after` (empty: from the beginning). The token is the key of the last
// item that was given, so a page is right whatever was created or deleted in
// between, and the server remembers nothing.
struct Page {
  size_t size = 0;
  std::vector<std::string> after;
};

// A page ends before it is full when it has grown to this: stock clients refuse
// messages of more than 4 MiB, and no item is larger than the difference.
inline constexpr size_t kMaxPageBytes = size_t{2} << 20;

// Reads page_size and page_token of a call. `call` holds everything that must be
// the same from page to page: the collection, the filter, the order. Errors:
// PAGE_SIZE_INVALID, PAGE_TOKEN_INVALID. A token of another call is refused; one
// that was made up is harmless.
absl::StatusOr<Page> ParsePage(absl::string_view call, int32_t page_size,
                               absl::string_view page_token);

// The token of the page that follows the item with `last_key`.
std::string NextPageToken(absl::string_view call, const std::vector<std::string>& last_key);

// The error PAGE_TOKEN_INVALID.
absl::Status PageTokenError(absl::string_view page_token);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PAGE_H_
