// Which sockets a list or a watch shows.
#ifndef SOCKHOST_SERVER_SOCKET_FILTER_H_
#define SOCKHOST_SERVER_SOCKET_FILTER_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

// A filter as ListSocketsRequest.filter documents it, made ready for matching:
// fields are found and values converted once, when it is parsed. A value type;
// copies share what was parsed.
//
// Thread rule: any thread; one filter may match on several threads at once.
class SocketFilter {
 public:
  // Matches everything.
  SocketFilter() = default;

  // Reads `text`; matches everything if it is empty or blank. Error:
  // FILTER_INVALID, field "filter", metadata `filter` and `position`.
  static absl::StatusOr<SocketFilter> Parse(absl::string_view text);

  // Allocates nothing, unless the filter holds a wildcard or ":" on an address:
  // the text of an address is made for these only, and compared last.
  bool Matches(const SocketSnapshot& socket) const;

 private:
  struct Conjunction;

  explicit SocketFilter(std::shared_ptr<const Conjunction> root) : root_(std::move(root)) {}

  // nullptr: everything.
  std::shared_ptr<const Conjunction> root_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_SOCKET_FILTER_H_
