#include "client/responder_flags.h"

#include <cstdint>
#include <string>

#include "client/number_flag.h"
#include "client/switch_flag.h"

namespace sockhost::client {
namespace {

struct RateFlag {
  const char* flag;
  const char* path;
  void (v1::UdpGuard::*set)(int32_t);
  const char* description;
};

constexpr RateFlag kRates[] = {
    {"--udp-peer-reply-rate", "udp_guard.peer_reply_rate", &v1::UdpGuard::set_peer_reply_rate,
     "UDP: answers to one peer in a second; 0: 10000"},
    {"--udp-reply-rate", "udp_guard.reply_rate", &v1::UdpGuard::set_reply_rate,
     "UDP: answers to all peers in a second; 0: no limit"},
};

struct GuardSwitch {
  const char* flag;
  const char* path;
  void (v1::UdpGuard::*set)(bool);
  const char* description;
};

constexpr GuardSwitch kSwitches[] = {
    {"--udp-allow-amplification", "udp_guard.allow_amplification",
     &v1::UdpGuard::set_allow_amplification, "UDP: let answers be larger than requests"},
    {"--udp-allow-privileged-sources", "udp_guard.allow_privileged_sources",
     &v1::UdpGuard::set_allow_privileged_sources, "UDP: answer ports below 1024"},
};

// One of the two is what is sent: the other one is not any more.
void AddTextFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  app.add_option_function<std::string>(
         "--banner-text",
         [&listener, on_set](const std::string& text) {
           listener.mutable_banner()->set_text(text);
           on_set("banner.text");
           on_set("banner.file");
         },
         "banner: what is sent to each peer, as it is given: \\n is no line end")
      ->type_name("TEXT");
  app.add_option_function<std::string>(
         "--banner-file",
         [&listener, on_set](const std::string& path) {
           listener.mutable_banner()->set_file(path);
           on_set("banner.text");
           on_set("banner.file");
         },
         "banner: a file of the daemon's host with the text")
      ->type_name("PATH");
  AddSwitch(app, "--banner-close", "banner: close the connection when all is sent",
            [&listener, on_set](bool on) {
              listener.mutable_banner()->set_close(on);
              on_set("banner.close");
            });
}

}  // namespace

void AddResponderFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  AddTextFlags(app, listener, on_set);
  for (const RateFlag& row : kRates) {
    AddNumberFlag(app, row.flag, row.description, {0, 1'000'000'000},
                  [&row, &listener, on_set](int64_t n) {
                    (listener.mutable_udp_guard()->*row.set)(static_cast<int32_t>(n));
                    on_set(row.path);
                  });
  }
  for (const GuardSwitch& row : kSwitches) {
    AddSwitch(app, row.flag, row.description, [&row, &listener, on_set](bool on) {
      (listener.mutable_udp_guard()->*row.set)(on);
      on_set(row.path);
    });
  }
}

}  // namespace sockhost::client
