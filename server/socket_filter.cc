#include "socket_filter.h"

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
#include "filter_field.h"
#include "filter_syntax.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// ---- Tests of one socket ----------------------------------------------------

// The relations of a field to a value with which a comparison holds.
enum Relation : unsigned { kLess = 1, kEqual = 2, kGreater = 4, kAny = 7 };

struct NumberTest {
  const FilterNumberField* field = nullptr;
  unsigned relations = 0;
  int64_t value = 0;

  bool Holds(const SocketSnapshot& socket) const {
    const int64_t number = field->read(socket);
    return relations & (number < value ? kLess : number == value ? kEqual : kGreater);
  }
};

// For an address that is written in full.
struct AddressTest {
  const FilterTextField* field = nullptr;
  bool negated = false;
  SocketAddress value;

  bool Holds(const SocketSnapshot& socket) const {
    return (field->address(socket) == value) != negated;
  }
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

struct TextTest {
  const FilterTextField* field = nullptr;
  bool negated = false;
  // An empty field does not match, whatever the pieces are.
  bool needs_text = false;
  std::vector<std::string> pieces;

  bool Holds(const SocketSnapshot& socket) const {
    std::string storage;
    const absl::string_view text = field->read(socket, storage);
    const bool matches = !(needs_text && text.empty()) && ConsistsOf(text, pieces);
    return matches != negated;
  }
};

// ---- Values -----------------------------------------------------------------

// Each fills `out` and returns "", or what is wrong with `text`.

std::string ReadWord(absl::Span<const FilterWord> words, absl::string_view text, int64_t& out) {
  for (const FilterWord& word : words) {
    if (word.name != text) continue;
    out = word.value;
    return "";
  }
  const auto append_name = [](std::string* names, const FilterWord& word) {
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

std::string ReadValue(const FilterNumberField& field, const FilterValue& value, int64_t& out) {
  if (value.has_wildcard()) return "holds a wildcard, which stands only in text";
  if (!field.words.empty()) return ReadWord(field.words, value.text(), out);
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

absl::StatusOr<NumberTest> MakeNumberTest(absl::string_view filter, const FilterNumberField& field,
                                          const FilterComparison& comparison) {
  if (!field.words.empty() && !IsEquality(comparison.op)) {
    return OperatorError(filter, comparison, "= and !=");
  }
  if (comparison.op == FilterOperator::kHas) {
    return OperatorError(filter, comparison, "= != < <= > >=");
  }
  NumberTest test{&field, RelationsOf(comparison.op)};
  if (comparison.negated) test.relations ^= kAny;
  const std::string why = ReadValue(field, comparison.value, test.value);
  if (!why.empty()) return ValueError(filter, comparison, why);
  return test;
}

bool IsNegated(const FilterComparison& comparison) {
  return comparison.negated != (comparison.op == FilterOperator::kNotEqual);
}

absl::StatusOr<AddressTest> MakeAddressTest(absl::string_view filter, const FilterTextField& field,
                                            const FilterComparison& comparison) {
  const absl::StatusOr<SocketAddress> address = SocketAddress::Parse(comparison.value.text());
  if (!address.ok()) {
    return ValueError(filter, comparison,
                      "is no address such as tcp://127.0.0.1:80 or \"udp://[::1]:53\"; to compare "
                      "a part of the address use : or wildcards");
  }
  return AddressTest{&field, IsNegated(comparison), *address};
}

// A value with a slash is compared with the full resource name, any other with
// the id. Leaves what is compared with the id.
absl::Status ApplyCollection(absl::string_view filter, const FilterComparison& comparison,
                             TextTest& test) {
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

absl::StatusOr<TextTest> MakeTextTest(absl::string_view filter, const FilterTextField& field,
                                      const FilterComparison& comparison) {
  const bool has = comparison.op == FilterOperator::kHas;
  TextTest test{&field, IsNegated(comparison), false, comparison.value.pieces};
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

absl::Status FieldError(absl::string_view filter, const FilterComparison& comparison) {
  const absl::string_view nearest = NearestFilterField(comparison.field);
  const std::string hint = nearest.empty() ? "" : absl::StrCat("did you mean ", nearest, "? ");
  return FilterError(filter, comparison.field_offset,
                     absl::StrCat(QuoteForMessage(comparison.field), " is no field; ", hint,
                                  "fields are ", ListFilterFields()));
}

}  // namespace

// Holds if every test holds and none of `refused`. Cheap tests come first.
struct SocketFilter::Conjunction {
  std::vector<NumberTest> numbers;
  std::vector<AddressTest> addresses;
  std::vector<TextTest> texts;
  std::vector<Conjunction> refused;

  // `filter` is the whole text, for errors.
  static absl::StatusOr<Conjunction> Make(absl::string_view filter,
                                          const FilterConjunction& syntax);

  absl::Status Add(absl::string_view filter, const FilterComparison& comparison);

  bool Holds(const SocketSnapshot& socket) const {
    const auto holds = [&socket](const auto& test) { return test.Holds(socket); };
    return std::all_of(numbers.begin(), numbers.end(), holds) &&
           std::all_of(addresses.begin(), addresses.end(), holds) &&
           std::all_of(texts.begin(), texts.end(), holds) &&
           std::none_of(refused.begin(), refused.end(), holds);
  }
};

absl::Status SocketFilter::Conjunction::Add(absl::string_view filter,
                                            const FilterComparison& comparison) {
  const auto keep = [](auto made, auto& tests) {
    if (!made.ok()) return made.status();
    tests.push_back(*std::move(made));
    return absl::OkStatus();
  };
  if (const FilterNumberField* field = FindFilterNumberField(comparison.field)) {
    return keep(MakeNumberTest(filter, *field, comparison), numbers);
  }
  const FilterTextField* field = FindFilterTextField(comparison.field);
  if (!field) return FieldError(filter, comparison);
  if (!IsEquality(comparison.op) && comparison.op != FilterOperator::kHas) {
    return OperatorError(filter, comparison, "= != :");
  }
  const FilterValue& value = comparison.value;
  // The address that is not there has no form of its own: "".
  if (field->address && IsEquality(comparison.op) && !value.has_wildcard() &&
      !value.text().empty()) {
    return keep(MakeAddressTest(filter, *field, comparison), addresses);
  }
  return keep(MakeTextTest(filter, *field, comparison), texts);
}

absl::StatusOr<SocketFilter::Conjunction> SocketFilter::Conjunction::Make(
    absl::string_view filter, const FilterConjunction& syntax) {
  Conjunction out;
  for (const FilterComparison& comparison : syntax.comparisons) {
    if (absl::Status status = out.Add(filter, comparison); !status.ok()) return status;
  }
  for (const FilterConjunction& inner : syntax.refused) {
    absl::StatusOr<Conjunction> made = Make(filter, inner);
    if (!made.ok()) return made.status();
    out.refused.push_back(*std::move(made));
  }
  return out;
}

absl::StatusOr<SocketFilter> SocketFilter::Parse(absl::string_view text) {
  const absl::StatusOr<FilterConjunction> syntax = ParseFilter(text);
  if (!syntax.ok()) return syntax.status();
  absl::StatusOr<Conjunction> root = Conjunction::Make(text, *syntax);
  if (!root.ok()) return root.status();
  return SocketFilter(std::make_shared<const Conjunction>(*std::move(root)));
}

bool SocketFilter::Matches(const SocketSnapshot& socket) const {
  return !root_ || root_->Holds(socket);
}

}  // namespace sockhost
