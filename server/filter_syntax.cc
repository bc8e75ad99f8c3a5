#include "filter_syntax.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

// What messages show of a filter and of one word. Escaping makes the text up to
// four times longer, and an error must fit into the trailer of a call.
constexpr size_t kShownFilter = 256;
constexpr size_t kShownWord = 64;

constexpr absl::string_view kValueRule =
    "text with other characters than letters, digits and _ - . / : * stands in double quotes";

bool IsBlank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

bool IsWordCharacter(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_' || c == '.';
}

// Behind the first character, where - is no negation.
bool IsFieldCharacter(char c) { return IsWordCharacter(c) || c == '-'; }

bool IsValueCharacter(char c) { return IsFieldCharacter(c) || c == '/' || c == ':' || c == '*'; }

bool IsKeyword(absl::string_view word) { return word == "AND" || word == "OR" || word == "NOT"; }

// Puts `inner` into `out`. A group of one member is that member, and members of a
// group of the same kind are members.
void Absorb(FilterGroup inner, FilterGroup& out) {
  while (inner.comparisons.empty() && inner.groups.size() == 1) {
    FilterGroup only = std::move(inner.groups.front());
    only.negated = only.negated != inner.negated;
    inner = std::move(only);
  }
  if (inner.groups.empty() && inner.comparisons.size() == 1) {
    FilterComparison& only = inner.comparisons.front();
    only.negated = only.negated != std::exchange(inner.negated, false);
    inner.kind = out.kind;
  }
  if (inner.negated || inner.kind != out.kind) {
    out.groups.push_back(std::move(inner));
    return;
  }
  std::move(inner.comparisons.begin(), inner.comparisons.end(),
            std::back_inserter(out.comparisons));
  std::move(inner.groups.begin(), inner.groups.end(), std::back_inserter(out.groups));
}

// Reads one filter from left to right. Blanks are skipped behind what was read, so
// at_ never stands on one where something new begins.
class FilterParser {
 public:
  explicit FilterParser(absl::string_view text) : text_(text) {}

  absl::StatusOr<FilterGroup> ParseAll();

 private:
  // Each adds what it reads to `out`.
  absl::Status ParseExpression(int depth, FilterGroup& out);
  absl::Status ParseFactor(int depth, FilterGroup& out);
  absl::Status ParseTerm(int depth, FilterGroup& out);
  absl::Status ParseParentheses(bool negated, int depth, FilterGroup& out);
  absl::Status ParseComparison(bool negated, FilterGroup& out);
  absl::Status ParseOperator(FilterComparison& out);
  absl::Status ParseValue(FilterValue& out);
  absl::Status ParseBareValue(FilterValue& out);
  absl::Status ParseQuotedValue(FilterValue& out);

  bool at_end() const { return at_ == text_.size(); }
  bool At(char c) const { return !at_end() && text_[at_] == c; }
  void SkipBlanks() {
    while (!at_end() && IsBlank(text_[at_])) ++at_;
  }
  // The characters from here on that `accepts` says yes to.
  absl::string_view Peek(bool (*accepts)(char)) const;
  bool ConsumeKeyword(absl::string_view keyword);
  absl::Status ErrorHere(absl::string_view why) const { return FilterError(text_, at_, why); }
  // What stands here, for a message.
  std::string Here() const;

  const absl::string_view text_;
  size_t at_ = 0;
  size_t comparisons_ = 0;
};

absl::StatusOr<FilterGroup> FilterParser::ParseAll() {
  FilterGroup out;
  SkipBlanks();
  if (at_end()) return out;
  if (absl::Status status = ParseExpression(0, out); !status.ok()) return status;
  if (!at_end()) return ErrorHere("\")\" without a \"(\" before it");
  return out;
}

