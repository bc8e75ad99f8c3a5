#include "socket_details.h"

#include <fcntl.h>
#include <linux/sock_diag.h>
#include <linux/sockios.h>
// Not <netinet/tcp.h>: its tcp_info ends where kernels of 2008 did.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cstdint>
#include <limits>

#include "absl/strings/string_view.h"

namespace sockhost {
namespace {

// What is read while the socket cannot be closed: system calls only, no memory.
// An older kernel fills less of a structure; the rest stays 0, as does an option
// that the socket does not have.
struct KernelAnswers {
  Protocol protocol = Protocol::kNone;
  bool is_listening = false;
  bool has_tcp = false;
  tcp_info tcp{};
  // TCP_CA_NAME_MAX of the kernel.
  std::array<char, 16> congestion_control{};
  std::array<uint32_t, SK_MEMINFO_VARS> memory{};
  int receive_queue = 0;
  int send_queue = 0;
  int status_flags = 0;
  int keepalive = 0, keepalive_idle = 0, keepalive_interval = 0, keepalive_probes = 0;
  int user_timeout = 0, no_delay = 0, reuse_address = 0, reuse_port = 0, ipv6_only = 0;
  int receive_buffer = 0, send_buffer = 0, receive_low_water = 0;
};

template <class Value>
bool Read(int fd, int level, int option, Value& value) {
  socklen_t size = sizeof(value);
  return getsockopt(fd, level, option, &value, &size) == 0;
}

void ReadTcp(int fd, KernelAnswers& out) {
  out.has_tcp = Read(fd, IPPROTO_TCP, TCP_INFO, out.tcp);
  Read(fd, IPPROTO_TCP, TCP_CONGESTION, out.congestion_control);
  Read(fd, IPPROTO_TCP, TCP_KEEPIDLE, out.keepalive_idle);
  Read(fd, IPPROTO_TCP, TCP_KEEPINTVL, out.keepalive_interval);
  Read(fd, IPPROTO_TCP, TCP_KEEPCNT, out.keepalive_probes);
  Read(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, out.user_timeout);
  Read(fd, IPPROTO_TCP, TCP_NODELAY, out.no_delay);
}

void ReadAnswers(int fd, KernelAnswers& out) {
  int accepts = 0;
  out.is_listening = Read(fd, SOL_SOCKET, SO_ACCEPTCONN, accepts) && accepts != 0;
  if (out.protocol == Protocol::kTcp) ReadTcp(fd, out);
  Read(fd, SOL_SOCKET, SO_MEMINFO, out.memory);
  // Fail on listening sockets, whose queue holds connections.
  ioctl(fd, SIOCINQ, &out.receive_queue);
  ioctl(fd, SIOCOUTQ, &out.send_queue);
  out.status_flags = fcntl(fd, F_GETFL);
  Read(fd, SOL_SOCKET, SO_KEEPALIVE, out.keepalive);
  Read(fd, SOL_SOCKET, SO_REUSEADDR, out.reuse_address);
  Read(fd, SOL_SOCKET, SO_REUSEPORT, out.reuse_port);
  Read(fd, IPPROTO_IPV6, IPV6_V6ONLY, out.ipv6_only);
  Read(fd, SOL_SOCKET, SO_RCVBUF, out.receive_buffer);
  Read(fd, SOL_SOCKET, SO_SNDBUF, out.send_buffer);
  Read(fd, SOL_SOCKET, SO_RCVLOWAT, out.receive_low_water);
}

// Rates are unsigned in the kernel, and all ones without a limit.
int64_t Rate(uint64_t rate) {
  constexpr uint64_t kMost = std::numeric_limits<int64_t>::max();
  return rate > kMost ? -1 : static_cast<int64_t>(rate);
}

void EncodeConnection(const tcp_info& tcp, v1::TcpInfo& out) {
  out.set_rtt_micros(tcp.tcpi_rtt);
  out.set_rtt_variance_micros(tcp.tcpi_rttvar);
  // All ones until the first measurement.
  out.set_min_rtt_micros(tcp.tcpi_min_rtt == ~0U ? 0 : tcp.tcpi_min_rtt);
  out.set_retransmit_timeout_micros(tcp.tcpi_rto);
  out.set_congestion_window(tcp.tcpi_snd_cwnd);
  out.set_slow_start_threshold(tcp.tcpi_snd_ssthresh);
  out.set_send_mss_bytes(tcp.tcpi_snd_mss);
  out.set_receive_mss_bytes(tcp.tcpi_rcv_mss);
  out.set_path_mtu_bytes(tcp.tcpi_pmtu);
  out.set_unacked_segments(tcp.tcpi_unacked);
  out.set_lost_segments(tcp.tcpi_lost);
  out.set_retransmits(tcp.tcpi_retransmits);
  out.set_total_retransmits(tcp.tcpi_total_retrans);
  out.set_retransmitted_bytes(static_cast<int64_t>(tcp.tcpi_bytes_retrans));
  out.set_acked_bytes(static_cast<int64_t>(tcp.tcpi_bytes_acked));
  out.set_received_bytes(static_cast<int64_t>(tcp.tcpi_bytes_received));
  out.set_sent_bytes(static_cast<int64_t>(tcp.tcpi_bytes_sent));
  out.set_not_sent_bytes(tcp.tcpi_notsent_bytes);
  out.set_segments_out(tcp.tcpi_segs_out);
  out.set_segments_in(tcp.tcpi_segs_in);
  out.set_delivery_rate(Rate(tcp.tcpi_delivery_rate));
  out.set_pacing_rate(Rate(tcp.tcpi_pacing_rate));
  out.set_busy_micros(static_cast<int64_t>(tcp.tcpi_busy_time));
  out.set_receive_window_limited_micros(static_cast<int64_t>(tcp.tcpi_rwnd_limited));
  out.set_send_buffer_limited_micros(static_cast<int64_t>(tcp.tcpi_sndbuf_limited));
  out.set_last_data_sent_millis(tcp.tcpi_last_data_sent);
  out.set_last_data_received_millis(tcp.tcpi_last_data_recv);
  out.set_peer_window_bytes(tcp.tcpi_snd_wnd);
}

void EncodeTcp(const KernelAnswers& answers, v1::TcpInfo& out) {
  const int state = answers.tcp.tcpi_state;
  // A number of our own would say what the contract does not know.
  if (v1::TcpInfo::State_IsValid(state)) out.set_state(static_cast<v1::TcpInfo::State>(state));
  const absl::string_view name(answers.congestion_control.data(),
                               answers.congestion_control.size());
  out.set_congestion_control(std::string(name.substr(0, name.find('\0'))));
  // Fields of a listening socket mean something else: its queue, see below.
  if (!answers.is_listening) EncodeConnection(answers.tcp, out);
}

void EncodeQueues(const KernelAnswers& answers, v1::SocketQueues& out) {
  if (answers.is_listening && answers.has_tcp) {
    out.set_accept_queue(answers.tcp.tcpi_unacked);
    out.set_accept_queue_limit(answers.tcp.tcpi_sacked);
  }
  if (answers.is_listening) return;
  out.set_receive_bytes(answers.receive_queue);
  out.set_send_bytes(answers.send_queue);
}

void EncodeMemory(const KernelAnswers& answers, v1::SocketMemory& out) {
  out.set_receive_bytes(answers.memory[SK_MEMINFO_RMEM_ALLOC]);
  out.set_receive_limit_bytes(answers.memory[SK_MEMINFO_RCVBUF]);
  out.set_send_bytes(answers.memory[SK_MEMINFO_WMEM_ALLOC]);
  out.set_send_limit_bytes(answers.memory[SK_MEMINFO_SNDBUF]);
  out.set_forward_bytes(answers.memory[SK_MEMINFO_FWD_ALLOC]);
  out.set_send_queued_bytes(answers.memory[SK_MEMINFO_WMEM_QUEUED]);
  out.set_option_bytes(answers.memory[SK_MEMINFO_OPTMEM]);
  out.set_backlog_bytes(answers.memory[SK_MEMINFO_BACKLOG]);
  out.set_drops(answers.memory[SK_MEMINFO_DROPS]);
}

void EncodeOptions(const KernelAnswers& answers, v1::SocketOptions& out) {
  out.set_nonblocking(answers.status_flags >= 0 && (answers.status_flags & O_NONBLOCK) != 0);
  out.set_keepalive(answers.keepalive != 0);
  out.set_keepalive_idle_seconds(answers.keepalive_idle);
  out.set_keepalive_interval_seconds(answers.keepalive_interval);
  out.set_keepalive_probes(answers.keepalive_probes);
  out.set_user_timeout_millis(answers.user_timeout);
  out.set_no_delay(answers.no_delay != 0);
  out.set_reuse_address(answers.reuse_address != 0);
  out.set_reuse_port(answers.reuse_port != 0);
  out.set_ipv6_only(answers.ipv6_only != 0);
  out.set_receive_buffer_bytes(answers.receive_buffer);
  out.set_send_buffer_bytes(answers.send_buffer);
  out.set_receive_low_water_bytes(answers.receive_low_water);
}

}  // namespace

void EncodeDetails(const ServiceHost& host, const SocketSnapshot& socket, v1::Socket& out) {
  if (socket.protocol == Protocol::kNone || socket.close_reason != CloseReason::kNone) return;
  KernelAnswers answers;
  answers.protocol = socket.protocol;
  if (!host.InspectSocket(socket, [&answers](int fd) { ReadAnswers(fd, answers); })) return;
  if (answers.has_tcp) EncodeTcp(answers, *out.mutable_tcp_info());
  EncodeQueues(answers, *out.mutable_queues());
  EncodeMemory(answers, *out.mutable_memory());
  EncodeOptions(answers, *out.mutable_options());
}

}  // namespace sockhost
