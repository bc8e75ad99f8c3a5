#include "connection_sources.h"

namespace sockhost {

void ConnectionSources::Remove(const SocketAddress& peer) {
  const auto found = counts_.find(peer.SourceKey());
  if (found != counts_.end() && --found->second == 0) counts_.erase(found);
}

int ConnectionSources::Count(const SocketAddress& peer) const {
  const auto found = counts_.find(peer.SourceKey());
  return found == counts_.end() ? 0 : found->second;
}

}  // namespace sockhost
