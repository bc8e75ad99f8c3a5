#include "sockhost/service_parameters.h"

#include "listener.h"
#include "service_loop.h"

namespace sockhost {

const ServiceParameters* ParametersOf(int fd) {
  const SocketSlot* slot = ServiceLoop::SlotOnServiceThread(fd);
  return slot && slot->listener ? slot->listener->config().parameters.get() : nullptr;
}

}  // namespace sockhost
