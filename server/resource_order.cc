#include "resource_order.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "filter_syntax.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// The contract's limits: a key is made for each item of a list, and one goes into
// the page token.
constexpr size_t kMaxOrderBytes = 1024;
constexpr size_t kMaxOrderFields = 8;

// As much of it as an error shows.
constexpr size_t kShownOrder = 256;

// `part` is what is wrong in the `order`.
absl::Status OrderError(absl::string_view order, absl::string_view part, absl::string_view why) {
  return Error(Reason::kORDER_BY_INVALID,
               absl::StrCat("order_by: ", QuoteForMessage(part), " ", why),
               {{"order_by", Shorten(order, kShownOrder)}}, "order_by");
}

}  // namespace

template <class Item>
typename ResourceOrder<Item>::Part ResourceOrder<Item>::ByName() {
  Part part;
  part.field.text = &FieldsOf<Item>().texts.front();
  return part;
}

template <class Item>
ResourceOrder<Item>::ResourceOrder() : parts_{ByName()} {}

template <class Item>
absl::StatusOr<typename ResourceOrder<Item>::Part> ResourceOrder<Item>::ParsePart(
    absl::string_view order, absl::string_view text) {
  const std::vector<absl::string_view> words =
      absl::StrSplit(text, absl::ByAnyChar(" \t\r\n"), absl::SkipEmpty());
  if (words.empty()) return OrderError(order, text, "is no field; write FIELD or FIELD desc");
  const bool has_direction = words.size() == 2 && (words[1] == "desc" || words[1] == "asc");
  if (words.size() > 1 && !has_direction) {
    return OrderError(
        order, text,
        "is more than a field: fields are joined by commas, and behind one stands desc or nothing");
  }
  Part part;
  part.field = FindField<Item>(words[0]);
  if (!part.field.number && !part.field.text) {
    return OrderError(order, words[0], absl::StrCat("is no field; ", SuggestField<Item>(words[0])));
  }
  part.descending = has_direction && words[1] == "desc";
  return part;
}

template <class Item>
absl::StatusOr<ResourceOrder<Item>> ResourceOrder<Item>::Parse(absl::string_view text) {
  if (absl::StripAsciiWhitespace(text).empty()) return ResourceOrder();
  if (text.size() > kMaxOrderBytes) {
    return OrderError(text, text, absl::StrCat("is longer than ", kMaxOrderBytes, " bytes"));
  }
  const std::vector<absl::string_view> texts = absl::StrSplit(text, ',');
  if (texts.size() > kMaxOrderFields) {
    return OrderError(text, text, absl::StrCat("has more than ", kMaxOrderFields, " fields"));
  }
  ResourceOrder out;
  out.parts_.clear();
  bool has_name = false;
  for (const absl::string_view part_text : texts) {
    absl::StatusOr<Part> part = ParsePart(text, part_text);
    if (!part.ok()) return part.status();
    // What stands behind the name never decides.
    if (has_name) continue;
    has_name = part->field.text == ByName().field.text;
    out.parts_.push_back(*std::move(part));
  }
  if (!has_name) out.parts_.push_back(ByName());
  return out;
}

template <class Item>
SortKey ResourceOrder<Item>::KeyOf(const Item& item) const {
  SortKey key(parts_.size());
  for (size_t i = 0; i < parts_.size(); ++i) {
    const FoundField<Item>& field = parts_[i].field;
    if (parts_[i].is_number()) {
      key[i].number = field.number ? field.number->read(item) : field.text->number(item);
      continue;
    }
    std::string storage;
    key[i].text = std::string(field.text->read(item, field.key, storage));
  }
  return key;
}

template <class Item>
bool ResourceOrder<Item>::Precedes(const SortKey& a, const SortKey& b) const {
  for (size_t i = 0; i < parts_.size(); ++i) {
    if (a[i].number == b[i].number && a[i].text == b[i].text) continue;
    const bool less = parts_[i].is_number() ? a[i].number < b[i].number : a[i].text < b[i].text;
    return less != parts_[i].descending;
  }
  return false;
}

template <class Item>
std::vector<std::string> ResourceOrder<Item>::Write(const SortKey& key) const {
  std::vector<std::string> texts(key.size());
  for (size_t i = 0; i < key.size(); ++i) {
    texts[i] = parts_[i].is_number() ? absl::StrCat(key[i].number) : key[i].text;
  }
  return texts;
}

template <class Item>
std::optional<SortKey> ResourceOrder<Item>::Read(const std::vector<std::string>& texts) const {
  if (texts.size() != parts_.size()) return std::nullopt;
  SortKey key(texts.size());
  for (size_t i = 0; i < texts.size(); ++i) {
    if (!parts_[i].is_number()) {
      key[i].text = texts[i];
    } else if (!absl::SimpleAtoi(texts[i], &key[i].number)) {
      return std::nullopt;
    }
  }
  return key;
}

template class ResourceOrder<SocketSnapshot>;
template class ResourceOrder<ListenerSnapshot>;
template class ResourceOrder<ServiceSnapshot>;

}  // namespace sockhost
