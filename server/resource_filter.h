// Which resources a list or a watch shows.
#ifndef SOCKHOST_SERVER_RESOURCE_FILTER_H_
#define SOCKHOST_SERVER_RESOURCE_FILTER_H_

#include <memory>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/host_event.h"
#include "sockhost/service_host.h"
#include "sockhost/socket_snapshot.h"

namespace sockhost {

// A filter as admin.proto documents it, made ready for matching:
// fields are found and values converted once, when it is parsed. A value type;
// copies share what was parsed. Items are those of FieldsOf (resource_fields.h).
//
// Thread rule: any thread; one filter may match on several threads at once.
template <class Item>
class ResourceFilter {
 public:
  // Matches everything.
  ResourceFilter() = default;

  // Reads `text`; matches everything if it is empty or blank. Error:
  // FILTER_INVALID, field "filter", metadata `filter` and `position`.
  static absl::StatusOr<ResourceFilter> Parse(absl::string_view text);

  // Allocates nothing, unless the filter holds a wildcard or ":" on an address:
  // the text of an address is made for these only, and compared last.
  bool Matches(const Item& item) const;
  // True if it matches everything.
  bool is_empty() const { return root_ == nullptr; }

 private:
  struct Group;

  explicit ResourceFilter(std::shared_ptr<const Group> root) : root_(std::move(root)) {}

  // nullptr: everything.
  std::shared_ptr<const Group> root_;
};

// Compiled once, in resource_filter.cc.
extern template class ResourceFilter<SocketSnapshot>;
extern template class ResourceFilter<ListenerSnapshot>;
extern template class ResourceFilter<ServiceSnapshot>;
extern template class ResourceFilter<HostEvent>;

using SocketFilter = ResourceFilter<SocketSnapshot>;
using ListenerFilter = ResourceFilter<ListenerSnapshot>;
using ServiceFilter = ResourceFilter<ServiceSnapshot>;
using EventFilter = ResourceFilter<HostEvent>;

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_RESOURCE_FILTER_H_
