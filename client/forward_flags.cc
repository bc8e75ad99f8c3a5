#include "client/forward_flags.h"

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "client/duration_flag.h"
#include "client/number_flag.h"
#include "client/switch_flag.h"

namespace sockhost::client {
namespace {

const std::map<std::string, v1::ForwardParameters::Policy> kPolicies = {
    {"round-robin", v1::ForwardParameters::ROUND_ROBIN},
    {"least-connections", v1::ForwardParameters::LEAST_CONNECTIONS},
};

struct CountFlag {
  const char* flag;
  const char* path;
  void (v1::ForwardParameters::*set)(int32_t);
  const char* description;
};

constexpr CountFlag kCounts[] = {
    {"--max-flows", "forward.max_flows", &v1::ForwardParameters::set_max_flows,
     "forward, UDP: flows at the same time; 0: 1024"},
    {"--max-flows-per-source", "forward.max_flows_per_source",
     &v1::ForwardParameters::set_max_flows_per_source, "forward, UDP: flows of one host; 0: 64"},
};

struct TimeoutFlag {
  const char* flag;
  const char* path;
  google::protobuf::Duration* (v1::ForwardParameters::*field)();
  const char* description;
};

constexpr TimeoutFlag kTimeouts[] = {
    {"--connect-timeout", "forward.connect_timeout",
     &v1::ForwardParameters::mutable_connect_timeout,
     "forward: how long a server may take to answer; 5s"},
    {"--flow-idle-timeout", "forward.flow_idle_timeout",
     &v1::ForwardParameters::mutable_flow_idle_timeout,
     "forward, UDP: when an idle flow ends; 60s"},
};

void AddUpstreamFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  app.add_option_function<std::vector<std::string>>(
         "--upstream",
         [&listener, on_set](const std::vector<std::string>& upstreams) {
           for (const std::string& upstream : upstreams) {
             listener.mutable_forward()->add_upstreams(upstream);
           }
           on_set("forward.upstreams");
         },
         "forward: a server, e.g. tcp://10.0.0.1:80, udp://dns.example:53 or unix:///run/a.sock; "
         "can be given several times; an update replaces all")
      ->type_name("ADDRESS")
      ->allow_extra_args(false);
  app.add_option_function<std::string>(
         "--policy",
         [&listener, on_set](const std::string& name) {
           listener.mutable_forward()->set_policy(kPolicies.at(name));
           on_set("forward.policy");
         },
         "forward: which server is next: round-robin (default) or least-connections")
      ->check(CLI::IsMember(kPolicies))
      ->type_name("POLICY");
  AddSwitch(app, "--proxy-protocol",
            "forward: begin each connection with a PROXY header, version 2",
            [&listener, on_set](bool on) {
              listener.mutable_forward()->set_proxy_protocol(on);
              on_set("forward.proxy_protocol");
            });
}

}  // namespace

void AddForwardFlags(CLI::App& app, v1::Listener& listener, const FieldObserver& on_set) {
  AddUpstreamFlags(app, listener, on_set);
  for (const TimeoutFlag& row : kTimeouts) {
    AddDurationFlag(app, row.flag, row.description,
                    [&row, &listener, on_set](absl::Duration timeout) {
                      SetDuration(timeout, *(listener.mutable_forward()->*row.field)());
                      on_set(row.path);
                    });
  }
  for (const CountFlag& row : kCounts) {
    AddNumberFlag(app, row.flag, row.description, {0, 65536}, [&row, &listener, on_set](int64_t n) {
      (listener.mutable_forward()->*row.set)(static_cast<int32_t>(n));
      on_set(row.path);
    });
  }
}

std::vector<std::string> PolicyWords() {
  std::vector<std::string> words;
  for (const auto& [word, policy] : kPolicies) words.push_back(word);
  return words;
}

}  // namespace sockhost::client
