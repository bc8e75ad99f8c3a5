// Who reads a stream of the admin API.
#ifndef SOCKHOST_SERVER_STREAM_READER_H_
#define SOCKHOST_SERVER_STREAM_READER_H_

#include <memory>
#include <string>

#include "admin_peer.h"

namespace sockhost {

// Kept with the stream, beyond the call that has begun it.
struct StreamReader {
  // What gRPC calls the connection.
  std::string connection;
  // Null: it had ended.
  std::shared_ptr<const AdminPeer> peer;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_STREAM_READER_H_
