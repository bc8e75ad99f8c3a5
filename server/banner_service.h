// What a listener of the banner service says.
#ifndef SOCKHOST_SERVER_BANNER_SERVICE_H_
#define SOCKHOST_SERVER_BANNER_SERVICE_H_

#include <memory>
#include <string>

#include "datagram_guard.h"

namespace sockhost {

struct BannerParameters : ResponderParameters {
  // Shared: a connection that has not taken it all outlives an update.
  std::shared_ptr<const std::string> text;
  // Close the connection when the peer has got it all.
  bool close = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_BANNER_SERVICE_H_
