// Which fields of a listener flags have set.
#ifndef SOCKHOST_CLIENT_FIELD_OBSERVER_H_
#define SOCKHOST_CLIENT_FIELD_OBSERVER_H_

#include <functional>

namespace sockhost::client {

// Told the path of each field that a flag has set, as update masks name it:
// "max_connections", "forward.policy".
using FieldObserver = std::function<void(const char* path)>;

}  // namespace sockhost::client

#endif  // SOCKHOST_CLIENT_FIELD_OBSERVER_H_
