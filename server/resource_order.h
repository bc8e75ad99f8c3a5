// The order in which a list shows resources.
#ifndef SOCKHOST_SERVER_RESOURCE_ORDER_H_
#define SOCKHOST_SERVER_RESOURCE_ORDER_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "resource_fields.h"

namespace sockhost {

// The value of one field: a number, or a text.
struct SortValue {
  int64_t number = 0;
  std::string text;
};

// The place of an item in an order: one value for each field of the order.
using SortKey = std::vector<SortValue>;

// An order_by as admin.proto documents it. The name of the item
// decides last, so no two items have the same place. A value type.
//
// Thread rule: any thread; one order may be used on several threads at once.
template <class Item>
class ResourceOrder {
 public:
  // By name.
  ResourceOrder();

  // Reads `text`; by name if it is empty or blank. Error: ORDER_BY_INVALID, field
  // "order_by".
  static absl::StatusOr<ResourceOrder> Parse(absl::string_view text);

  // True for the order in which the core gives its items.
  bool is_by_name() const { return parts_.size() == 1 && !parts_.front().descending; }

  SortKey KeyOf(const Item& item) const;
  // True if `a` comes first. Both are of this order.
  bool Precedes(const SortKey& a, const SortKey& b) const;

  // A key as texts, for a page token, and back; nothing if they are of no key.
  std::vector<std::string> Write(const SortKey& key) const;
  std::optional<SortKey> Read(const std::vector<std::string>& texts) const;

 private:
  struct Part {
    FoundField<Item> field;
    bool descending = false;

    bool is_number() const { return field.number || field.text->number; }
  };

  // `text` is one of the parts of `order`.
  static absl::StatusOr<Part> ParsePart(absl::string_view order, absl::string_view text);
  static Part ByName();

  std::vector<Part> parts_;
};

// Compiled once, in resource_order.cc.
extern template class ResourceOrder<SocketSnapshot>;
extern template class ResourceOrder<ListenerSnapshot>;
extern template class ResourceOrder<ServiceSnapshot>;

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_RESOURCE_ORDER_H_
