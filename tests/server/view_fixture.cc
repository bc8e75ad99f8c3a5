#include "tests/server/view_fixture.h"

#include <gtest/gtest.h>

#include <memory>
#include <utility>

#include "server/resource_name.h"

namespace sockhost {

SocketSnapshot SocketOfId(SocketId id, int64_t received) {
  static const auto* service = new std::shared_ptr<const std::string>(new std::string("echo"));
  SocketSnapshot socket;
  socket.id = id;
  socket.fd = static_cast<int>(id) + 10;
  socket.service = *service;
  socket.local = SocketAddress::Parse("tcp://127.0.0.1:7").value();
  socket.counters[Counter::receive_bytes] = received;
  return socket;
}

SocketSample Sample(std::vector<SocketSnapshot> sockets) {
  SocketSample sample;
  sample.time_nanos = 1'700'000'000'000'000'005;
  sample.sockets = std::move(sockets);
  return sample;
}

SocketSample SampleOfIds(std::initializer_list<SocketId> ids) {
  std::vector<SocketSnapshot> sockets;
  for (const SocketId id : ids) sockets.push_back(SocketOfId(id));
  return Sample(std::move(sockets));
}

SocketSample SampleOfCount(SocketId count, int64_t received) {
  std::vector<SocketSnapshot> sockets;
  for (SocketId id = 1; id <= count; ++id) sockets.push_back(SocketOfId(id, received));
  return Sample(std::move(sockets));
}

v1::WatchSocketsResponse Decode(const std::vector<grpc::Slice>& fields) {
  std::string bytes;
  for (const grpc::Slice& slice : fields) {
    bytes.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  }
  v1::WatchSocketsResponse message;
  EXPECT_TRUE(message.ParseFromString(bytes));
  return message;
}

std::vector<SocketId> IdsOf(const v1::WatchSocketsResponse& message) {
  std::vector<SocketId> ids;
  for (const v1::Socket& socket : message.sockets()) {
    ids.push_back(ParseSocketName(socket.name()).value());
  }
  return ids;
}

std::vector<SocketId> RemovedIdsOf(const v1::WatchSocketsResponse& message) {
  std::vector<SocketId> ids;
  for (const std::string& name : message.removed()) ids.push_back(ParseSocketName(name).value());
  return ids;
}

}  // namespace sockhost
