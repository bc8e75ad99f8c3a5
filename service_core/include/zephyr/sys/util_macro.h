/*
 * Macros that choose and repeat code at compile time.
 *
 * Source: Zephyr API documentation, "Utility Functions".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_SYS_UTIL_MACRO_H_
#define ZEPHYR_SYS_UTIL_MACRO_H_

#include <zephyr/toolchain.h>

/* ---- Bits ----------------------------------------------------------------- */

#ifndef BIT
#define BIT(n) (1UL << (n))
#endif
#define BIT64(n) (1ULL << (n))
#define BIT_MASK(n) (BIT(n) - 1UL)
#define BIT64_MASK(n) (BIT64(n) - 1ULL)
#define GENMASK(h, l) (((~0UL) - (1UL << (l)) + 1) & (~0UL >> (sizeof(long) * 8 - 1 - (h))))
#define LSB_GET(value) ((value) & -(value))
#define FIELD_GET(mask, value) (((value) & (mask)) / LSB_GET(mask))
#define FIELD_PREP(mask, value) (((value)*LSB_GET(mask)) & (mask))
#define WRITE_BIT(var, bit, set) ((var) = (set) ? ((var) | BIT(bit)) : ((var) & ~BIT(bit)))

/* ---- Choice ----------------------------------------------------------------
 * A flag is "on" when it is a macro that expands to 1. SOCKHOST_ONE_1 holds a
 * comma, so that pasting the flag's value behind SOCKHOST_ONE_ shifts the
 * arguments by one exactly if the value is 1. */

