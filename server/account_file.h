// Numbers of users and groups by name.
#ifndef SOCKHOST_SERVER_ACCOUNT_FILE_H_
#define SOCKHOST_SERVER_ACCOUNT_FILE_H_

#include <cstdint>
#include <optional>
#include <string>

namespace sockhost {

// The number that `text` names, or is; nothing if it is neither. Names are looked up
// in /etc/passwd and /etc/group only: nothing here may wait for a directory server
// on the network, as getpwnam(3) does. Any thread.
std::optional<uint32_t> UserId(const std::string& text);
std::optional<uint32_t> GroupId(const std::string& text);

}  // namespace sockhost

#endif  // SOCKHOST_SERVER_ACCOUNT_FILE_H_