// Ends at ")" or at the end.
absl::Status FilterParser::ParseExpression(int depth, FilterGroup& out) {
  while (true) {
    if (absl::Status status = ParseFactor(depth, out); !status.ok()) return status;
    if (at_end() || At(')')) return absl::OkStatus();
    if (ConsumeKeyword("AND")) continue;
    return ErrorHere(absl::StrCat("expected AND, OR, \")\" or the end, found ", Here(),
                                  "; comparisons are joined by AND or OR (upper-case), a blank "
                                  "does not join them"));
  }
}

absl::Status FilterParser::ParseFactor(int depth, FilterGroup& out) {
  FilterGroup factor;
  factor.kind = FilterGroup::Kind::kAny;
  do {
    if (absl::Status status = ParseTerm(depth, factor); !status.ok()) return status;
  } while (ConsumeKeyword("OR"));
  Absorb(std::move(factor), out);
  return absl::OkStatus();
}

absl::Status FilterParser::ParseTerm(int depth, FilterGroup& out) {
  bool negated = ConsumeKeyword("NOT");
  if (!negated && At('-')) {
    negated = true;
    ++at_;
    SkipBlanks();
  }
  if (At('(')) return ParseParentheses(negated, depth + 1, out);
  return ParseComparison(negated, out);
}

absl::Status FilterParser::ParseParentheses(bool negated, int depth, FilterGroup& out) {
  if (depth > kMaxFilterDepth) {
    return ErrorHere(absl::StrCat("parentheses are nested deeper than ", kMaxFilterDepth));
  }
  const size_t open = at_++;
  SkipBlanks();
  FilterGroup inner;
  if (absl::Status status = ParseExpression(depth, inner); !status.ok()) return status;
  if (at_end()) return FilterError(text_, open, "\"(\" without a \")\" behind it");
  ++at_;
  SkipBlanks();
  inner.negated = negated;
  Absorb(std::move(inner), out);
  return absl::OkStatus();
}

absl::Status FilterParser::ParseComparison(bool negated, FilterGroup& out) {
  const absl::string_view field = Peek(IsFieldCharacter);
  if (Peek(IsWordCharacter).empty() || IsKeyword(field)) {
    return ErrorHere(absl::StrCat("expected a comparison (FIELD OPERATOR VALUE), found ", Here()));
  }
  if (++comparisons_ > kMaxFilterComparisons) {
    return ErrorHere(absl::StrCat("more than ", kMaxFilterComparisons, " comparisons"));
  }
  FilterComparison comparison;
  comparison.negated = negated;
  comparison.field = std::string(field);
  comparison.field_offset = at_;
  at_ += field.size();
  SkipBlanks();
  if (absl::Status status = ParseOperator(comparison); !status.ok()) return status;
  if (absl::Status status = ParseValue(comparison.value); !status.ok()) return status;
  out.comparisons.push_back(std::move(comparison));
  return absl::OkStatus();
}

absl::Status FilterParser::ParseOperator(FilterComparison& out) {
  // Longer ones first.
  constexpr FilterOperator kOperators[] = {
      FilterOperator::kNotEqual, FilterOperator::kLessOrEqual, FilterOperator::kGreaterOrEqual,
      FilterOperator::kEqual,    FilterOperator::kLess,        FilterOperator::kGreater,
      FilterOperator::kHas,
  };
  const absl::string_view rest = text_.substr(at_);
  for (const FilterOperator op : kOperators) {
    if (!absl::StartsWith(rest, OperatorText(op)) || absl::StartsWith(rest, "==")) continue;
    out.op = op;
    out.op_offset = at_;
    at_ += OperatorText(op).size();
    SkipBlanks();
    return absl::OkStatus();
  }
  return ErrorHere(absl::StrCat("expected one of = != < <= > >= : behind ",
                                QuoteForMessage(out.field), ", found ", Here()));
}

absl::Status FilterParser::ParseValue(FilterValue& out) {
  out.offset = at_;
  out.pieces.emplace_back();
  absl::Status status = At('"') ? ParseQuotedValue(out) : ParseBareValue(out);
  if (!status.ok()) return status;
  if (!at_end() && !IsBlank(text_[at_]) && !At(')')) {
    return ErrorHere(
        absl::StrCat("expected a blank behind the value, found ", Here(), "; ", kValueRule));
  }
  SkipBlanks();
  return absl::OkStatus();
}

