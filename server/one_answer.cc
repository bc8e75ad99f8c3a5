#include "one_answer.h"

#include <zephyr/net/socket.h>

#include <cstddef>

#include "datagram_batch.h"
#include "discard_input.h"

namespace sockhost {

void GiveOneAnswer(const net_socket_service_event& event, absl::string_view text) {
  const int fd = event.event.fd;
  if (!sockhost_socket_is_datagram(fd)) {
    zsock_send(fd, text.data(), text.size(), 0);
    return CloseAfterLastWord(fd);
  }
  DatagramBatch& batch = DatagramBatch::OfServiceThread();
  DatagramGuard& guard = DatagramGuard::OfServiceThread();
  const size_t requests = batch.ReceiveRequests(fd, guard);
  batch.Answer(fd, requests, guard, [text](size_t) { return text; });
}

}  // namespace sockhost
