#include "client/responder_flags.h"

#include <cstdint>
#include <string>

namespace sockhost::client {
namespace {

using SetRate = void (v1::UdpGuard::*)(int32_t);
using SetSwitch = void (v1::UdpGuard::*)(bool);

void AddRateFlag(CLI::App& app, const std::string& flag, const std::string& description,
                 v1::Listener& listener, SetRate set) {
  app.add_option_function<int32_t>(
         flag, [&listener, set](const int32_t& n) { (listener.mutable_udp_guard()->*set)(n); },
         description)
      ->type_name("N");
}

void AddSwitch(CLI::App& app, const std::string& flag, const std::string& description,
               v1::Listener& listener, SetSwitch set) {
  app.add_flag_callback(
      flag, [&listener, set] { (listener.mutable_udp_guard()->*set)(true); }, description);
}

}  // namespace

void AddResponderFlags(CLI::App& app, v1::Listener& listener) {
  app.add_option_function<std::string>(
         "--banner-text",
         [&listener](const std::string& text) { listener.mutable_banner()->set_text(text); },
         "banner: what is sent to each peer")
      ->type_name("TEXT");
  app.add_option_function<std::string>(
         "--banner-file",
         [&listener](const std::string& path) { listener.mutable_banner()->set_file(path); },
         "banner: a file of the daemon's host with the text")
      ->type_name("PATH");
  app.add_flag_callback(
      "--banner-close", [&listener] { listener.mutable_banner()->set_close(true); },
      "banner: close the connection when all is sent");
  AddRateFlag(app, "--udp-peer-reply-rate", "UDP: answers to one peer in a second; 0: 10000",
              listener, &v1::UdpGuard::set_peer_reply_rate);
  AddRateFlag(app, "--udp-reply-rate", "UDP: answers to all peers in a second; 0: no limit",
              listener, &v1::UdpGuard::set_reply_rate);
  AddSwitch(app, "--udp-allow-amplification", "UDP: let answers be larger than requests", listener,
            &v1::UdpGuard::set_allow_amplification);
  AddSwitch(app, "--udp-allow-privileged-sources", "UDP: answer ports below 1024", listener,
            &v1::UdpGuard::set_allow_privileged_sources);
}

}  // namespace sockhost::client
