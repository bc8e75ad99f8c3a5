// SocketAddress::Parse: any text is an address that survives being printed and
// being handed to the kernel, or an error.
#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "require.h"
#include "sockhost/socket_address.h"

using sockhost::Require;
using sockhost::SocketAddress;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  const absl::StatusOr<SocketAddress> parsed = SocketAddress::Parse(text);
  if (!parsed.ok()) {
    sockhost::RequireParseError(parsed.status(), sockhost::Reason::kADDRESS_INVALID);
    return 0;
  }
  const SocketAddress& address = *parsed;
  Require(!address.empty(), "what was parsed is an address");
  Require(address.Overlaps(address), "an address overlaps itself");

  const std::string printed = address.ToString();
  const absl::StatusOr<SocketAddress> again = SocketAddress::Parse(printed);
  Require(again.ok() && *again == address, "a printed address is read back");
  Require(again->ToString() == printed, "printing is canonical");

  sockaddr_storage storage;
  const socklen_t length = address.ToSockaddr(storage);
  Require(storage.ss_family == address.family(), "the kernel's form has the family");
  const SocketAddress from_kernel =
      SocketAddress::From(address.protocol(), reinterpret_cast<sockaddr*>(&storage), length);
  Require(from_kernel == address, "the kernel's form is read back");
  return 0;
}
