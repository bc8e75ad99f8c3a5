// The configuration file: YAML, and so JSON too.
#ifndef SOCKHOST_SERVER_CONFIG_FILE_H_
#define SOCKHOST_SERVER_CONFIG_FILE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "config_table.h"

namespace sockhost {

// One setting of a file, of the type that the setting has.
struct FileEntry {
  const Setting* setting = nullptr;
  // One, or as many as the list has.
  std::vector<std::string> texts;
  // Where each text stands: "FILE:LINE:COLUMN".
  std::vector<std::string> places;
};

// What a file says, in its order: one mapping with the settings' names as keys.
// Errors name the file, line and column: FIELD_INVALID for a key that is unknown
// or given twice, for a value of the wrong type, for text that is no YAML, and
// for a file that cannot be read or is larger than 1 MiB.
absl::StatusOr<std::vector<FileEntry>> ReadConfigFile(const std::string& path);
// The same for text that was read from `path`.
absl::StatusOr<std::vector<FileEntry>> ParseConfigFile(const std::string& path,
                                                       const std::string& text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CONFIG_FILE_H_
