// How the upstreams of a listener do, as the admin API shows it.
#ifndef SOCKHOST_SERVER_UPSTREAM_ENCODING_H_
#define SOCKHOST_SERVER_UPSTREAM_ENCODING_H_

#include "sockhost/service_parameters.h"
#include "sockhost/v1/listener.pb.h"

namespace sockhost {

// Adds `out.upstreams` if these are the parameters of a listener that forwards; else nothing.
// `parameters` may be null. Any thread; the service thread does not wait for it.
void EncodeUpstreams(const ServiceParameters* parameters, v1::Listener& out);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_UPSTREAM_ENCODING_H_
