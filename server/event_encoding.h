// Events of the core as messages of the contract.
#ifndef SOCKHOST_SERVER_EVENT_ENCODING_H_
#define SOCKHOST_SERVER_EVENT_ENCODING_H_

#include "sockhost/host_event.h"
#include "sockhost/v1/event.pb.h"

namespace sockhost {

// Fills an empty message. Any thread.
void Encode(const HostEvent& event, v1::Event& out);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_EVENT_ENCODING_H_
