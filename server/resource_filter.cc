#include "resource_filter.h"

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "filter_syntax.h"
#include "resource_fields.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// ---- Tests of one item ------------------------------------------------------

// The relations of a field to a value with which a comparison holds.
enum Relation : unsigned { kLess = 1, kEqual = 2, kGreater = 4, kAny = 7 };

template <class Item>
struct NumberTest {
  const NumberField<Item>* field = nullptr;
  unsigned relations = 0;
  int64_t value = 0;

  bool Holds(const Item& item) const {
    const int64_t number = field->read(item);
    return relations & (number < value ? kLess : number == value ? kEqual : kGreater);
  }
};

// For an address that is written in full.
template <class Item>
struct AddressTest {
  const TextField<Item>* field = nullptr;
  bool negated = false;
  SocketAddress value;

  bool Holds(const Item& item) const { return (field->address(item) == value) != negated; }
};

// Whether `text` is `pieces` with anything between them. The leftmost place of a
// piece leaves the most room for the next, so no place is tried twice.
bool ConsistsOf(absl::string_view text, const std::vector<std::string>& pieces) {
  const std::string& first = pieces.front();
  if (pieces.size() == 1) return text == first;
  const std::string& last = pieces.back();
  if (text.size() < first.size() + last.size()) return false;
  if (!absl::StartsWith(text, first) || !absl::EndsWith(text, last)) return false;
  text.remove_prefix(first.size());
  text.remove_suffix(last.size());
  for (size_t i = 1; i + 1 < pieces.size(); ++i) {
    const size_t found = text.find(pieces[i]);
    if (found == absl::string_view::npos) return false;
    text.remove_prefix(found + pieces[i].size());
  }
  return true;
}

template <class Item>
struct TextTest {
  const TextField<Item>* field = nullptr;
  std::string key;
  bool negated = false;
  // An empty field does not match, whatever the pieces are.
  bool needs_text = false;
  std::vector<std::string> pieces;

  bool Holds(const Item& item) const {
    std::string storage;
    const absl::string_view text = field->read(item, key, storage);
    const bool matches = !(needs_text && text.empty()) && ConsistsOf(text, pieces);
    return matches != negated;
  }
};

// ---- Values -----------------------------------------------------------------

// Each fills `out` and returns "", or what is wrong with `text`.

std::string ReadWord(absl::Span<const FieldWord> words, absl::string_view text, int64_t& out) {
  for (const FieldWord& word : words) {
    if (word.name != text) continue;
    out = word.value;
    return "";
  }
  const auto append_name = [](std::string* names, const FieldWord& word) {
    absl::StrAppend(names, word.name);
  };
  return absl::StrCat("is none of ", absl::StrJoin(words, ", ", append_name));
}

std::string ReadNumber(absl::string_view text, int64_t& out) {
  using Limits = std::numeric_limits<int64_t>;
  const absl::string_view digits = absl::StripPrefix(text, "-");
  const bool is_number = !digits.empty() && std::all_of(digits.begin(), digits.end(), [](char c) {
    return absl::ascii_isdigit(static_cast<unsigned char>(c));
  });
  if (!is_number) return "is no whole number";
  if (absl::SimpleAtoi(text, &out)) return "";
  return absl::StrCat("is beyond the numbers from ", Limits::min(), " to ", Limits::max());
}

std::string ReadTime(absl::string_view text, int64_t& out) {
  absl::Time time;
  if (!absl::ParseTime(absl::RFC3339_full, text, &time, nullptr)) {
    return "is no time of RFC 3339, such as 2030-01-31T12:00:00Z";
  }
  out = absl::ToUnixNanos(time);
  return absl::FromUnixNanos(out) == time ? "" : "is no time that can be told in ns of 64 bits";
}

std::string ReadDuration(absl::string_view text, int64_t& out) {
  absl::Duration duration;
  if (!absl::ParseDuration(text, &duration)) return "is no duration such as 1.5s, 10m or 2h";
  out = absl::ToInt64Nanoseconds(duration);
  return absl::Nanoseconds(out) == duration ? ""
                                            : "is no duration that can be told in ns of 64 bits";
}

template <class Item>
std::string ReadValue(const NumberField<Item>& field, const FilterValue& value, int64_t& out) {
  if (value.has_wildcard()) return "holds a wildcard, which stands only in text";
  if (!field.words.empty()) return ReadWord(field.words, value.text(), out);
  if (field.is_duration) return ReadDuration(value.text(), out);
  return field.is_time ? ReadTime(value.text(), out) : ReadNumber(value.text(), out);
}

