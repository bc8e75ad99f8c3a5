// RFC 864: a stream of characters to whoever connects, a line of them for each
// datagram. Runs on the service thread.
#include <poll.h>
#include <zephyr/net/socket.h>

#include <algorithm>
#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "built_in_services.h"
#include "datagram_batch.h"
#include "discard_input.h"

namespace sockhost {
namespace {

// The pattern that the RFC recommends: lines of 72 of the 95 printing characters,
// each beginning one character further on.
constexpr size_t kCharacters = 95;
constexpr size_t kLineLength = 72;
constexpr size_t kPeriod = kCharacters * (kLineLength + 2);

// Sent at once before other sockets have their turn.
constexpr size_t kSendSize = 64 * 1024;
// The RFC bounds datagrams to this.
constexpr size_t kLongestDatagram = 512;

std::string MakePattern() {
  std::string out;
  // Long enough to send kSendSize from any place of the first period.
  while (out.size() < kPeriod + kSendSize) {
    const size_t line = out.size() / (kLineLength + 2);
    for (size_t i = 0; i < kLineLength; ++i) {
      out += static_cast<char>(' ' + (line + i) % kCharacters);
    }
    out += "\r\n";
  }
  return out;
}

absl::string_view Pattern() {
  static const std::string* const pattern = new std::string(MakePattern());
  return *pattern;
}

// The user_data of a connection is the place in the pattern: nothing is kept for a
// peer that does not read, and it is not sent to until it does.
void FeedStream(int fd, void* user_data) {
  const auto place = reinterpret_cast<uintptr_t>(user_data);
  const ssize_t sent = zsock_send(fd, Pattern().data() + place, kSendSize, 0);
  if (sent <= 0) return;  // EAGAIN, or the connection failed and POLLERR follows
  const uintptr_t next = (place + static_cast<size_t>(sent)) % kPeriod;
  sockhost_socket_set_user_data(fd, reinterpret_cast<void*>(next));
}

// As many characters as the request has, so that the answer is never larger; where
// larger ones are allowed, the RFC's 0 to 512 at random. One counter is as good as
// chance here.
void AnswerDatagrams(int fd) {
  static size_t turn = 0;
  DatagramBatch& batch = DatagramBatch::OfServiceThread();
  DatagramGuard& guard = DatagramGuard::OfServiceThread();
  const size_t requests = batch.ReceiveRequests(fd, guard);
  batch.Answer(fd, requests, guard, [&guard](size_t request) {
    const size_t wanted = ++turn * 131 % (kLongestDatagram + 1);
    const size_t length = guard.allows_amplification() ? wanted : std::min(wanted, request);
    return Pattern().substr(0, length);
  });
}

void HandleChargen(net_socket_service_event* event) {
  const int fd = event->event.fd;
  if (sockhost_socket_is_datagram(fd)) return AnswerDatagrams(fd);
  if (event->event.revents & POLLIN) DiscardInput(fd);
  if (event->event.revents & POLLOUT) FeedStream(fd, event->user_data);
}

}  // namespace

const sockhost_service_definition kChargenService = {
    .name = "chargen",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleChargen,
    .capacity = 0,
    .connection_events = POLLIN | POLLOUT,
    .free_user_data = nullptr,
    .keeps_connections = 0,
};

}  // namespace sockhost
