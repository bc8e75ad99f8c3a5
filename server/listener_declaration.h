// Listeners as a client declares them, and as the core runs them.
#ifndef SOCKHOST_SERVER_LISTENER_DECLARATION_H_
#define SOCKHOST_SERVER_LISTENER_DECLARATION_H_

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "sockhost/listener_config.h"
#include "sockhost/v1/admin.pb.h"

namespace sockhost {

// What the core needs of `declared`, but for the attachment. Ranges of numbers are
// the core's to check. Errors: SERVICE_INVALID, ADDRESS_INVALID, FIELD_INVALID with
// the field, and with all others that are wrong, those that the core finds included.
//
// `known`, if not null, is what runs from a declaration with the same parameters: they
// are taken from there.
absl::StatusOr<ListenerConfig> DecodeListener(absl::string_view id, const v1::Listener& declared,
                                              const ListenerConfig* known = nullptr);

// The part of it that says how the socket is opened.
SocketOptions DecodeSocketOptions(const v1::Listener& declared, const UnixSocketAccess& access);

// Changes `declared` as `request` wants it. Errors: MASK_INVALID; FIELD_INVALID for
// another service.
absl::Status MergeUpdate(const v1::UpdateListenerRequest& request, v1::Listener& declared);

// True if both, of one service, say the same to it, at the same kind of address.
bool HaveSameParameters(const v1::Listener& a, const v1::Listener& b);

// True for fields that clients read and never write, "uid" and the like.
bool IsOutputOnly(absl::string_view field);
void ClearOutputOnly(v1::Listener& listener);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_LISTENER_DECLARATION_H_
