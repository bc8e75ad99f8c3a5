/* The macros of zephyr/sys/util.h and the units of time, checked by the compiler in C
 * and in C++. */
#include <zephyr/kernel.h>

#define SWITCH_ON 1
#define SWITCH_OFF 0
#define LEVEL 3

BUILD_ASSERT(IS_ENABLED(SWITCH_ON) == 1);
BUILD_ASSERT(IS_ENABLED(SWITCH_OFF) == 0);
BUILD_ASSERT(IS_ENABLED(SWITCH_NOT_DEFINED) == 0);
BUILD_ASSERT(IS_ENABLED(LEVEL) == 0, "on is 1, not any number");

BUILD_ASSERT(COND_CODE_1(SWITCH_ON, (1), (2)) == 1);
BUILD_ASSERT(COND_CODE_1(SWITCH_NOT_DEFINED, (1), (2)) == 2);
BUILD_ASSERT(COND_CODE_0(SWITCH_OFF, (1), (2)) == 1);
BUILD_ASSERT(COND_CODE_0(SWITCH_ON, (1), (2)) == 2);
BUILD_ASSERT(COND_CODE_1(SWITCH_ON, (COND_CODE_1(SWITCH_OFF, (1), (2))), (3)) == 2, "nested");
IF_ENABLED(SWITCH_ON, (enum {IF_ENABLED_WORKS = 1};))
IF_DISABLED(SWITCH_ON, (this is no code))
BUILD_ASSERT(IF_ENABLED_WORKS);
BUILD_ASSERT(UTIL_AND(SWITCH_ON, 7) == 7 && UTIL_AND(SWITCH_OFF, 7) == 0);
BUILD_ASSERT(UTIL_OR(SWITCH_OFF, 7) == 7 && UTIL_OR(SWITCH_ON, 7) == 1);
BUILD_ASSERT(UTIL_NOT(SWITCH_OFF) == 1 && UTIL_NOT(SWITCH_ON) == 0);

#define NUMBER(i, offset) ((i) + (offset))
static const int listed[] = {LISTIFY(32, NUMBER, (, ), 100)};
BUILD_ASSERT(ARRAY_SIZE(listed) == 32);
BUILD_ASSERT((LISTIFY(3, NUMBER, (+), 10)) == 33);
#define DOUBLE(x) (2 * (x))
BUILD_ASSERT((FOR_EACH(DOUBLE, (+), 1)) == 2);
BUILD_ASSERT((FOR_EACH(DOUBLE, (+), 1, 2, 3)) == 12);
BUILD_ASSERT(NUM_VA_ARGS(a, b, c) == 3);
BUILD_ASSERT(sizeof(STRINGIFY(LEVEL)) == 2);
BUILD_ASSERT(CONCAT(1, LEVEL) == 13);

BUILD_ASSERT(BIT(3) == 8 && BIT_MASK(3) == 7 && BIT64(40) == 1ULL << 40);
BUILD_ASSERT(GENMASK(7, 4) == 0xf0);
BUILD_ASSERT(FIELD_GET(GENMASK(7, 4), 0xab) == 0xa && FIELD_PREP(GENMASK(7, 4), 0xa) == 0xa0);
BUILD_ASSERT(MIN(1, 2) == 1 && MAX(1, 2) == 2);
BUILD_ASSERT(CLAMP(0, 1, 3) == 1 && CLAMP(2, 1, 3) == 2 && CLAMP(4, 1, 3) == 3);
BUILD_ASSERT(IN_RANGE(1, 1, 3) && IN_RANGE(3, 1, 3) && !IN_RANGE(4, 1, 3));
BUILD_ASSERT(ROUND_UP(9, 8) == 16 && ROUND_UP(8, 8) == 8 && ROUND_DOWN(9, 8) == 8);
BUILD_ASSERT(DIV_ROUND_UP(9, 4) == 3 && DIV_ROUND_CLOSEST(9, 4) == 2);
BUILD_ASSERT(KB(2) == 2048 && MB(1) == 1048576);

struct outer {
  char first;
  int member;
};
BUILD_ASSERT(SIZEOF_FIELD(struct outer, member) == sizeof(int));
static inline struct outer *outer_of(int *member) {
  return CONTAINER_OF(member, struct outer, member);
}

BUILD_ASSERT(MSEC_PER_SEC == 1000 && NSEC_PER_SEC == 1000000000);
static inline bool timeouts_are_right(void) {
  return K_MSEC(2).ticks == 2 * K_USEC(1000).ticks && K_SECONDS(60).ticks == K_MINUTES(1).ticks &&
         K_TIMEOUT_EQ(K_MSEC(-5), K_NO_WAIT) && !K_TIMEOUT_EQ(K_FOREVER, K_NO_WAIT) &&
         K_NSEC(1).ticks == 1 && K_TIMEOUT_EQ(SYS_TIMEOUT_MS(SYS_FOREVER_MS), K_FOREVER) &&
         k_ms_to_ticks_ceil32(3) == 3000 && k_ticks_to_ms_floor32(1999) == 1 &&
         k_ticks_to_ms_ceil32(1001) == 2 && k_us_to_ticks_near64(7) == 7 &&
         k_cyc_to_ns_floor64(5) == 5 && k_cyc_to_us_ceil32(1001) == 2 &&
         k_ms_to_cyc_floor64(1) == sys_clock_hw_cycles_per_sec() / MSEC_PER_SEC;
}

/* True if what the compiler cannot check is right as well. */
static inline bool util_is_right(void) {
  struct outer outer;
  int numbers[] = {1, 2, 3};
  int sum = 0;

  ARRAY_FOR_EACH(numbers, i) { sum += numbers[i]; }
  ARRAY_FOR_EACH_PTR(numbers, number) { sum += *number; }
  return sum == 12 && outer_of(&outer.member) == &outer && timeouts_are_right() &&
         ARRAY_INDEX(numbers, &numbers[2]) == 2 && IS_ARRAY_ELEMENT(numbers, &numbers[1]) &&
         !IS_ARRAY_ELEMENT(numbers, &sum) && listed[31] == 131;
}