// ---- From syntax to tests ---------------------------------------------------

unsigned RelationsOf(FilterOperator op) {
  switch (op) {
    case FilterOperator::kEqual:
      return kEqual;
    case FilterOperator::kNotEqual:
      return kLess | kGreater;
    case FilterOperator::kLess:
      return kLess;
    case FilterOperator::kLessOrEqual:
      return kLess | kEqual;
    case FilterOperator::kGreater:
      return kGreater;
    case FilterOperator::kGreaterOrEqual:
      return kGreater | kEqual;
    case FilterOperator::kHas:
      break;
  }
  return 0;
}

bool IsEquality(FilterOperator op) {
  return op == FilterOperator::kEqual || op == FilterOperator::kNotEqual;
}

// The error of an operator that the field does not have.
absl::Status OperatorError(absl::string_view filter, const FilterComparison& comparison,
                           absl::string_view operators) {
  return FilterError(filter, comparison.op_offset,
                     absl::StrCat(comparison.field, " is compared with ", operators, ", not with ",
                                  OperatorText(comparison.op)));
}

absl::Status ValueError(absl::string_view filter, const FilterComparison& comparison,
                        absl::string_view why) {
  const std::string shown = QuoteForMessage(absl::StrJoin(comparison.value.pieces, "*"));
  return FilterError(filter, comparison.value.offset,
                     absl::StrCat(comparison.field, ": ", shown, " ", why));
}

template <class Item>
absl::StatusOr<NumberTest<Item>> MakeNumberTest(absl::string_view filter,
                                                const NumberField<Item>& field,
                                                const FilterComparison& comparison) {
  if (!field.words.empty() && !IsEquality(comparison.op)) {
    return OperatorError(filter, comparison, "= and !=");
  }
  if (comparison.op == FilterOperator::kHas) {
    return OperatorError(filter, comparison, "= != < <= > >=");
  }
  NumberTest<Item> test{&field, RelationsOf(comparison.op)};
  if (comparison.negated) test.relations ^= kAny;
  const std::string why = ReadValue(field, comparison.value, test.value);
  if (!why.empty()) return ValueError(filter, comparison, why);
  return test;
}

bool IsNegated(const FilterComparison& comparison) {
  return comparison.negated != (comparison.op == FilterOperator::kNotEqual);
}

template <class Item>
absl::StatusOr<AddressTest<Item>> MakeAddressTest(absl::string_view filter,
                                                  const TextField<Item>& field,
                                                  const FilterComparison& comparison) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(comparison.value.text());
  if (!address.ok()) {
    return ValueError(filter, comparison,
                      "is no address such as tcp://127.0.0.1:80 or \"udp://[::1]:53\"; to compare "
                      "a part of the address use : or wildcards");
  }
  return AddressTest<Item>{&field, IsNegated(comparison), *address};
}

// A value with a slash is compared with the full resource name, any other with
// the id. Leaves what is compared with the id.
template <class Item>
absl::Status ApplyCollection(absl::string_view filter, const FilterComparison& comparison,
                             TextTest<Item>& test) {
  const bool has_slash =
      std::any_of(test.pieces.begin(), test.pieces.end(),
                  [](const std::string& piece) { return absl::StrContains(piece, '/'); });
  if (!has_slash) return absl::OkStatus();
  std::string& first = test.pieces.front();
  if (!absl::StartsWith(first, test.field->collection)) {
    return ValueError(filter, comparison,
                      absl::StrCat("is no name of that kind; write ", test.field->collection,
                                   "ID or the id alone"));
  }
  first.erase(0, test.field->collection.size());
  test.needs_text = true;
  return absl::OkStatus();
}

template <class Item>
absl::StatusOr<TextTest<Item>> MakeTextTest(absl::string_view filter, const TextField<Item>& field,
                                            absl::string_view key,
                                            const FilterComparison& comparison) {
  const bool has = comparison.op == FilterOperator::kHas;
  TextTest<Item> test{&field, std::string(key), IsNegated(comparison), false,
                      comparison.value.pieces};
  if (has && comparison.value.is_wildcard()) {
    test.needs_text = true;
    return test;
  }
  if (has && comparison.value.has_wildcard()) {
    return ValueError(filter, comparison, "holds a wildcard, which stands behind = and != only");
  }
  if (!field.collection.empty()) {
    absl::Status status = ApplyCollection(filter, comparison, test);
    if (!status.ok()) return status;
  }
  // A name that contains "services/e" begins with it.
  if (has && !test.needs_text) test.pieces.insert(test.pieces.begin(), "");
  if (has) test.pieces.emplace_back();
  return test;
}

