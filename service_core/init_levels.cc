#include "init_levels.h"

#include <zephyr/init.h>

#include <cerrno>
#include <exception>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "kernel/thread.h"
#include "log.h"
#include "mutex.h"
#include "sockhost/error.h"

namespace sockhost {
namespace {

Mutex announced_mutex;
// In the order in which the functions run.
sockhost_init_entry* announced ABSL_GUARDED_BY(announced_mutex) = nullptr;

bool RunsBefore(const sockhost_init_entry& a, const sockhost_init_entry& b) {
  return std::tie(a.level, a.priority) < std::tie(b.level, b.priority);
}

// Marks and returns the next function to run; NULL if all have.
sockhost_init_entry* TakeNext() {
  MutexLock lock(announced_mutex);
  sockhost_init_entry* entry = announced;
  while (entry && entry->has_run) entry = entry->next;
  if (entry) entry->has_run = true;
  return entry;
}

InitFailure Failure(const sockhost_init_entry& entry, int error, absl::string_view reason) {
  InitFailure failure{entry.name, error, absl::StrCat(entry.name, ": ", reason)};
  Log(LogLevel::kError, absl::StrCat("SYS_INIT: ", failure.message));
  return failure;
}

std::optional<InitFailure> Run(const sockhost_init_entry& entry) {
  try {
    const int result = entry.function();
    if (result >= 0) return std::nullopt;
    return Failure(entry, result, absl::StrCat("returned ", result, ": ", DescribeErrno(-result)));
  } catch (const std::exception& exception) {
    return Failure(entry, -EFAULT, absl::StrCat("threw an exception: ", exception.what()));
  } catch (...) {
    return Failure(entry, -EFAULT, "threw an exception");
  }
}

}  // namespace

std::optional<InitFailure> RunInitLevels() {
  std::optional<InitFailure> first;
  while (const sockhost_init_entry* entry = TakeNext()) {
    std::optional<InitFailure> failure = Run(*entry);
    if (!first) first = std::move(failure);
  }
  return first;
}

size_t CountInitFunctions() {
  MutexLock lock(announced_mutex);
  size_t count = 0;
  for (const sockhost_init_entry* entry = announced; entry; entry = entry->next) ++count;
  return count;
}

}  // namespace sockhost

extern "C" {

void sockhost_init_announce(struct sockhost_init_entry* entry) {
  using namespace sockhost;  // NOLINT: the C border of this file
  MutexLock lock(announced_mutex);
  sockhost_init_entry** at = &announced;
  while (*at && !RunsBefore(*entry, **at)) at = &(*at)->next;
  entry->has_run = false;
  entry->next = *at;
  *at = entry;
}

void sockhost_init_withdraw(struct sockhost_init_entry* entry) {
  using namespace sockhost;  // NOLINT: the C border of this file
  MutexLock lock(announced_mutex);
  for (sockhost_init_entry** at = &announced; *at; at = &(*at)->next) {
    if (*at != entry) continue;
    *at = entry->next;
    return;
  }
}

int sockhost_run_init_levels(void) {
  const std::optional<sockhost::InitFailure> failure = sockhost::RunInitLevels();
  sockhost::kernel::StartDefinedThreads();
  return failure ? failure->error : 0;
}

}  // extern "C"
