#include "sockhost/own_socket_files.h"

#include <sys/stat.h>

#include <atomic>
#include <string>

#include "mutex.h"

namespace sockhost {
namespace {

using Files = OwnSocketFile::Files;

// Never destroyed: threads may outlive main.
struct OwnFiles {
  // Of `files`, to be read without the mutex.
  std::atomic<size_t> size{0};
  Mutex mutex;
  Files files ABSL_GUARDED_BY(mutex);
};

OwnFiles& OfProcess() {
  static auto* files = new OwnFiles;
  return *files;
}

// Follows links, as connect(2) does.
std::optional<Files::key_type> FileOf(const SocketAddress& address) {
  const std::string path = address.path();
  struct stat status;
  if (path.empty() || stat(path.c_str(), &status) != 0) return std::nullopt;
  return Files::key_type(status.st_dev, status.st_ino);
}

}  // namespace

std::optional<SocketAddress> OwnSocketWithFileAt(const SocketAddress& address) {
  OwnFiles& own = OfProcess();
  if (!address.is_unix() || own.size.load(std::memory_order_acquire) == 0) return std::nullopt;
  const std::optional<Files::key_type> file = FileOf(address);
  if (!file) return std::nullopt;
  MutexLock lock(own.mutex);
  const auto found = own.files.find(*file);
  return found == own.files.end() ? std::nullopt : std::optional(found->second);
}

std::optional<SocketAddress> OwnSocketAt(const SocketAddress& address) {
  std::optional<SocketAddress> own = OwnSocketWithFileAt(address);
  if (own && own->protocol() != address.protocol()) own.reset();
  return own;
}

OwnSocketFile::OwnSocketFile(const SocketAddress& address) {
  const std::optional<Files::key_type> file = FileOf(address);
  if (!file) return;
  OwnFiles& own = OfProcess();
  MutexLock lock(own.mutex);
  entry_ = own.files.emplace(*file, address);
  own.size.store(own.files.size(), std::memory_order_release);
}

OwnSocketFile::~OwnSocketFile() {
  if (!entry_) return;
  OwnFiles& own = OfProcess();
  MutexLock lock(own.mutex);
  own.files.erase(*entry_);
  own.size.store(own.files.size(), std::memory_order_release);
}

}  // namespace sockhost
