// The border to C: no exception passes it.
#ifndef SOCKHOST_SERVICE_CORE_C_BORDER_H_
#define SOCKHOST_SERVICE_CORE_C_BORDER_H_

#include <cerrno>
#include <new>

namespace sockhost {

// Returns what `call` returns: 0 or more, or a negative errno. -ENOMEM if it found no
// memory; it must have changed nothing then.
template <typename Call>
int OrOutOfMemory(Call call) {
  try {
    return call();
  } catch (const std::bad_alloc&) {
    return -ENOMEM;
  }
}

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_CORE_C_BORDER_H_
