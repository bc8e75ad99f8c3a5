/*
 * Arithmetic, array and pointer helpers. Macros evaluate their arguments more
 * than once, as Zephyr's do.
 *
 * Source: Zephyr API documentation, "Utility Functions".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_UTIL_H_
#define ZEPHYR_SYS_UTIL_H_

#include <zephyr/sys/util_macro.h>
#include <zephyr/types.h>

/* ---- Arrays --------------------------------------------------------------- */

/* Number of elements; a pointer in place of an array does not compile. */
#ifdef __cplusplus
extern "C++" {
template <typename T, size_t N>
char (&sockhost_array_probe(T (&)[N]))[N];
}
#define ARRAY_SIZE(array) (sizeof(sockhost_array_probe(array)))
#else
#define SOCKHOST_IS_ARRAY(array) \
  (!__builtin_types_compatible_p(__typeof__(array), __typeof__(&(array)[0])))
#define SOCKHOST_ZERO_IF_ARRAY(array) (sizeof(char[1 - 2 * !SOCKHOST_IS_ARRAY(array)]) - 1)
#define ARRAY_SIZE(array) \
  ((size_t)(SOCKHOST_ZERO_IF_ARRAY(array) + sizeof(array) / sizeof((array)[0])))
#endif

#define ARRAY_FOR_EACH(array, index) for (size_t index = 0; (index) < ARRAY_SIZE(array); ++(index))

#ifdef __cplusplus
#define ARRAY_FOR_EACH_PTR(array, pointer) \
  for (auto *pointer = &(array)[0];        \
       static_cast<size_t>((pointer) - &(array)[0]) < ARRAY_SIZE(array); ++(pointer))
#else
#define ARRAY_FOR_EACH_PTR(array, pointer)        \
  for (__typeof__((array)[0]) *pointer = (array); \
       (size_t)((pointer) - (array)) < ARRAY_SIZE(array); ++(pointer))
#endif

/* Nonzero if `pointer` is the address of one of the elements. */
#define IS_ARRAY_ELEMENT(array, pointer)                              \
  ((uintptr_t)(array) <= (uintptr_t)(pointer) &&                      \
   (uintptr_t)(pointer) < (uintptr_t)((array) + ARRAY_SIZE(array)) && \
   ((uintptr_t)(pointer) - (uintptr_t)(array)) % sizeof((array)[0]) == 0)
#define PART_OF_ARRAY(array, pointer)            \
  ((uintptr_t)(array) <= (uintptr_t)(pointer) && \
   (uintptr_t)(pointer) < (uintptr_t)((array) + ARRAY_SIZE(array)))
#define ARRAY_INDEX(array, pointer) ((size_t)((pointer) - (array)))

/* ---- Structures and pointers ----------------------------------------------- */

#define CONTAINER_OF(pointer, type, field) ((type *)((char *)(pointer)-offsetof(type, field)))
#define SIZEOF_FIELD(type, member) sizeof(((type *)0)->member)

#define POINTER_TO_UINT(x) ((uintptr_t)(x))
#define UINT_TO_POINTER(x) ((void *)(uintptr_t)(x))
#define POINTER_TO_INT(x) ((intptr_t)(x))
#define INT_TO_POINTER(x) ((void *)(intptr_t)(x))

/* ---- Arithmetic ------------------------------------------------------------ */

#ifndef MIN
#define MIN(a, b) (((a) < (b)) ? (a) : (b))
#endif
#ifndef MAX
#define MAX(a, b) (((a) > (b)) ? (a) : (b))
#endif
#ifndef CLAMP
#define CLAMP(value, low, high) (((value) <= (low)) ? (low) : MIN(value, high))
#endif
#define IN_RANGE(value, low, high) ((value) >= (low) && (value) <= (high))

/* `align` is a power of two in IS_ALIGNED, any positive number in the others. */
#define IS_ALIGNED(value, align) (((uintptr_t)(value) % (uintptr_t)(align)) == 0)
#define ROUND_UP(x, align)                                                        \
  ((((unsigned long)(x) + ((unsigned long)(align)-1)) / (unsigned long)(align)) * \
   (unsigned long)(align))
#define ROUND_DOWN(x, align) \
  (((unsigned long)(x) / (unsigned long)(align)) * (unsigned long)(align))
#define DIV_ROUND_UP(n, d) (((n) + (d)-1) / (d))
#define DIV_ROUND_CLOSEST(n, d) \
  ((((n) < 0) ^ ((d) < 0)) ? ((n) - (d) / 2) / (d) : ((n) + (d) / 2) / (d))

#define KB(x) (((size_t)(x)) << 10)
#define MB(x) (KB(x) << 10)
#define KHZ(x) ((x)*1000)
#define MHZ(x) (KHZ(x) * 1000)

#ifdef __cplusplus
extern "C" {
#endif

static inline bool is_power_of_two(unsigned int x) { return x != 0U && (x & (x - 1U)) == 0U; }

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_UTIL_H_ */
