#include "local_route.h"

#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

namespace sockhost {
namespace {

// RTM_GETROUTE for one destination.
struct Question {
  Question(const in6_addr& address, uint32_t scope_id) {
    const bool is_ipv4 = IN6_IS_ADDR_V4MAPPED(&address);
    const size_t bits = is_ipv4 ? 32 : 128;
    header.nlmsg_len = NLMSG_LENGTH(sizeof(route));
    header.nlmsg_type = RTM_GETROUTE;
    header.nlmsg_flags = NLM_F_REQUEST;
    route.rtm_family = is_ipv4 ? AF_INET : AF_INET6;
    route.rtm_dst_len = static_cast<unsigned char>(bits);
    Add(RTA_DST, &address.s6_addr[16 - bits / 8], bits / 8);
    if (scope_id != 0) Add(RTA_OIF, &scope_id, sizeof(scope_id));
  }

  void Add(unsigned short type, const void* data, size_t bytes) {
    const rtattr attribute{static_cast<unsigned short>(RTA_LENGTH(bytes)), type};
    char* const end = reinterpret_cast<char*>(this) + header.nlmsg_len;
    std::memcpy(end, &attribute, sizeof(attribute));
    std::memcpy(end + RTA_LENGTH(0), data, bytes);
    header.nlmsg_len += static_cast<uint32_t>(RTA_SPACE(bytes));
  }

  nlmsghdr header{};
  rtmsg route{};
  char attributes[RTA_SPACE(sizeof(in6_addr)) + RTA_SPACE(sizeof(uint32_t))]{};
};

// As much of the answer as matters; the rest is cut off.
struct Answer {
  nlmsghdr header{};
  union {
    rtmsg route;
    nlmsgerr failure;
  } body{};
};

bool IsNoRoute(int error_number) {
  // The last two: routes of type prohibit and blackhole.
  return error_number == ENETUNREACH || error_number == EHOSTUNREACH || error_number == EACCES ||
         error_number == EINVAL;
}

bool LeadsHere(const Answer& answer, ssize_t bytes) {
  if (bytes < static_cast<ssize_t>(NLMSG_LENGTH(sizeof(rtmsg)))) return true;
  if (answer.header.nlmsg_type == RTM_NEWROUTE) {
    const unsigned char type = answer.body.route.rtm_type;
    return type == RTN_LOCAL || type == RTN_ANYCAST;
  }
  return answer.header.nlmsg_type != NLMSG_ERROR || !IsNoRoute(-answer.body.failure.error);
}

}  // namespace

bool IsOfThisMachine(const in6_addr& address, uint32_t scope_id) {
  const int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
  if (fd < 0) return true;
  const Question question(address, scope_id);
  Answer answer;
  // The kernel answers before send(2) is over.
  const bool is_asked = send(fd, &question, question.header.nlmsg_len, 0) > 0;
  const ssize_t bytes = is_asked ? recv(fd, &answer, sizeof(answer), MSG_DONTWAIT) : 0;
  close(fd);
  return LeadsHere(answer, bytes);
}

}  // namespace sockhost
