/*
 * Units of time and conversions between them:
 *   k_<from>_to_<to>_<rounding><bits>(), from and to in {ticks, ms, us}, or one
 *   of them cyc and the other in {ns, us, ms, ticks},
 *   rounding in {floor, ceil, near}, bits of the result 32 or 64.
 *
 * Source: Zephyr API documentation, "Time Units".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_TIME_UNITS_H_
#define ZEPHYR_SYS_TIME_UNITS_H_

#include <zephyr/types.h>

#define MSEC_PER_SEC 1000U
#define USEC_PER_MSEC 1000U
#define NSEC_PER_USEC 1000U
#define NSEC_PER_MSEC 1000000U
#define USEC_PER_SEC 1000000U
#define NSEC_PER_SEC 1000000000U
#define SEC_PER_MIN 60U
#define MIN_PER_HOUR 60U
#define HOUR_PER_DAY 24U

#ifdef __cplusplus
extern "C" {
#endif

/* Defines the six functions from unit `a` to unit `b`, where n a = d b. */
#define SOCKHOST_CONVERSION(a, b, n, d)                                                            \
  static inline uint64_t k_##a##_to_##b##_floor64(uint64_t t) { return t * (d) / (n); }            \
  static inline uint64_t k_##a##_to_##b##_ceil64(uint64_t t) { return (t * (d) + (n)-1) / (n); }   \
  static inline uint64_t k_##a##_to_##b##_near64(uint64_t t) { return (t * (d) + (n) / 2) / (n); } \
  static inline uint32_t k_##a##_to_##b##_floor32(uint64_t t) {                                    \
    return (uint32_t)k_##a##_to_##b##_floor64(t);                                                  \
  }                                                                                                \
  static inline uint32_t k_##a##_to_##b##_ceil32(uint64_t t) {                                     \
    return (uint32_t)k_##a##_to_##b##_ceil64(t);                                                   \
  }                                                                                                \
  static inline uint32_t k_##a##_to_##b##_near32(uint64_t t) {                                     \
    return (uint32_t)k_##a##_to_##b##_near64(t);                                                   \
  }

SOCKHOST_CONVERSION(ticks, us, 1U, 1U)
SOCKHOST_CONVERSION(us, ticks, 1U, 1U)
SOCKHOST_CONVERSION(ticks, ms, 1000U, 1U)
SOCKHOST_CONVERSION(ms, ticks, 1U, 1000U)
SOCKHOST_CONVERSION(us, ms, 1000U, 1U)
SOCKHOST_CONVERSION(ms, us, 1U, 1000U)

/* A cycle is a nanosecond: see k_cycle_get_32(). */
SOCKHOST_CONVERSION(cyc, ns, 1U, 1U)
SOCKHOST_CONVERSION(ns, cyc, 1U, 1U)
SOCKHOST_CONVERSION(cyc, us, 1000U, 1U)
SOCKHOST_CONVERSION(us, cyc, 1U, 1000U)
SOCKHOST_CONVERSION(cyc, ticks, 1000U, 1U)
SOCKHOST_CONVERSION(ticks, cyc, 1U, 1000U)
SOCKHOST_CONVERSION(cyc, ms, 1000000U, 1U)
SOCKHOST_CONVERSION(ms, cyc, 1U, 1000000U)

#undef SOCKHOST_CONVERSION

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_TIME_UNITS_H_ */
