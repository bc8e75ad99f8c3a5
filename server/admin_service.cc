#include "admin_service.h"

#include <utility>

namespace sockhost {

AdminService::AdminService(HostIdentity identity, ServiceHost& host, WatchSet& watches,
                           TaskThread& tasks)
    : identity_(std::move(identity)), host_(host), watches_(watches), tasks_(tasks) {}

}  // namespace sockhost
