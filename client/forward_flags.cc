#include "client/forward_flags.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/duration_flag.h"

namespace sockhost::client {
namespace {

const std::map<std::string, v1::ForwardParameters::Policy> kPolicies = {
    {"round-robin", v1::ForwardParameters::ROUND_ROBIN},
    {"least-connections", v1::ForwardParameters::LEAST_CONNECTIONS},
};

void AddCountFlag(CLI::App& app, const std::string& flag, const std::string& description,
                  v1::Listener& listener, void (v1::ForwardParameters::*set)(int32_t)) {
  app.add_option_function<int32_t>(
         flag, [&listener, set](const int32_t& n) { (listener.mutable_forward()->*set)(n); },
         description)
      ->type_name("N");
}

}  // namespace

void AddForwardFlags(CLI::App& app, v1::Listener& listener) {
  app.add_option_function<std::vector<std::string>>(
         "--upstream",
         [&listener](const std::vector<std::string>& upstreams) {
           for (const std::string& upstream : upstreams) {
             listener.mutable_forward()->add_upstreams(upstream);
           }
         },
         "forward: a server, e.g. tcp://10.0.0.1:80 or udp://dns.example:53; can be given several "
         "times")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "--policy",
         [&listener](const std::string& name) {
           listener.mutable_forward()->set_policy(kPolicies.at(name));
         },
         "forward: which server is next: round-robin (default) or least-connections")
      ->check(CLI::IsMember(kPolicies))
      ->type_name("POLICY");
  app.add_flag_callback(
      "--proxy-protocol", [&listener] { listener.mutable_forward()->set_proxy_protocol(true); },
      "forward: begin each connection with a PROXY header, version 2");
  AddDurationFlag(app, "--connect-timeout", "forward: how long a server may take to answer; 5s",
                  [&listener](absl::Duration timeout) {
                    SetDuration(timeout, *listener.mutable_forward()->mutable_connect_timeout());
                  });
  AddDurationFlag(app, "--flow-idle-timeout", "forward, UDP: when an idle flow ends; 60s",
                  [&listener](absl::Duration timeout) {
                    SetDuration(timeout, *listener.mutable_forward()->mutable_flow_idle_timeout());
                  });
  AddCountFlag(app, "--max-flows", "forward, UDP: flows at the same time; 0: 1024", listener,
               &v1::ForwardParameters::set_max_flows);
  AddCountFlag(app, "--max-flows-per-source", "forward, UDP: flows of one host; 0: 64", listener,
               &v1::ForwardParameters::set_max_flows_per_source);
}

}  // namespace sockhost::client
