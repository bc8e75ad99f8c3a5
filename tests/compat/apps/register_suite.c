/*
 * Tests of the socket service API in Zephyr's test framework: what an application's
 * own test suite looks like. Ports are the kernel's choice.
 */
#include <zephyr/logging/log.h>
LOG_MODULE_REGISTER(register_suite, CONFIG_NET_SOCKETS_LOG_LEVEL);

#include <stdio.h>
#include <zephyr/net/socket_service.h>
#include <zephyr/posix/fcntl.h>
#include <zephyr/ztest.h>

#define WAIT K_SECONDS(20)
#define SHORT_WAIT K_MSEC(50)
#define TEXT "measure"
#define TEXT_SIZE (sizeof(TEXT) - 1)

/* What the handlers saw; `calls` counts up with each. */
K_SEM_DEFINE(calls, 0, K_SEM_MAX_LIMIT);
static struct net_socket_service_event last;
static void (*in_handler)(struct net_socket_service_event *pev);

static void note_handler(struct net_socket_service_event *pev) {
  last = *pev;
  if (in_handler != NULL) {
    in_handler(pev);
  }
  k_sem_give(&calls);
}

NET_SOCKET_SERVICE_SYNC_DEFINE(wide_service, note_handler, 3);
NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(narrow_service, note_handler, 1);

/* Two UDP sockets, each connected to the other. */
struct register_fixture {
  int server;
  int client;
};

static int bound_udp(struct sockaddr_in6 *address) {
  socklen_t length = sizeof(*address);
  int fd = zsock_socket(AF_INET6, SOCK_DGRAM, IPPROTO_UDP);

  zassert_true(fd >= 0, "socket: %d", errno);
  *address = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  zassert_ok(bind(fd, (struct sockaddr *)address, sizeof(*address)), "bind: %d", errno);
  zassert_ok(zsock_getsockname(fd, (struct sockaddr *)address, &length));
  return fd;
}

static void *setup(void) {
  static struct register_fixture fixture;

  return &fixture;
}

static void open_pair(void *data) {
  struct register_fixture *fixture = data;
  struct sockaddr_in6 server;
  struct sockaddr_in6 client;

  fixture->server = bound_udp(&server);
  fixture->client = bound_udp(&client);
  zassert_ok(connect(fixture->client, (struct sockaddr *)&server, sizeof(server)));
  zassert_ok(connect(fixture->server, (struct sockaddr *)&client, sizeof(client)));
  in_handler = NULL;
  k_sem_reset(&calls);
}

static void close_pair(void *data) {
  struct register_fixture *fixture = data;

  (void)net_socket_service_unregister(&wide_service);
  (void)net_socket_service_unregister(&narrow_service);
  (void)close(fixture->server);
  (void)close(fixture->client);
}

static void register_one(const struct net_socket_service_desc *service, int fd, short events,
                         void *user_data) {
  struct zsock_pollfd fds[] = {{.fd = fd, .events = events}};

  zassert_ok(net_socket_service_register(service, fds, ARRAY_SIZE(fds), user_data));
}

static void send_text(int fd) {
  zassert_equal(send(fd, TEXT, TEXT_SIZE, 0), (ssize_t)TEXT_SIZE, "send: %d", errno);
}

static void receive_text(struct net_socket_service_event *pev) {
  char buffer[2 * TEXT_SIZE];
  ssize_t size = recv(pev->event.fd, buffer, sizeof(buffer), 0);

  zexpect_equal(size, (ssize_t)TEXT_SIZE, "recv: %d", errno);
  zexpect_mem_equal(buffer, TEXT, TEXT_SIZE);
}

ZTEST_F(register, test_event_says_what_and_whose) {
  int mine;

  in_handler = receive_text;
  register_one(&wide_service, fixture->server, ZSOCK_POLLIN, &mine);
  send_text(fixture->client);
  zassert_ok(k_sem_take(&calls, WAIT), "the handler was not called");
  zassert_equal(last.event.fd, fixture->server);
  zassert_true((last.event.revents & ZSOCK_POLLIN) != 0, "revents 0x%x", last.event.revents);
  zassert_equal_ptr(last.user_data, &mine);
  zassert_equal_ptr(last.svc, &wide_service);
  zassert_not_null(last.callback);
  zassert_equal(k_sem_take(&calls, SHORT_WAIT), -EAGAIN, "called again for nothing");
}

