#include "reserved_addresses.h"

#include <sys/stat.h>

#include <string>
#include <utility>

#include "address_reach.h"

namespace sockhost {

ReservedAddresses& ReservedAddresses::OfProcess() {
  static auto* addresses = new ReservedAddresses;
  return *addresses;
}

void ReservedAddresses::Add(const SocketAddress& address, std::string name) {
  Entry entry;
  entry.address = address;
  entry.name = std::move(name);
  struct stat status;
  const std::string path = address.path();
  if (!path.empty() && stat(path.c_str(), &status) == 0) {
    entry.device = status.st_dev;
    entry.inode = status.st_ino;
  }
  absl::MutexLock lock(&mutex_);
  entries_.push_back(std::move(entry));
}

std::optional<std::string> ReservedAddresses::ReachedBy(const SocketAddress& upstream) const {
  struct stat status;
  // Links may come and go: the file counts to which the path leads now.
  const std::string path = upstream.protocol() == Protocol::kUnixStream ? upstream.path() : "";
  const bool is_file = !path.empty() && stat(path.c_str(), &status) == 0;
  absl::MutexLock lock(&mutex_);
  for (const Entry& entry : entries_) {
    const bool same_file = is_file && entry.inode != 0 && entry.inode == status.st_ino &&
                           entry.device == status.st_dev;
    if (same_file || Reaches(upstream, entry.address, /*ipv6_only=*/false)) return entry.name;
  }
  return std::nullopt;
}

}  // namespace sockhost
