// The part of the heap whose C library function strict C99 builds of applications do not see.
#include <zephyr/kernel.h>

#include <cstdlib>

extern "C" void* k_aligned_alloc(size_t align, size_t size) {
  return std::aligned_alloc(align, (size + align - 1) / align * align);
}