#define SOCKHOST_ONE_1 0,
#define SOCKHOST_SECOND(first, second, ...) second
#define SOCKHOST_IF_SHIFTED(shift, then, otherwise) SOCKHOST_SECOND(shift then, otherwise, 0)
#define SOCKHOST_IF_ONE(value, then, otherwise) \
  SOCKHOST_IF_SHIFTED(SOCKHOST_ONE_##value, then, otherwise)
#define SOCKHOST_UNWRAP(...) __VA_ARGS__
#define SOCKHOST_APPLY(F, arguments) F arguments

/* 1 if `config` is on, 0 if it is anything else or not defined. */
#define IS_ENABLED(config) SOCKHOST_IS_ENABLED(config)
#define SOCKHOST_IS_ENABLED(value) SOCKHOST_IF_ONE(value, 1, 0)

/* The code in the first parentheses if `flag` is on, else that in the second. */
#define COND_CODE_1(flag, code, otherwise) SOCKHOST_COND_CODE(flag, code, otherwise)
#define SOCKHOST_COND_CODE(value, code, otherwise) \
  SOCKHOST_APPLY(SOCKHOST_UNWRAP, SOCKHOST_IF_ONE(value, code, otherwise))
#define COND_CODE_0(flag, code, otherwise) SOCKHOST_COND_CODE_0(flag, code, otherwise)
#define SOCKHOST_ZERO_0 0,
#define SOCKHOST_COND_CODE_0(value, code, otherwise) \
  SOCKHOST_APPLY(SOCKHOST_UNWRAP, SOCKHOST_IF_SHIFTED(SOCKHOST_ZERO_##value, code, otherwise))
#define IF_ENABLED(flag, code) COND_CODE_1(flag, code, ())
#define IF_DISABLED(flag, code) COND_CODE_1(flag, (), code)

/* Both take flags; UTIL_AND and UTIL_OR expand to their second or first argument. */
#define UTIL_BOOL(flag) IS_ENABLED(flag)
#define UTIL_NOT(flag) COND_CODE_1(flag, (0), (1))
#define UTIL_AND(a, b) COND_CODE_1(a, (b), (0))
#define UTIL_OR(a, b) COND_CODE_1(a, (a), (b))
#define UTIL_CAT(a, ...) SOCKHOST_CAT(a, __VA_ARGS__)
#define SOCKHOST_CAT(a, ...) a##__VA_ARGS__

#define EMPTY
#define IDENTITY(value) value

/* ---- Repetition ------------------------------------------------------------ */

/*
 * LISTIFY(3, F, (;), x) is F(0, x); F(1, x); F(2, x). The count is a literal of
 * at most 32, or a macro of one. F takes at least one argument beside the index.
 */
#define LISTIFY(count, F, separator, ...) SOCKHOST_LISTIFY(count, F, separator, __VA_ARGS__)
#define SOCKHOST_LISTIFY(count, F, separator, ...) \
  SOCKHOST_LISTIFY_##count(F, separator, __VA_ARGS__)
#define SOCKHOST_LISTIFY_0(F, separator, ...)
#define SOCKHOST_LISTIFY_1(F, separator, ...) F(0, __VA_ARGS__)
#define SOCKHOST_LISTIFY_2(F, separator, ...) \
  SOCKHOST_LISTIFY_1(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(1, __VA_ARGS__)
#define SOCKHOST_LISTIFY_3(F, separator, ...) \
  SOCKHOST_LISTIFY_2(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(2, __VA_ARGS__)
#define SOCKHOST_LISTIFY_4(F, separator, ...) \
  SOCKHOST_LISTIFY_3(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(3, __VA_ARGS__)
#define SOCKHOST_LISTIFY_5(F, separator, ...) \
  SOCKHOST_LISTIFY_4(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(4, __VA_ARGS__)
#define SOCKHOST_LISTIFY_6(F, separator, ...) \
  SOCKHOST_LISTIFY_5(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(5, __VA_ARGS__)
#define SOCKHOST_LISTIFY_7(F, separator, ...) \
  SOCKHOST_LISTIFY_6(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(6, __VA_ARGS__)
#define SOCKHOST_LISTIFY_8(F, separator, ...) \
  SOCKHOST_LISTIFY_7(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(7, __VA_ARGS__)
#define SOCKHOST_LISTIFY_9(F, separator, ...) \
  SOCKHOST_LISTIFY_8(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(8, __VA_ARGS__)
#define SOCKHOST_LISTIFY_10(F, separator, ...) \
  SOCKHOST_LISTIFY_9(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(9, __VA_ARGS__)
#define SOCKHOST_LISTIFY_11(F, separator, ...) \
  SOCKHOST_LISTIFY_10(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(10, __VA_ARGS__)
#define SOCKHOST_LISTIFY_12(F, separator, ...) \
  SOCKHOST_LISTIFY_11(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(11, __VA_ARGS__)
#define SOCKHOST_LISTIFY_13(F, separator, ...) \
  SOCKHOST_LISTIFY_12(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(12, __VA_ARGS__)
#define SOCKHOST_LISTIFY_14(F, separator, ...) \
  SOCKHOST_LISTIFY_13(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(13, __VA_ARGS__)
#define SOCKHOST_LISTIFY_15(F, separator, ...) \
  SOCKHOST_LISTIFY_14(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(14, __VA_ARGS__)
#define SOCKHOST_LISTIFY_16(F, separator, ...) \
  SOCKHOST_LISTIFY_15(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(15, __VA_ARGS__)
#define SOCKHOST_LISTIFY_17(F, separator, ...) \
  SOCKHOST_LISTIFY_16(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(16, __VA_ARGS__)
#define SOCKHOST_LISTIFY_18(F, separator, ...) \
  SOCKHOST_LISTIFY_17(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(17, __VA_ARGS__)
#define SOCKHOST_LISTIFY_19(F, separator, ...) \
  SOCKHOST_LISTIFY_18(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(18, __VA_ARGS__)
#define SOCKHOST_LISTIFY_20(F, separator, ...) \
  SOCKHOST_LISTIFY_19(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(19, __VA_ARGS__)
#define SOCKHOST_LISTIFY_21(F, separator, ...) \
  SOCKHOST_LISTIFY_20(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(20, __VA_ARGS__)
#define SOCKHOST_LISTIFY_22(F, separator, ...) \
  SOCKHOST_LISTIFY_21(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(21, __VA_ARGS__)
#define SOCKHOST_LISTIFY_23(F, separator, ...) \
  SOCKHOST_LISTIFY_22(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(22, __VA_ARGS__)
#define SOCKHOST_LISTIFY_24(F, separator, ...) \
  SOCKHOST_LISTIFY_23(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(23, __VA_ARGS__)
#define SOCKHOST_LISTIFY_25(F, separator, ...) \
  SOCKHOST_LISTIFY_24(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(24, __VA_ARGS__)
#define SOCKHOST_LISTIFY_26(F, separator, ...) \
  SOCKHOST_LISTIFY_25(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(25, __VA_ARGS__)
#define SOCKHOST_LISTIFY_27(F, separator, ...) \
  SOCKHOST_LISTIFY_26(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(26, __VA_ARGS__)
#define SOCKHOST_LISTIFY_28(F, separator, ...) \
  SOCKHOST_LISTIFY_27(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(27, __VA_ARGS__)
#define SOCKHOST_LISTIFY_29(F, separator, ...) \
  SOCKHOST_LISTIFY_28(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(28, __VA_ARGS__)
#define SOCKHOST_LISTIFY_30(F, separator, ...) \
  SOCKHOST_LISTIFY_29(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(29, __VA_ARGS__)
#define SOCKHOST_LISTIFY_31(F, separator, ...) \
  SOCKHOST_LISTIFY_30(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(30, __VA_ARGS__)
#define SOCKHOST_LISTIFY_32(F, separator, ...) \
  SOCKHOST_LISTIFY_31(F, separator, __VA_ARGS__) SOCKHOST_UNWRAP separator F(31, __VA_ARGS__)

/* The number of arguments, 1 to 16. */
#define NUM_VA_ARGS(...) \
  SOCKHOST_ARGUMENT_17(__VA_ARGS__, 16, 15, 14, 13, 12, 11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0)
#define SOCKHOST_ARGUMENT_17(a1, a2, a3, a4, a5, a6, a7, a8, a9, a10, a11, a12, a13, a14, a15, \
                             a16, n, ...)                                                      \
  n

/* FOR_EACH(F, (;), x, y) is F(x); F(y), for 1 to 16 arguments. */
#define FOR_EACH(F, separator, ...) \
  SOCKHOST_FOR_EACH(NUM_VA_ARGS(__VA_ARGS__), F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH(n, F, separator, ...) \
  UTIL_CAT(SOCKHOST_FOR_EACH_, n)(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_1(F, separator, x) F(x)
#define SOCKHOST_FOR_EACH_2(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_1(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_3(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_2(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_4(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_3(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_5(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_4(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_6(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_5(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_7(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_6(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_8(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_7(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_9(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_8(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_10(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_9(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_11(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_10(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_12(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_11(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_13(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_12(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_14(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_13(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_15(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_14(F, separator, __VA_ARGS__)
#define SOCKHOST_FOR_EACH_16(F, separator, x, ...) \
  F(x) SOCKHOST_UNWRAP separator SOCKHOST_FOR_EACH_15(F, separator, __VA_ARGS__)

#endif /* ZEPHYR_SYS_UTIL_MACRO_H_ */
