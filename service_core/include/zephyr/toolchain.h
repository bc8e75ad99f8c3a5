/*
 * Compiler attributes and compile-time checks under Zephyr's names, for GCC and
 * clang.
 *
 * Every Zephyr header comes through here first. In a strict -std=c11 build the
 * C library then declares POSIX and Linux names only if asked before its first
 * header is read, so this file asks. Where such a header came first, the headers
 * of Zephyr compile all the same, but names that the C library hides then (struct
 * addrinfo, struct timespec in C99) stay hidden: define _GNU_SOURCE on the command
 * line, or include a Zephyr header first.
 *
 * Source: Zephyr API documentation, "Toolchain"; GCC manual, "Attributes".
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef ZEPHYR_TOOLCHAIN_H_
#define ZEPHYR_TOOLCHAIN_H_

#if !defined(_GNU_SOURCE) && !defined(_FEATURES_H)
#define _GNU_SOURCE
#endif

#include <zephyr/autoconf.h>

/* ---- Attributes ----------------------------------------------------------- */

/* Guarded: some of these names belong to nobody, and other headers use them. */
#ifndef __packed
#define __packed __attribute__((__packed__))
#endif
#ifndef __aligned
#define __aligned(x) __attribute__((__aligned__(x)))
#endif
#ifndef __used
#define __used __attribute__((__used__))
#endif
#ifndef __unused
#define __unused __attribute__((__unused__))
#endif
#ifndef __maybe_unused
#define __maybe_unused __attribute__((__unused__))
#endif
#ifndef __weak
#define __weak __attribute__((__weak__))
#endif
#ifndef __deprecated
#define __deprecated __attribute__((__deprecated__))
#endif
#ifndef __noinline
#define __noinline __attribute__((__noinline__))
#endif
#ifndef __must_check
#define __must_check __attribute__((__warn_unused_result__))
#endif
#ifndef __printf_like
#define __printf_like(format, first) __attribute__((__format__(__printf__, format, first)))
#endif
#ifndef __fallthrough
#define __fallthrough __attribute__((__fallthrough__))
#endif
#ifndef __syscall
#define __syscall
#endif

#ifndef ALWAYS_INLINE
#define ALWAYS_INLINE inline __attribute__((__always_inline__))
#endif
#define FUNC_NORETURN __attribute__((__noreturn__))
#define CODE_UNREACHABLE __builtin_unreachable()
#define compiler_barrier() __asm__ __volatile__("" ::: "memory")

#ifndef likely
#define likely(x) __builtin_expect(!!(x), 1)
#endif
#ifndef unlikely
#define unlikely(x) __builtin_expect(!!(x), 0)
#endif

/* ---- Tokens --------------------------------------------------------------- */

#define _STRINGIFY(x) #x
#define STRINGIFY(s) _STRINGIFY(s)
#define _DO_CONCAT(x, y) x##y
#define _CONCAT(x, y) _DO_CONCAT(x, y)
#ifndef CONCAT
#define CONCAT(x, y) _CONCAT(x, y)
#endif

#define ARG_UNUSED(x) ((void)(x))

/* ---- Checks at compile time ----------------------------------------------- */

/* BUILD_ASSERT(condition) or BUILD_ASSERT(condition, "why"), at any scope. */
#define BUILD_ASSERT(...) SOCKHOST_BUILD_ASSERT(__VA_ARGS__, "", 0)
#ifdef __cplusplus
#define SOCKHOST_BUILD_ASSERT(condition, why, ...) static_assert((condition), "" why)
#else
#define SOCKHOST_BUILD_ASSERT(condition, why, ...) __extension__ _Static_assert((condition), "" why)
#endif

#endif /* ZEPHYR_TOOLCHAIN_H_ */
