#ifndef SOCKHOST_TESTS_COMPAT_INIT_ORDER_H_
#define SOCKHOST_TESTS_COMPAT_INIT_ORDER_H_

#ifdef __cplusplus
extern "C" {
#endif

/* The names of those that have run, in order. */
const char *init_order(void);

#ifdef __cplusplus
}
#endif

#endif /* SOCKHOST_TESTS_COMPAT_INIT_ORDER_H_ */
