/*
 * A UDP server that hands each datagram to a thread, which answers with the number
 * of bytes received so far. Written with the prefixed names of Zephyr 4.4 and with
 * the kernel objects that such servers use: memory slab, FIFO, threads, delayed work,
 * event flags. The datagram "wait" is answered once more a little later; "stop"
 * closes the service. Its main() returns.
 */
#include <zephyr/kernel.h>
#include <zephyr/logging/log.h>
#include <zephyr/net/net_ip.h>
#include <zephyr/net/net_log.h>
#include <zephyr/net/socket.h>
#include <zephyr/net/socket_service.h>
#include <zephyr/random/random.h>
#include <zephyr/sys/atomic.h>
#include <zephyr/sys/byteorder.h>

LOG_MODULE_REGISTER(meter);

#define MAX_DATAGRAM 512
#define REMINDER_DELAY K_MSEC(20)
#define EVENT_STOP BIT(0)

struct datagram {
  void *fifo_reserved;
  struct net_sockaddr_storage peer;
  net_socklen_t peer_length;
  size_t size;
  uint8_t data[MAX_DATAGRAM];
};

struct meter {
  int fd;
  atomic_t bytes;
  struct net_sockaddr_storage last_peer;
  net_socklen_t last_peer_length;
  struct k_mutex lock;
};

K_MEM_SLAB_DEFINE_STATIC(datagrams, sizeof(struct datagram), 8, 8);
K_FIFO_DEFINE(received);
static K_EVENT_DEFINE(events);
static struct meter meter = {.fd = -1};

static void send_reminder(struct k_work *work);
static K_WORK_DELAYABLE_DEFINE(reminder, send_reminder);

static void meter_handler(struct net_socket_service_event *pev);
NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(meter_service, meter_handler, 1);

static void meter_handler(struct net_socket_service_event *pev) {
  struct meter *state = pev->user_data;
  struct datagram *datagram;
  struct net_msghdr message = {0};
  struct net_iovec part;
  ssize_t size;

  if ((pev->event.revents & ZSOCK_POLLIN) == 0) {
    return;
  }
  if (k_mem_slab_alloc(&datagrams, (void **)&datagram, K_NO_WAIT) != 0) {
    NET_WARN("more datagrams than the worker can take");
    return;
  }
  part.iov_base = datagram->data;
  part.iov_len = sizeof(datagram->data);
  message.msg_iov = &part;
  message.msg_iovlen = 1;
  message.msg_name = &datagram->peer;
  message.msg_namelen = sizeof(datagram->peer);
  size = zsock_recvmsg(pev->event.fd, &message, ZSOCK_MSG_DONTWAIT);
  if (size < 0) {
    NET_ERR("recvmsg: %d", -errno);
    k_mem_slab_free(&datagrams, datagram);
    return;
  }
  datagram->size = (size_t)size;
  datagram->peer_length = message.msg_namelen;
  atomic_add(&state->bytes, size);
  k_fifo_put(&received, datagram);
}

static void answer(const struct datagram *datagram) {
  uint8_t total[sizeof(uint32_t)];

  sys_put_be32((uint32_t)atomic_get(&meter.bytes), total);
  if (zsock_sendto(meter.fd, total, sizeof(total), 0, net_sad(&datagram->peer),
                   datagram->peer_length) < 0) {
    NET_ERR("sendto: %d", -errno);
  }
  k_mutex_lock(&meter.lock, K_FOREVER);
  meter.last_peer = datagram->peer;
  meter.last_peer_length = datagram->peer_length;
  k_mutex_unlock(&meter.lock);
  if (datagram->size == 4 && memcmp(datagram->data, "wait", 4) == 0) {
    k_work_reschedule(&reminder, REMINDER_DELAY);
  }
  if (datagram->size == 4 && memcmp(datagram->data, "stop", 4) == 0) {
    k_event_post(&events, EVENT_STOP);
  }
}

static void worker(void *p1, void *p2, void *p3) {
  ARG_UNUSED(p1);
  ARG_UNUSED(p2);
  ARG_UNUSED(p3);
  while (true) {
    struct datagram *datagram = k_fifo_get(&received, K_FOREVER);

    answer(datagram);
    k_mem_slab_free(&datagrams, datagram);
  }
}
K_THREAD_DEFINE(worker_tid, 2048, worker, NULL, NULL, NULL, K_PRIO_PREEMPT(7), 0, 0);

static void stopper(void *p1, void *p2, void *p3) {
  ARG_UNUSED(p1);
  ARG_UNUSED(p2);
  ARG_UNUSED(p3);
  (void)k_event_wait(&events, EVENT_STOP, false, K_FOREVER);
  if (net_socket_service_close(&meter_service) < 0) {
    LOG_ERR("cannot close");
  }
  while (zsock_fcntl(meter.fd, F_GETFL, 0) >= 0) {
    k_msleep(1);
  }
  printk("meter: closed\n");
}
static K_THREAD_STACK_DEFINE(stopper_stack, 1024);
static struct k_thread stopper_thread;

static void send_reminder(struct k_work *work) {
  static const char text[] = "still here";

  __ASSERT_NO_MSG(k_work_delayable_from_work(work) == &reminder);
  ARG_UNUSED(work);
  k_mutex_lock(&meter.lock, K_FOREVER);
  (void)zsock_sendto(meter.fd, text, sizeof(text) - 1, 0, net_sad(&meter.last_peer),
                     meter.last_peer_length);
  k_mutex_unlock(&meter.lock);
}

static int open_meter(const char *address) {
  struct net_sockaddr_storage any = {0};
  net_socklen_t length = sizeof(any);
  int on = 1;

  if (!net_ipaddr_parse(address, strlen(address), net_sad(&any))) {
    return -EINVAL;
  }
  meter.fd = zsock_socket(any.ss_family, NET_SOCK_DGRAM, NET_IPPROTO_UDP);
  if (meter.fd < 0) {
    return -errno;
  }
  if (zsock_setsockopt(meter.fd, ZSOCK_SOL_SOCKET, ZSOCK_SO_REUSEADDR, &on, sizeof(on)) < 0 ||
      zsock_bind(meter.fd, net_sad(&any), net_family2size(any.ss_family)) < 0 ||
      zsock_getsockname(meter.fd, net_sad(&any), &length) < 0) {
    return -errno;
  }
  printk("meter: udp port %d\n", net_ntohs(net_sin(net_sad(&any))->sin_port));
  return 0;
}

int main(void) {
  struct zsock_pollfd polled = {.events = ZSOCK_POLLIN};
  int result;

  k_mutex_init(&meter.lock);
  result = open_meter(IS_ENABLED(CONFIG_NET_IPV4) ? "127.0.0.1" : "::1");
  if (result < 0) {
    LOG_ERR("open: %d", result);
    return result;
  }
  k_thread_create(&stopper_thread, stopper_stack, K_THREAD_STACK_SIZEOF(stopper_stack), stopper,
                  NULL, NULL, NULL, K_LOWEST_APPLICATION_THREAD_PRIO, 0, K_NO_WAIT);
  k_thread_name_set(&stopper_thread, "stopper");
  LOG_INF("worker is %s, session %08x", k_thread_name_get(worker_tid), sys_rand32_get());
  polled.fd = meter.fd;
  return net_socket_service_register(&meter_service, &polled, 1, &meter);
}
