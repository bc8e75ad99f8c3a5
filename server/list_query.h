// Lists: filter, order and page of one call.
#ifndef SOCKHOST_SERVER_LIST_QUERY_H_
#define SOCKHOST_SERVER_LIST_QUERY_H_

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "page.h"
#include "resource_filter.h"
#include "resource_order.h"

namespace sockhost {

// What a List request asks for. Each page is cut out of all the items anew:
// memory is bounded by the items, and nothing is kept between pages.
//
// Thread rule: any thread.
template <class Item>
class ListQuery {
 public:
  // Reads page_size, page_token, filter and order_by of `request`. `collection`,
  // and `options` (other fields of which a page token must know), tell calls
  // apart. Errors: FILTER_INVALID, ORDER_BY_INVALID, PAGE_SIZE_INVALID,
  // PAGE_TOKEN_INVALID.
  template <class Request>
  static absl::StatusOr<ListQuery> Parse(absl::string_view collection, const Request& request,
                                         absl::string_view options = {}) {
    auto filter = ResourceFilter<Item>::Parse(request.filter());
    if (!filter.ok()) return filter.status();
    auto order = ResourceOrder<Item>::Parse(request.order_by());
    if (!order.ok()) return order.status();
    ListQuery out;
    // The sizes keep the end of one text from being the beginning of the next.
    out.call_ = absl::StrCat(collection, " ", options, " ", request.filter().size(), " ",
                             request.filter(), request.order_by());
    const auto page = ParsePage(out.call_, request.page_size(), request.page_token());
    if (!page.ok()) return page.status();
    out.size_ = page->size;
    if (!page->after.empty()) {
      out.after_ = order->Read(page->after);
      if (!out.after_) return PageTokenError(request.page_token());
    }
    out.filter_ = *std::move(filter);
    out.order_ = *std::move(order);
    return out;
  }

  // What the number in the name of every item of this page is greater than, so that
  // others need not be looked at: 0 on the first page, and in another order.
  int64_t after_number() const {
    return after_ && order_.is_by_name() ? after_->front().number : 0;
  }

  // How many items beyond after_number() are enough to look at; nothing if all may have to be.
  std::optional<size_t> most_items() const {
    if (!order_.is_by_name() || !filter_.is_empty()) return std::nullopt;
    return size_ + 1;
  }

  // Calls `append` for each item of the page, in order; it returns the size of
  // what it has appended. `items` are in the order of their names. Returns the
  // token of the next page, "" at the end.
  template <class Append>
  std::string AppendPage(const std::vector<Item>& items, Append append) const {
    size_t count = 0;
    size_t bytes = 0;
    const SortKey* last = nullptr;
    const std::vector<Found> found = Find(items);
    for (const auto& [key, item] : found) {
      if (count++ == size_ || bytes >= kMaxPageBytes) {
        return NextPageToken(call_, order_.Write(*last));
      }
      bytes += append(*item);
      last = &key;
    }
    return "";
  }

 private:
  using Found = std::pair<SortKey, const Item*>;

  // Those that match and follow `after_`: all of them in another order than that
  // of names, else one more than a page.
  std::vector<Found> Find(const std::vector<Item>& items) const {
    std::vector<Found> found;
    for (const Item& item : items) {
      if (!filter_.Matches(item)) continue;
      SortKey key = order_.KeyOf(item);
      if (after_ && !order_.Precedes(*after_, key)) continue;
      found.emplace_back(std::move(key), &item);
      if (order_.is_by_name() && found.size() > size_) return found;
    }
    if (order_.is_by_name()) return found;
    std::sort(found.begin(), found.end(),
              [this](const Found& a, const Found& b) { return order_.Precedes(a.first, b.first); });
    return found;
  }

  std::string call_;
  size_t size_ = 0;
  std::optional<SortKey> after_;
  ResourceFilter<Item> filter_;
  ResourceOrder<Item> order_;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LIST_QUERY_H_
