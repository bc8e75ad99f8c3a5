// The names of close reasons in filters.
#ifndef SOCKHOST_SERVER_CLOSE_REASON_WORDS_H_
#define SOCKHOST_SERVER_CLOSE_REASON_WORDS_H_

#include "resource_fields.h"

namespace sockhost {

// Those of CloseReason in socket.proto; a test compares them.
inline constexpr FieldWord kCloseReasons[] = {
    WordOf("CLOSE_REASON_UNSPECIFIED", CloseReason::kNone),
    WordOf("UNREGISTERED", CloseReason::kUnregistered),
    WordOf("CLOSED_BEHIND", CloseReason::kClosedBehind),
    WordOf("PEER_CLOSED", CloseReason::kPeerClosed),
    WordOf("FAILED", CloseReason::kFailed),
    WordOf("CLOSED_BY_SERVICE", CloseReason::kClosedByService),
    WordOf("HANDLER_FAILED", CloseReason::kHandlerFailed),
    WordOf("IDLE_TIMEOUT", CloseReason::kIdleTimeout),
    WordOf("MAX_LIFETIME", CloseReason::kMaxLifetime),
    WordOf("DRAIN_TIMEOUT", CloseReason::kDrainTimeout),
    WordOf("LISTENER_STOPPED", CloseReason::kListenerStopped),
    WordOf("LISTENER_DELETED", CloseReason::kListenerDeleted),
    WordOf("CLOSED_BY_ADMIN", CloseReason::kClosedByAdmin),
    WordOf("UPSTREAM_FAILED", CloseReason::kUpstreamFailed),
};

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_CLOSE_REASON_WORDS_H_
