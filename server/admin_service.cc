#include "admin_service.h"

#include <utility>

namespace sockhost {

AdminService::AdminService(HostIdentity identity, ServiceHost& host, WatchSet& watches,
                           TaskThread& tasks, ChangeLog& changes, const AdminPeers& peers)
    : identity_(std::move(identity)),
      host_(host),
      watches_(watches),
      tasks_(tasks),
      changes_(changes),
      peers_(peers) {}

}  // namespace sockhost
