// A server that a listener forwards to.
#ifndef SOCKHOST_SERVER_UPSTREAM_H_
#define SOCKHOST_SERVER_UPSTREAM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "sockhost/socket_address.h"

namespace sockhost {

// Where a server is: one literal address, or a host name whose addresses come and
// go. Thread rule: any thread.
class Upstream {
 public:
  // So many addresses of a name are used.
  static constexpr size_t kMostAddresses = 8;

  // Reads `SCHEME://HOST:PORT` with a literal address or a host name (letters,
  // digits, '-', '_' and '.'; at most 253), or another form of SocketAddress. Error:
  // ADDRESS_INVALID.
  static absl::StatusOr<std::shared_ptr<Upstream>> Parse(absl::string_view text);

  const std::string& text() const { return text_; }
  Protocol protocol() const { return protocol_; }
  // "" if the address is literal.
  const std::string& host() const { return host_; }

  // At most kMostAddresses, best first. Empty: a name that does not exist, or is not
  // known yet.
  std::vector<SocketAddress> addresses() const { return *shared_addresses(); }
  // The same without a copy; never null.
  std::shared_ptr<const std::vector<SocketAddress>> shared_addresses() const;
  // True until the first answer for a name.
  bool is_resolving() const;

  // The resolver's answer for the name: IP addresses; their ports are not looked at.
  void SetAddresses(const std::vector<SocketAddress>& hosts);
  // The name could not be looked up. What is known stays in use.
  void SetFailed();

 private:
  Upstream(absl::string_view text, Protocol protocol) : text_(text), protocol_(protocol) {}

  // Constant after construction.
  const std::string text_;
  const Protocol protocol_;
  std::string host_;
  uint16_t port_ = 0;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const std::vector<SocketAddress>> addresses_ ABSL_GUARDED_BY(mutex_) =
      std::make_shared<std::vector<SocketAddress>>();
  bool is_resolving_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_UPSTREAM_H_
