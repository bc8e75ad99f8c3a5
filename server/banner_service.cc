// A fixed text to whoever connects or sends a datagram, as the quote of the day
// (RFC 865). Runs on the service thread.
#include "banner_service.h"

#include <poll.h>
#include <zephyr/net/socket.h>

#include <utility>

#include "absl/strings/string_view.h"
#include "built_in_services.h"
#include "datagram_batch.h"
#include "discard_input.h"

namespace sockhost {
namespace {

// The user_data of a connection that has not taken the whole text.
struct Rest {
  std::shared_ptr<const std::string> text;
  size_t sent = 0;
  bool close = false;
};

void FreeRest(void* user_data) { delete static_cast<Rest*>(user_data); }

// Null: of a host that opened the listener without saying what to send.
const BannerParameters* ParametersOfBanner(int fd) {
  return static_cast<const BannerParameters*>(ParametersOf(fd));
}

// From now on what the peer sends is discarded, until it closes or is closed.
void FinishStream(int fd, bool close) {
  if (close) return CloseAfterLastWord(fd);
  sockhost_socket_set_events(fd, POLLIN);
}

void SendRest(int fd, Rest& rest) {
  const absl::string_view left = absl::string_view(*rest.text).substr(rest.sent);
  const ssize_t sent = zsock_send(fd, left.data(), left.size(), 0);
  if (sent < 0) return;  // EAGAIN, or the connection failed and POLLERR follows
  rest.sent += static_cast<size_t>(sent);
  if (rest.sent < rest.text->size()) return;
  const bool close = rest.close;
  sockhost_socket_set_user_data(fd, nullptr);
  delete &rest;
  FinishStream(fd, close);
}

void BeginStream(int fd, const BannerParameters& parameters) {
  const std::string& text = *parameters.text;
  const ssize_t sent = zsock_send(fd, text.data(), text.size(), 0);
  if (sent == static_cast<ssize_t>(text.size())) return FinishStream(fd, parameters.close);
  auto rest = std::make_unique<Rest>(
      Rest{parameters.text, static_cast<size_t>(sent > 0 ? sent : 0), parameters.close});
  if (sockhost_socket_set_user_data(fd, rest.get()) == 0) rest.release();
}

void AnswerDatagrams(int fd, const BannerParameters& parameters) {
  DatagramBatch& batch = DatagramBatch::OfServiceThread();
  DatagramGuard& guard = DatagramGuard::OfServiceThread();
  const size_t requests = batch.ReceiveRequests(fd, guard);
  const absl::string_view text = *parameters.text;
  batch.Answer(fd, requests, guard, [text](size_t) { return text; });
}

void HandleBanner(net_socket_service_event* event) {
  const int fd = event->event.fd;
  const BannerParameters* parameters = ParametersOfBanner(fd);
  // A datagram is taken, and its socket stays.
  if (!parameters) return CloseAfterLastWord(fd);
  if (sockhost_socket_is_datagram(fd)) return AnswerDatagrams(fd, *parameters);
  if (event->event.events & POLLIN) return DiscardInput(fd);
  if (event->user_data) return SendRest(fd, *static_cast<Rest*>(event->user_data));
  BeginStream(fd, *parameters);
}

}  // namespace

const sockhost_service_definition kBannerService = {
    .name = "banner",
    .owner = __FILE_NAME__ ":" SOCKHOST_STRINGIFY(__LINE__),
    .handler = HandleBanner,
    .capacity = 0,
    .connection_events = POLLOUT,
    .free_user_data = FreeRest,
    .keeps_connections = 0,
};

}  // namespace sockhost
