// Random numbers: the functions of zephyr/random/random.h.
#include <sys/random.h>
#include <zephyr/random/random.h>

#include <algorithm>

namespace {

// Up to this size getrandom(2) cannot fail once the kernel has started, nor be
// interrupted.
constexpr size_t kAtOnce = 256;

template <typename T>
T Random() {
  T value;
  sys_rand_get(&value, sizeof(value));
  return value;
}

}  // namespace

extern "C" {

void sys_rand_get(void* target, size_t length) {
  for (char* at = static_cast<char*>(target); length > 0;) {
    const ssize_t got = getrandom(at, std::min(length, kAtOnce), 0);
    if (got < 0) continue;
    at += got;
    length -= static_cast<size_t>(got);
  }
}

uint8_t sys_rand8_get(void) { return Random<uint8_t>(); }
uint16_t sys_rand16_get(void) { return Random<uint16_t>(); }
uint32_t sys_rand32_get(void) { return Random<uint32_t>(); }
uint64_t sys_rand64_get(void) { return Random<uint64_t>(); }

int sys_csrand_get(void* target, size_t length) {
  sys_rand_get(target, length);
  return 0;
}

}  // extern "C"
