// The discard service (RFC 863).
#include <gmock/gmock.h>
#include <sys/socket.h>

#include <cerrno>
#include <string>

#include "tests/core/eventually.h"
#include "tests/core/sockets.h"
#include "tests/server/built_in_service_fixture.h"

namespace sockhost {
namespace {

using testing::Eq;

class DiscardServiceTest : public BuiltInServiceTest {
 protected:
  void ExpectSilence(int fd) {
    char byte;
    EXPECT_EQ(recv(fd, &byte, 1, MSG_DONTWAIT), -1);
    EXPECT_EQ(errno, EAGAIN);
    EXPECT_EQ(Count(Counter::transmit_bytes), 0);
    EXPECT_EQ(Count(Counter::transmit_messages), 0);
  }
};

TEST_F(DiscardServiceTest, StreamIsTaken) {
  const UniqueFd peer = ConnectTo(Listen("discard", "tcp://127.0.0.1:0"));
  SendText(peer.get(), std::string(1'000'000, 'x'));
  EXPECT_TRUE(Becomes([this] { return Count(Counter::receive_bytes); }, Eq(1'000'000)));
  ExpectSilence(peer.get());
}

TEST_F(DiscardServiceTest, PeerThatClosesIsForgotten) {
  UniqueFd peer = ConnectTo(Listen("discard", "tcp://127.0.0.1:0"));
  SendText(peer.get(), "x");
  peer.reset();
  EXPECT_TRUE(Becomes([this] { return Count(Counter::receive_bytes); }, Eq(1)));
  EXPECT_TRUE(Becomes([this] { return host_.sockets(); }, Eq(1u)));
}

TEST_F(DiscardServiceTest, DatagramsAreTaken) {
  const UniqueFd peer = ConnectTo(Listen("discard", "udp://127.0.0.1:0"));
  for (int i = 0; i < 50; ++i) SendText(peer.get(), std::string(static_cast<size_t>(i), 'x'));
  EXPECT_TRUE(Becomes([this] { return Count(Counter::receive_messages); }, Eq(50)));
  EXPECT_EQ(Count(Counter::receive_bytes), 49 * 50 / 2);
  ExpectSilence(peer.get());
}

}  // namespace
}  // namespace sockhost
