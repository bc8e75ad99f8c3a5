// Samples that were made up, for the tests of views.
#ifndef SOCKHOST_TESTS_SERVER_VIEW_FIXTURE_H_
#define SOCKHOST_TESTS_SERVER_VIEW_FIXTURE_H_

#include <grpcpp/support/slice.h>

#include <initializer_list>
#include <string>
#include <vector>

#include "server/socket_sample.h"
#include "sockhost/v1/watch.pb.h"

namespace sockhost {

SocketSnapshot SocketOfId(SocketId id, int64_t received = 0);

SocketSample Sample(std::vector<SocketSnapshot> sockets);
SocketSample SampleOfIds(std::initializer_list<SocketId> ids);
SocketSample SampleOfCount(SocketId count, int64_t received = 0);

// What the reader of these fields gets.
v1::WatchSocketsResponse Decode(const std::vector<grpc::Slice>& fields);

std::vector<SocketId> IdsOf(const v1::WatchSocketsResponse& message);
std::vector<SocketId> RemovedIdsOf(const v1::WatchSocketsResponse& message);

}  // namespace sockhost

#endif  // SOCKHOST_TESTS_SERVER_VIEW_FIXTURE_H_
