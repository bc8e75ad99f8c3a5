/*
 * Atomic integers, pointers and bit arrays. All operations are sequentially
 * consistent and return the value from before.
 *
 * Source: Zephyr API documentation, "Atomic Services".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_ATOMIC_H_
#define ZEPHYR_SYS_ATOMIC_H_

#include <zephyr/sys/util.h>
#include <zephyr/types.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef long atomic_t;
typedef atomic_t atomic_val_t;
typedef void *atomic_ptr_t;
typedef void *atomic_ptr_val_t;

#define ATOMIC_INIT(value) (value)
#define ATOMIC_PTR_INIT(value) (value)

static inline atomic_val_t atomic_get(const atomic_t *target) {
  return __atomic_load_n(target, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_set(atomic_t *target, atomic_val_t value) {
  return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_clear(atomic_t *target) { return atomic_set(target, 0); }
static inline atomic_val_t atomic_add(atomic_t *target, atomic_val_t value) {
  return __atomic_fetch_add(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_sub(atomic_t *target, atomic_val_t value) {
  return __atomic_fetch_sub(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_inc(atomic_t *target) { return atomic_add(target, 1); }
static inline atomic_val_t atomic_dec(atomic_t *target) { return atomic_sub(target, 1); }
static inline atomic_val_t atomic_or(atomic_t *target, atomic_val_t value) {
  return __atomic_fetch_or(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_xor(atomic_t *target, atomic_val_t value) {
  return __atomic_fetch_xor(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_and(atomic_t *target, atomic_val_t value) {
  return __atomic_fetch_and(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_val_t atomic_nand(atomic_t *target, atomic_val_t value) {
  return __atomic_fetch_nand(target, value, __ATOMIC_SEQ_CST);
}

/* True if the value was `old_value`; it is `new_value` then. */
static inline bool atomic_cas(atomic_t *target, atomic_val_t old_value, atomic_val_t new_value) {
  return __atomic_compare_exchange_n(target, &old_value, new_value, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

static inline atomic_ptr_val_t atomic_ptr_get(const atomic_ptr_t *target) {
  return __atomic_load_n(target, __ATOMIC_SEQ_CST);
}
static inline atomic_ptr_val_t atomic_ptr_set(atomic_ptr_t *target, atomic_ptr_val_t value) {
  return __atomic_exchange_n(target, value, __ATOMIC_SEQ_CST);
}
static inline atomic_ptr_val_t atomic_ptr_clear(atomic_ptr_t *target) {
  return atomic_ptr_set(target, NULL);
}
static inline bool atomic_ptr_cas(atomic_ptr_t *target, atomic_ptr_val_t old_value,
                                  atomic_ptr_val_t new_value) {
  return __atomic_compare_exchange_n(target, &old_value, new_value, false, __ATOMIC_SEQ_CST,
                                     __ATOMIC_SEQ_CST);
}

/* ---- Bits of an array of atomic_t -------------------------------------------------- */

#define ATOMIC_BITS (sizeof(atomic_val_t) * 8)
#define ATOMIC_BITMAP_SIZE(bits) (DIV_ROUND_UP(bits, ATOMIC_BITS))
#define ATOMIC_DEFINE(name, bits) atomic_t name[ATOMIC_BITMAP_SIZE(bits)]

static inline atomic_val_t sockhost_atomic_mask(int bit) {
  return (atomic_val_t)(1UL << ((unsigned int)bit % ATOMIC_BITS));
}
static inline size_t sockhost_atomic_word(int bit) { return (size_t)bit / ATOMIC_BITS; }

static inline bool atomic_test_bit(const atomic_t *target, int bit) {
  return (atomic_get(target + sockhost_atomic_word(bit)) & sockhost_atomic_mask(bit)) != 0;
}
static inline void atomic_set_bit(atomic_t *target, int bit) {
  (void)atomic_or(target + sockhost_atomic_word(bit), sockhost_atomic_mask(bit));
}
static inline void atomic_clear_bit(atomic_t *target, int bit) {
  (void)atomic_and(target + sockhost_atomic_word(bit), ~sockhost_atomic_mask(bit));
}
static inline void atomic_set_bit_to(atomic_t *target, int bit, bool value) {
  if (value) {
    atomic_set_bit(target, bit);
  } else {
    atomic_clear_bit(target, bit);
  }
}
static inline bool atomic_test_and_set_bit(atomic_t *target, int bit) {
  const atomic_val_t mask = sockhost_atomic_mask(bit);
  return (atomic_or(target + sockhost_atomic_word(bit), mask) & mask) != 0;
}
static inline bool atomic_test_and_clear_bit(atomic_t *target, int bit) {
  const atomic_val_t mask = sockhost_atomic_mask(bit);
  return (atomic_and(target + sockhost_atomic_word(bit), ~mask) & mask) != 0;
}

#ifdef __cplusplus
}
#endif

#endif /* ZEPHYR_SYS_ATOMIC_H_ */
