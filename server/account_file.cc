#include "account_file.h"

#include <grp.h>
#include <pwd.h>

#include <cerrno>
#include <cstdio>
#include <limits>
#include <memory>
#include <vector>

#include "absl/strings/numbers.h"

namespace sockhost {
namespace {

// A group with more members than fit in a line of this length ends the search.
constexpr size_t kLongestLine = 1 << 20;

template <class Entry>
struct AccountFile {
  const char* path;
  int (*next)(FILE*, Entry*, char*, size_t, Entry**);
  char* Entry::*name;
  uint32_t Entry::*id;
};

template <class Entry>
std::optional<uint32_t> Find(const AccountFile<Entry>& in, const std::string& text) {
  uint32_t number = 0;
  if (absl::SimpleAtoi(text, &number)) {
    // -1 means "as it is" to chown(2).
    if (number == std::numeric_limits<uint32_t>::max()) return std::nullopt;
    return number;
  }
  const std::unique_ptr<FILE, int (*)(FILE*)> file(std::fopen(in.path, "re"), std::fclose);
  if (!file) return std::nullopt;
  std::vector<char> line(4096);
  while (true) {
    Entry entry;
    Entry* found = nullptr;
    const int error = in.next(file.get(), &entry, line.data(), line.size(), &found);
    // The entry did not fit; the file stands before it still.
    if (error == ERANGE && line.size() < kLongestLine) {
      line.resize(line.size() * 2);
      continue;
    }
    if (error != 0 || !found) return std::nullopt;
    if (entry.*in.name == text) return entry.*in.id;
  }
}

}  // namespace

std::optional<uint32_t> UserId(const std::string& text) {
  return Find<passwd>({"/etc/passwd", fgetpwent_r, &passwd::pw_name, &passwd::pw_uid}, text);
}

std::optional<uint32_t> GroupId(const std::string& text) {
  return Find<group>({"/etc/group", fgetgrent_r, &group::gr_name, &group::gr_gid}, text);
}

}  // namespace sockhost
