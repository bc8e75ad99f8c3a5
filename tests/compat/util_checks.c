#include "tests/compat/util_checks.h"

bool util_is_right_in_c(void);
bool util_is_right_in_c(void) { return util_is_right(); }
