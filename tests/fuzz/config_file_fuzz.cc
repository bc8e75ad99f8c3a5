// ParseConfigFile: any text is entries of known settings, or an error with a place.
#include <cstddef>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "require.h"
#include "server/config_file.h"

using sockhost::FileEntry;
using sockhost::Require;

namespace {

constexpr char kPath[] = "sockhost.yaml";

void CheckEntries(const std::vector<FileEntry>& entries) {
  std::set<const sockhost::Setting*> settings;
  for (const FileEntry& entry : entries) {
    Require(entry.setting != nullptr, "an entry is of a setting");
    Require(settings.insert(entry.setting).second, "a setting is given once");
    Require(entry.texts.size() == entry.places.size(), "each text stands somewhere");
    for (const std::string& place : entry.places) {
      Require(absl::StartsWith(place, std::string(kPath) + ":"), "a place is in the file");
    }
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<std::vector<FileEntry>> entries = sockhost::ParseConfigFile(kPath, text);
  if (entries.ok()) {
    CheckEntries(*entries);
  } else {
    sockhost::RequireParseError(entries.status(), sockhost::Reason::kFIELD_INVALID);
    Require(absl::StrContains(entries.status().message(), kPath), "an error names the file");
  }
  return 0;
}
