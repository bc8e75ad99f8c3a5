// A table of text with aligned columns.
#ifndef SOCKHOST_CLIENT_TEXT_TABLE_H_
#define SOCKHOST_CLIENT_TEXT_TABLE_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace sockhost::client {

enum class Align { kLeft, kRight };

// Filled row by row, then read. Not for use by several threads.
class TextTable {
 public:
  struct Column {
    std::string title;
    Align align = Align::kLeft;
    size_t min_width = 0;
  };

  explicit TextTable(std::vector<Column> columns);

  // Adds a row of one cell per column. Cells are made printable; an empty one
  // is shown as "-", so that each row has the same number of words.
  void AddRow(const std::vector<std::string>& cells);

  // Takes a column out again. A title that is not there changes nothing.
  void RemoveColumn(absl::string_view title);

  // Shortens the cells of a column that are longer than `width`, with an ellipsis;
  // its title stays. For text only: a number would be another one.
  void ShortenColumn(absl::string_view title, size_t width);

  // Columns that a column takes; 0 if there is no such title.
  size_t width_of(absl::string_view title) const;

  // Columns that the longest line takes.
  size_t width() const;

  // The lines without line ends and without spaces at their ends, the titles first.
  std::vector<std::string> Lines() const;

  // All lines with their ends; without the titles if `no_headers`.
  std::string Text(bool no_headers) const;

 private:
  std::string Line(const std::vector<std::string>& cells) const;
  size_t IndexOf(absl::string_view title) const;  // columns_.size(): there is none

  std::vector<Column> columns_;
  std::vector<size_t> widths_;                  // of each column, titles included
  std::vector<std::vector<std::string>> rows_;  // printable, columns_.size() cells each
};

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_TEXT_TABLE_H_
