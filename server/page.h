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

// The token of the page that follows the item with `last_key`.
std::string NextPageToken(absl::string_view collection, absl::string_view last_key);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_PAGE_H_
