#include "forward_loop.h"

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <system_error>

#include "absl/algorithm/container.h"
#include "absl/strings/str_cat.h"
#include "address_reach.h"
#include "forward_route.h"
#include "reserved_addresses.h"
#include "sockhost/datagram_ports.h"
#include "sockhost/error.h"
#include "sockhost/own_addresses.h"
#include "sockhost/own_socket_files.h"
#include "sockhost/socket_service_ext.h"

namespace sockhost {
namespace {

absl::Status Loop(const ListenerConfig& config, const SocketAddress& upstream,
                  const std::string& listener, size_t index) {
  return Error(
      Reason::kFORWARD_LOOP,
      absl::StrCat("cannot forward to ", upstream.ToString(), ": it is listener \"", listener, "\"",
                   listener == config.name ? " itself" : " of this host",
                   "; bind the service there, or name a server elsewhere"),
      {{"upstream", upstream.ToString()}, {"listener", absl::StrCat("listeners/", listener)}},
      absl::StrCat("listener.forward.upstreams[", index, "]"));
}

absl::Status LoopFrom(const ListenerConfig& config, const SocketAddress& upstream,
                      const std::string& listener) {
  return Error(
      Reason::kFORWARD_LOOP,
      absl::StrCat("cannot listen on ", config.address.ToString(), " and forward: listener \"",
                   listener, "\" of this host forwards to ", upstream.ToString(),
                   "; choose another address"),
      {{"upstream", upstream.ToString()}, {"listener", absl::StrCat("listeners/", listener)}},
      "listener.address");
}

absl::Status LeadsToAdmin(const SocketAddress& upstream, const std::string& admin, size_t index) {
  return Error(Reason::kFORWARD_LOOP,
               absl::StrCat("cannot forward to ", upstream.ToString(),
                            ": it is the admin API of this host, whose callers must come "
                            "themselves; name a server elsewhere"),
               {{"upstream", upstream.ToString()}, {"admin_address", admin}},
               absl::StrCat("listener.forward.upstreams[", index, "]"));
}

using Upstreams = std::vector<std::shared_ptr<Upstream>>;

// Null if it does not forward.
const Upstreams* UpstreamsOf(const ListenerConfig& config) {
  const auto* parameters = dynamic_cast<const ForwardParameters*>(config.parameters.get());
  return parameters ? &parameters->route->upstreams->upstreams() : nullptr;
}

// A path without links and dots, as far as it exists; "" for an address without one.
std::string PlainPath(const SocketAddress& address) {
  const std::string path = address.path();
  if (path.empty()) return path;
  std::error_code error;
  const std::filesystem::path plain = std::filesystem::weakly_canonical(path, error);
  return error ? path : plain.string();
}

// An upstream, and what it stands for.
class Destination {
 public:
  explicit Destination(const SocketAddress& upstream)
      : upstream_(upstream), own_socket_(OwnSocketAt(upstream)), plain_path_(PlainPath(upstream)) {}

  // True if it is where `listening` listens.
  bool Is(const SocketAddress& listening, bool ipv6_only) const {
    return own_socket_ == listening || Reaches(upstream_, listening, ipv6_only);
  }
  // The same of an address at which nobody listens yet.
  bool WillBe(const SocketAddress& listening, bool ipv6_only) const {
    if (Is(listening, ipv6_only)) return true;
    return !plain_path_.empty() && listening.protocol() == upstream_.protocol() &&
           plain_path_ == PlainPath(listening);
  }
  bool Is(const ListenerSnapshot& listener) const {
    const bool ipv6_only = listener.config->socket.ipv6_only;
    return listener.effective_address.empty() ? WillBe(listener.config->address, ipv6_only)
                                              : Is(listener.effective_address, ipv6_only);
  }

 private:
  const SocketAddress& upstream_;
  const std::optional<SocketAddress> own_socket_;
  const std::string plain_path_;
};

}  // namespace

bool Forwards(const ListenerConfig& config) { return UpstreamsOf(config) != nullptr; }

absl::Status RefuseForwardLoop(const ListenerConfig& config, const ServiceHost& host) {
  const Upstreams* upstreams = UpstreamsOf(config);
  if (!upstreams) return absl::OkStatus();
  std::vector<ListenerSnapshot> listeners = host.ListListeners();
  // Of itself before an update that leaves its address.
  const bool moves =
      0 < std::erase_if(listeners, [&config](const ListenerSnapshot& own) {
        return own.config->name == config.name && own.config->address != config.address;
      });
  for (size_t i = 0; i < upstreams->size(); ++i) {
    for (const SocketAddress& upstream : (*upstreams)[i]->addresses()) {
      if (const auto admin = ReservedAddresses::OfProcess().ReachedBy(upstream)) {
        return LeadsToAdmin(upstream, *admin, i);
      }
      const Destination destination(upstream);
      if (destination.WillBe(config.address, config.socket.ipv6_only)) {
        return Loop(config, upstream, config.name, i);
      }
      for (const ListenerSnapshot& own : listeners) {
        if (destination.Is(own)) {
          return Loop(config, upstream, own.config->name, i);
        }
      }
    }
  }
  // A cycle is closed by the last listener that is made, which has been looked at
  // above, or by one that moves into the way of another.
  for (const ListenerSnapshot& own : listeners) {
    if (!moves) break;
    const Upstreams* others = own.config->name == config.name ? nullptr : UpstreamsOf(*own.config);
    if (!others) continue;
    for (const std::shared_ptr<Upstream>& other : *others) {
      for (const SocketAddress& upstream : other->addresses()) {
        if (Destination(upstream).WillBe(config.address, config.socket.ipv6_only)) {
          return LoopFrom(config, upstream, own.config->name);
        }
      }
    }
  }
  return absl::OkStatus();
}

bool LeadsToThisHost(const SocketAddress& address) {
  if (ReservedAddresses::OfProcess().ReachedBy(address) || OwnSocketAt(address)) return true;
  if (address.is_unix()) return false;
  const bool may_listen = address.is_datagram() ? IsOwnDatagramPort(address.port())
                                                : sockhost_may_listen_on(address.port());
  return may_listen && absl::c_any_of(OwnAddressesLike(address), [&](const BoundAddress& own) {
           return Reaches(address, own.address, own.ipv6_only);
         });
}

}  // namespace sockhost
