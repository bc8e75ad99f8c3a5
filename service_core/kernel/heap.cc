// The part of the heap whose C library function strict C99 builds of applications do not see.
#include <zephyr/kernel.h>

#include <algorithm>
#include <cstdlib>

extern "C" void* k_aligned_alloc(size_t align, size_t size) {
  void* memory = nullptr;
  // It takes any size, as Zephyr does, and no alignment below that of a pointer.
  return posix_memalign(&memory, std::max(align, sizeof(void*)), size) == 0 ? memory : nullptr;
}
