/*
 * Byte order of integers in memory and on the wire.
 *
 * Source: Zephyr API documentation, "Byte Order".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_BYTEORDER_H_
#define ZEPHYR_SYS_BYTEORDER_H_

#include <zephyr/types.h>
/* The C library, now that the line above has chosen what it declares. */
#include <endian.h>
#include <string.h>

/* Not those of <endian.h>, which a strict C build may not declare. */
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SOCKHOST_LE(bits, x) ((uint##bits##_t)(x))
#define SOCKHOST_BE(bits, x) __builtin_bswap##bits(x)
#else
#define SOCKHOST_LE(bits, x) __builtin_bswap##bits(x)
#define SOCKHOST_BE(bits, x) ((uint##bits##_t)(x))
#endif

#define sys_le16_to_cpu(x) SOCKHOST_LE(16, x)
#define sys_cpu_to_le16(x) SOCKHOST_LE(16, x)
#define sys_be16_to_cpu(x) SOCKHOST_BE(16, x)
#define sys_cpu_to_be16(x) SOCKHOST_BE(16, x)
#define sys_le32_to_cpu(x) SOCKHOST_LE(32, x)
#define sys_cpu_to_le32(x) SOCKHOST_LE(32, x)
#define sys_be32_to_cpu(x) SOCKHOST_BE(32, x)
#define sys_cpu_to_be32(x) SOCKHOST_BE(32, x)
#define sys_le64_to_cpu(x) SOCKHOST_LE(64, x)
#define sys_cpu_to_le64(x) SOCKHOST_LE(64, x)
#define sys_be64_to_cpu(x) SOCKHOST_BE(64, x)
#define sys_cpu_to_be64(x) SOCKHOST_BE(64, x)

#ifdef __cplusplus
extern "C" {
#endif

/* sys_get_be16(p), sys_put_be16(value, p) and the like; `p` need not be aligned. */
#define SOCKHOST_BYTE_ORDER(bits, order)                                            \
  static inline uint##bits##_t sys_get_##order##bits(const uint8_t *source) {       \
    uint##bits##_t value;                                                           \
    memcpy(&value, source, sizeof(value));                                          \
    return sys_##order##bits##_to_cpu(value);                                       \
  }                                                                                 \
  static inline void sys_put_##order##bits(uint##bits##_t value, uint8_t *target) { \
    const uint##bits##_t stored = sys_cpu_to_##order##bits(value);                  \
    memcpy(target, &stored, sizeof(stored));                                        \
  }

SOCKHOST_BYTE_ORDER(16, be)
SOCKHOST_BYTE_ORDER(16, le)
SOCKHOST_BYTE_ORDER(32, be)
SOCKHOST_BYTE_ORDER(32, le)
SOCKHOST_BYTE_ORDER(64, be)
SOCKHOST_BYTE_ORDER(64, le)

#undef SOCKHOST_BYTE_ORDER

static inline uint32_t sys_get_be24(const uint8_t *source) {
  return ((uint32_t)source[0] << 16) | ((uint32_t)source[1] << 8) | source[2];
}
static inline uint32_t sys_get_le24(const uint8_t *source) {
  return ((uint32_t)source[2] << 16) | ((uint32_t)source[1] << 8) | source[0];
}
static inline void sys_put_be24(uint32_t value, uint8_t *target) {
  target[0] = (uint8_t)(value >> 16);
  target[1] = (uint8_t)(value >> 8);
  target[2] = (uint8_t)value;
}
static inline void sys_put_le24(uint32_t value, uint8_t *target) {
  target[2] = (uint8_t)(value >> 16);
  target[1] = (uint8_t)(value >> 8);
  target[0] = (uint8_t)value;
}

/* Copies with the bytes in reverse; the two must not overlap. */
static inline void sys_memcpy_swap(void *target, const void *source, size_t length) {
  const uint8_t *from = (const uint8_t *)source + length;
  uint8_t *to = (uint8_t *)target;
  while (length-- > 0) *to++ = *--from;
}

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_BYTEORDER_H_ */
