#include "client/text_table.h"

#include <algorithm>
#include <cstddef>
#include <utility>

#include "absl/strings/str_cat.h"
#include "client/display_text.h"

namespace sockhost::client {
namespace {

constexpr absl::string_view kGap = "  ";

}  // namespace

TextTable::TextTable(std::vector<Column> columns) : columns_(std::move(columns)) {
  for (const Column& column : columns_) {
    widths_.push_back(std::max(column.min_width, DisplayWidth(column.title)));
  }
}

void TextTable::AddRow(const std::vector<std::string>& cells) {
  std::vector<std::string> row;
  row.reserve(columns_.size());
  for (size_t i = 0; i < columns_.size(); ++i) {
    row.push_back(i < cells.size() && !cells[i].empty() ? Printable(cells[i]) : "-");
    widths_[i] = std::max(widths_[i], DisplayWidth(row.back()));
  }
  rows_.push_back(std::move(row));
}

void TextTable::RemoveColumn(absl::string_view title) {
  const size_t index = IndexOf(title);
  if (index == columns_.size()) return;
  const auto at = static_cast<std::ptrdiff_t>(index);
  columns_.erase(columns_.begin() + at);
  widths_.erase(widths_.begin() + at);
  for (auto& row : rows_) row.erase(row.begin() + at);
}

void TextTable::ShortenColumn(absl::string_view title, size_t width) {
  const size_t index = IndexOf(title);
  if (index == columns_.size()) return;
  width = std::max({width, columns_[index].min_width, DisplayWidth(columns_[index].title)});
  if (widths_[index] <= width) return;
  for (auto& row : rows_) row[index] = ShortenedTo(row[index], width);
  widths_[index] = width;
}

size_t TextTable::width_of(absl::string_view title) const {
  const size_t index = IndexOf(title);
  return index == columns_.size() ? 0 : widths_[index];
}

size_t TextTable::IndexOf(absl::string_view title) const {
  const auto column = std::find_if(columns_.begin(), columns_.end(),
                                   [title](const Column& c) { return c.title == title; });
  return static_cast<size_t>(column - columns_.begin());
}

size_t TextTable::width() const {
  size_t sum = columns_.empty() ? 0 : (columns_.size() - 1) * kGap.size();
  for (const size_t width : widths_) sum += width;
  return sum;
}

std::vector<std::string> TextTable::Lines() const {
  std::vector<std::string> titles;
  for (const Column& column : columns_) titles.push_back(column.title);
  std::vector<std::string> lines = {Line(titles)};
  lines.reserve(rows_.size() + 1);
  for (const auto& row : rows_) lines.push_back(Line(row));
  return lines;
}

std::string TextTable::Text(bool no_headers) const {
  std::string text;
  const std::vector<std::string> lines = Lines();
  for (size_t i = no_headers ? 1 : 0; i < lines.size(); ++i) absl::StrAppend(&text, lines[i], "\n");
  return text;
}

std::string TextTable::Line(const std::vector<std::string>& cells) const {
  std::string line;
  for (size_t i = 0; i < cells.size(); ++i) {
    const std::string padding(widths_[i] - DisplayWidth(cells[i]), ' ');
    if (i > 0) absl::StrAppend(&line, kGap);
    if (columns_[i].align == Align::kRight) line += padding;
    line += cells[i];
    if (columns_[i].align == Align::kLeft && i + 1 < cells.size()) line += padding;
  }
  return line;
}

}  // namespace sockhost::client
