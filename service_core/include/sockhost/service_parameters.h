// What a listener tells its service.
#ifndef SOCKHOST_SERVICE_PARAMETERS_H_
#define SOCKHOST_SERVICE_PARAMETERS_H_

namespace sockhost {

// Parameters of a service at one listener, e.g. the upstreams of a forwarder. The
// core carries them and knows nothing of their kind.
struct ServiceParameters {
  virtual ~ServiceParameters() = default;
};

// The parameters of the listener that `fd` belongs to; nullptr if it has none, or
// `fd` belongs to no listener. For handlers, on the service thread; valid until
// the handler returns.
const ServiceParameters* ParametersOf(int fd);

}  // namespace sockhost

#endif  // SOCKHOST_SERVICE_PARAMETERS_H_