ZTEST_F(register, test_too_many_sockets_are_refused_and_the_old_ones_stay) {
  struct zsock_pollfd two[] = {
      {.fd = fixture->server, .events = ZSOCK_POLLIN},
      {.fd = -1},
  };

  in_handler = receive_text;
  register_one(&narrow_service, fixture->server, ZSOCK_POLLIN, NULL);
  zassert_equal(net_socket_service_register(&narrow_service, two, ARRAY_SIZE(two), NULL), -ENOMEM);
  send_text(fixture->client);
  zassert_ok(k_sem_take(&calls, WAIT));
}

ZTEST_F(register, test_unregistered_socket_is_left_alone) {
  struct zsock_pollfd polled = {.fd = fixture->server, .events = ZSOCK_POLLIN};

  register_one(&wide_service, fixture->server, ZSOCK_POLLIN, NULL);
  zassert_ok(net_socket_service_unregister(&wide_service));
  send_text(fixture->client);
  zassert_equal(zsock_poll(&polled, 1, 20000), 1);
  zassert_equal(k_sem_take(&calls, SHORT_WAIT), -EAGAIN);
  zassert_not_equal(zsock_fcntl(fixture->server, F_GETFL, 0), -1, "it was closed");
}

static void close_service(struct net_socket_service_event *pev) {
  zexpect_ok(net_socket_service_close(pev->svc));
}

ZTEST_F(register, test_close_in_the_handler_closes_the_socket) {
  in_handler = close_service;
  register_one(&wide_service, fixture->server, ZSOCK_POLLIN, NULL);
  send_text(fixture->client);
  zassert_ok(k_sem_take(&calls, WAIT));
  for (int i = 0; i < 2000 && zsock_fcntl(fixture->server, F_GETFL, 0) >= 0; ++i) {
    k_msleep(10);
  }
  zassert_equal(close(fixture->server), -1, "it is still open");
  zassert_equal(errno, EBADF);
  zassert_equal(k_sem_take(&calls, SHORT_WAIT), -EAGAIN, "called for a closed socket");
}

static void wait_for_output_once(struct net_socket_service_event *pev) {
  if (pev->event.events == ZSOCK_POLLIN) {
    register_one(pev->svc, pev->event.fd, ZSOCK_POLLOUT, NULL);
  } else {
    zexpect_ok(net_socket_service_unregister(pev->svc));
  }
}

ZTEST_F(register, test_mask_changed_in_the_handler_counts_at_once) {
  in_handler = wait_for_output_once;
  register_one(&wide_service, fixture->server, ZSOCK_POLLIN, NULL);
  send_text(fixture->client);
  zassert_ok(k_sem_take(&calls, WAIT));
  zassert_ok(k_sem_take(&calls, WAIT));
  zassert_equal(last.event.revents & (ZSOCK_POLLIN | ZSOCK_POLLOUT), ZSOCK_POLLOUT);
  zassert_equal(k_sem_take(&calls, SHORT_WAIT), -EAGAIN);
}

static void count_services(const struct net_socket_service_desc *svc, void *user_data) {
  zexpect_not_null(svc->pev);
  zexpect_within(svc->pev_len, 2, 1, "capacity %d", svc->pev_len);
  ++*(int *)user_data;
}

ZTEST(register, test_foreach_finds_both) {
  int found = 0;

  net_socket_service_foreach(count_services, &found);
  zassert_equal(found, 2);
}

ZTEST(register, test_without_ipv9_is_skipped) {
  zassume_true(IS_ENABLED(CONFIG_NET_IPV9), "there is no IPv9");
  zassert_unreachable("an assumption that fails ends the test");
}

ZTEST_SUITE(register, NULL, setup, open_pair, close_pair, NULL);