template <class Item>
absl::Status FieldError(absl::string_view filter, const FilterComparison& comparison) {
  return FilterError(filter, comparison.field_offset,
                     absl::StrCat(QuoteForMessage(comparison.field), " is no field; ",
                                  SuggestField<Item>(comparison.field)));
}

}  // namespace

// The tests of a FilterGroup, cheap ones first.
template <class Item>
struct ResourceFilter<Item>::Group {
  FilterGroup::Kind kind = FilterGroup::Kind::kAll;
  bool negated = false;
  std::vector<NumberTest<Item>> numbers;
  std::vector<AddressTest<Item>> addresses;
  std::vector<TextTest<Item>> texts;
  std::vector<Group> groups;

  // `filter` is the whole text, for errors.
  static absl::StatusOr<Group> Make(absl::string_view filter, const FilterGroup& syntax);

  absl::Status Add(absl::string_view filter, const FilterComparison& comparison);

  // True if a test has the `answer`.
  bool HasAnswer(const Item& item, bool answer) const {
    const auto has = [&](const auto& test) { return test.Holds(item) == answer; };
    return std::any_of(numbers.begin(), numbers.end(), has) ||
           std::any_of(addresses.begin(), addresses.end(), has) ||
           std::any_of(texts.begin(), texts.end(), has) ||
           std::any_of(groups.begin(), groups.end(), has);
  }

  bool Holds(const Item& item) const {
    const bool holds =
        kind == FilterGroup::Kind::kAny ? HasAnswer(item, true) : !HasAnswer(item, false);
    return holds != negated;
  }
};

template <class Item>
absl::Status ResourceFilter<Item>::Group::Add(absl::string_view filter,
                                              const FilterComparison& comparison) {
  const auto keep = [](auto made, auto& tests) {
    if (!made.ok()) return made.status();
    tests.push_back(*std::move(made));
    return absl::OkStatus();
  };
  const FoundField<Item> found = FindField<Item>(comparison.field);
  if (found.number) return keep(MakeNumberTest(filter, *found.number, comparison), numbers);
  if (!found.text) return FieldError<Item>(filter, comparison);
  if (!IsEquality(comparison.op) && comparison.op != FilterOperator::kHas) {
    return OperatorError(filter, comparison, "= != :");
  }
  const FilterValue& value = comparison.value;
  // The address that is not there has no form of its own: "".
  if (found.text->address && IsEquality(comparison.op) && !value.has_wildcard() &&
      !value.text().empty()) {
    return keep(MakeAddressTest(filter, *found.text, comparison), addresses);
  }
  return keep(MakeTextTest(filter, *found.text, found.key, comparison), texts);
}

template <class Item>
absl::StatusOr<typename ResourceFilter<Item>::Group> ResourceFilter<Item>::Group::Make(
    absl::string_view filter, const FilterGroup& syntax) {
  Group out;
  out.kind = syntax.kind;
  out.negated = syntax.negated;
  for (const FilterComparison& comparison : syntax.comparisons) {
    if (absl::Status status = out.Add(filter, comparison); !status.ok()) return status;
  }
  for (const FilterGroup& inner : syntax.groups) {
    absl::StatusOr<Group> made = Make(filter, inner);
    if (!made.ok()) return made.status();
    out.groups.push_back(*std::move(made));
  }
  return out;
}

template <class Item>
absl::StatusOr<ResourceFilter<Item>> ResourceFilter<Item>::Parse(absl::string_view text) {
  const absl::StatusOr<FilterGroup> syntax = ParseFilter(text);
  if (!syntax.ok()) return syntax.status();
  if (syntax->size() == 0) return ResourceFilter();
  absl::StatusOr<Group> root = Group::Make(text, *syntax);
  if (!root.ok()) return root.status();
  return ResourceFilter(std::make_shared<const Group>(*std::move(root)));
}

template <class Item>
bool ResourceFilter<Item>::Matches(const Item& item) const {
  return !root_ || root_->Holds(item);
}

template class ResourceFilter<SocketSnapshot>;
template class ResourceFilter<ListenerSnapshot>;
template class ResourceFilter<ServiceSnapshot>;
template class ResourceFilter<HostEvent>;

}  // namespace sockhost