void AddWildcard(FilterValue& out) {
  // Two in a row say no more than one.
  if (!out.has_wildcard() || !out.pieces.back().empty()) out.pieces.emplace_back();
}

absl::Status FilterParser::ParseBareValue(FilterValue& out) {
  const absl::string_view word = Peek(IsValueCharacter);
  if (word.empty()) {
    return ErrorHere(absl::StrCat("expected a value, found ", Here(), "; ", kValueRule));
  }
  if (IsKeyword(word)) {
    return ErrorHere(absl::StrCat("expected a value, found the keyword ", word,
                                  "; in double quotes it is text"));
  }
  for (const char c : word) {
    if (c == '*') {
      AddWildcard(out);
    } else {
      out.pieces.back() += c;
    }
  }
  at_ += word.size();
  return absl::OkStatus();
}

absl::Status FilterParser::ParseQuotedValue(FilterValue& out) {
  const size_t open = at_++;
  for (; !at_end(); ++at_) {
    char c = text_[at_];
    if (c == '"') {
      ++at_;
      return absl::OkStatus();
    }
    if (c == '*') {
      AddWildcard(out);
      continue;
    }
    if (c == '\\') {
      const size_t backslash = at_++;
      if (at_end()) break;
      c = text_[at_];
      if (c != '"' && c != '\\' && c != '*') {
        return FilterError(text_, backslash,
                           R"(a backslash in quoted text stands before " \ or * only)");
      }
    }
    out.pieces.back() += c;
  }
  return FilterError(text_, open, "quoted text without a closing quote");
}

absl::string_view FilterParser::Peek(bool (*accepts)(char)) const {
  size_t end = at_;
  while (end < text_.size() && accepts(text_[end])) ++end;
  return text_.substr(at_, end - at_);
}

bool FilterParser::ConsumeKeyword(absl::string_view keyword) {
  if (Peek(IsWordCharacter) != keyword) return false;
  at_ += keyword.size();
  SkipBlanks();
  return true;
}

std::string FilterParser::Here() const {
  if (at_end()) return "the end";
  const absl::string_view word =
      Peek([](char c) { return !IsBlank(c) && c != '(' && c != ')' && c != '"'; });
  return QuoteForMessage(word.empty() ? text_.substr(at_, 1) : word);
}

}  // namespace

absl::string_view OperatorText(FilterOperator op) {
  switch (op) {
    case FilterOperator::kEqual:
      return "=";
    case FilterOperator::kNotEqual:
      return "!=";
    case FilterOperator::kLess:
      return "<";
    case FilterOperator::kLessOrEqual:
      return "<=";
    case FilterOperator::kGreater:
      return ">";
    case FilterOperator::kGreaterOrEqual:
      return ">=";
    case FilterOperator::kHas:
      return ":";
  }
  return "";
}

absl::StatusOr<FilterGroup> ParseFilter(absl::string_view text) {
  if (text.size() > kMaxFilterBytes) {
    return FilterError(
        text, kMaxFilterBytes,
        absl::StrCat("longer than ", kMaxFilterBytes, " bytes (got ", text.size(), ")"));
  }
  return FilterParser(text).ParseAll();
}

absl::Status FilterError(absl::string_view text, size_t offset, absl::string_view why) {
  const std::string position = absl::StrCat(offset + 1);
  return Error(Reason::kFILTER_INVALID, absl::StrCat("filter: column ", position, ": ", why),
               {{"filter", Shorten(text, kShownFilter)}, {"position", position}}, "filter");
}

std::string Shorten(absl::string_view text, size_t size) {
  return absl::StrCat(absl::CHexEscape(text.substr(0, size)), text.size() > size ? "..." : "");
}

std::string QuoteForMessage(absl::string_view text) {
  return absl::StrCat("\"", Shorten(text, kShownWord), "\"");
}

}  // namespace sockhost
