/*
 * A server that answers in capital letters, over TCP and UDP, with everything set up
 * by a SYS_INIT function: the shape of Zephyr's own socket service sample. It prints
 * its ports. The datagram "again" makes it close and open all of its sockets.
 */
#include <zephyr/logging/log.h>
LOG_MODULE_REGISTER(shout, LOG_LEVEL_DBG);

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <zephyr/kernel.h>
#include <zephyr/net/socket_service.h>
#include <zephyr/posix/arpa/inet.h>
#include <zephyr/posix/poll.h>
#include <zephyr/posix/sys/socket.h>
#include <zephyr/posix/unistd.h>

#define MAX_CLIENTS (CONFIG_ZVFS_POLL_MAX - 2)
BUILD_ASSERT(MAX_CLIENTS >= 2, "two clients at least");

K_MUTEX_DEFINE(clients_lock);
static struct pollfd clients[MAX_CLIENTS];
static int stream_socket = -1;
static int datagram_socket = -1;
static in_port_t stream_port;
static in_port_t datagram_port;

static void accept_handler(struct net_socket_service_event *pev);
static void client_handler(struct net_socket_service_event *pev);
static void datagram_handler(struct net_socket_service_event *pev);

NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(shout_accept, accept_handler, 1);
NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(shout_clients, client_handler, MAX_CLIENTS);
NET_SOCKET_SERVICE_SYNC_DEFINE_STATIC(shout_datagrams, datagram_handler, 1);

static int restart(void);

static void raise_voice(char *text, size_t length) {
  for (size_t i = 0; i < length; ++i) {
    text[i] = (char)toupper((unsigned char)text[i]);
  }
}

static int register_clients(void) {
  return net_socket_service_register(&shout_clients, clients, ARRAY_SIZE(clients), NULL);
}

static bool add_client(int fd) {
  bool added = false;

  k_mutex_lock(&clients_lock, K_FOREVER);
  ARRAY_FOR_EACH_PTR(clients, entry) {
    if (!added && entry->fd == -1) {
      entry->fd = fd;
      entry->events = POLLIN;
      added = register_clients() == 0;
    }
  }
  k_mutex_unlock(&clients_lock);
  return added;
}

static void drop_client(int fd) {
  k_mutex_lock(&clients_lock, K_FOREVER);
  ARRAY_FOR_EACH(clients, i) {
    if (clients[i].fd == fd) {
      clients[i].fd = -1;
    }
  }
  /* First out of the set, then closed. */
  if (register_clients() < 0) {
    LOG_ERR("cannot update the clients");
  }
  close(fd);
  k_mutex_unlock(&clients_lock);
}

static void drop_all_clients(void) {
  (void)net_socket_service_unregister(&shout_clients);
  k_mutex_lock(&clients_lock, K_FOREVER);
  ARRAY_FOR_EACH_PTR(clients, entry) {
    if (entry->fd != -1) {
      close(entry->fd);
    }
    entry->fd = -1;
  }
  k_mutex_unlock(&clients_lock);
}

static void accept_handler(struct net_socket_service_event *pev) {
  struct sockaddr_in6 peer = {0};
  socklen_t length = sizeof(peer);
  char text[INET6_ADDRSTRLEN];
  int fd = accept(pev->event.fd, (struct sockaddr *)&peer, &length);

  if (fd < 0) {
    LOG_ERR("accept: %d", -errno);
    return;
  }
  inet_ntop(peer.sin6_family, &peer.sin6_addr, text, sizeof(text));
  LOG_DBG("%s came as fd %d", text, fd);
  if (!add_client(fd)) {
    LOG_WRN("%s is one too many", text);
    close(fd);
  }
}

static void client_handler(struct net_socket_service_event *pev) {
  static char buffer[1024];
  struct sockaddr_in6 peer;
  socklen_t length = sizeof(peer);
  char text[INET6_ADDRSTRLEN];
  ssize_t received =
      recvfrom(pev->event.fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &length);

  if (received <= 0) {
    drop_client(pev->event.fd);
    inet_ntop(peer.sin6_family, &peer.sin6_addr, text, sizeof(text));
    printk("shout: %s has gone\n", text);
    return;
  }
  raise_voice(buffer, (size_t)received);
  for (ssize_t sent = 0, now; sent < received; sent += now) {
    now = send(pev->event.fd, buffer + sent, (size_t)(received - sent), 0);
    if (now < 0) {
      LOG_ERR("send: %d", -errno);
      return;
    }
  }
}

static void datagram_handler(struct net_socket_service_event *pev) {
  static char buffer[1024];
  struct sockaddr_storage peer;
  socklen_t length = sizeof(peer);
  ssize_t received =
      recvfrom(pev->event.fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &length);

  if (received < 0) {
    LOG_ERR("recvfrom: %d", -errno);
    return;
  }
  raise_voice(buffer, (size_t)received);
  if (sendto(pev->event.fd, buffer, (size_t)received, 0, (struct sockaddr *)&peer, length) < 0) {
    LOG_ERR("sendto: %d", -errno);
  }
  if (received == 5 && memcmp(buffer, "AGAIN", 5) == 0 && restart() < 0) {
    LOG_ERR("cannot start again");
  }
}

static int open_socket(int type, int protocol, in_port_t *port) {
  struct sockaddr_in6 any = {
      .sin6_family = AF_INET6,
      .sin6_addr = IN6ADDR_ANY_INIT,
      .sin6_port = htons(*port),
  };
  socklen_t length = sizeof(any);
  socklen_t option_length = sizeof(int);
  int v6_only = 0;
  int fd = socket(AF_INET6, type, protocol);

  if (fd < 0) {
    return -errno;
  }
  if (getsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, &option_length) == 0 && v6_only) {
    v6_only = 0;
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, option_length);
  }
  if (bind(fd, (struct sockaddr *)&any, sizeof(any)) < 0 ||
      getsockname(fd, (struct sockaddr *)&any, &length) < 0 ||
      (type == SOCK_STREAM && listen(fd, 5) < 0)) {
    int error = errno;

    close(fd);
    return -error;
  }
  *port = ntohs(any.sin6_port);
  return fd;
}

static int start(void) {
  struct pollfd stream;
  struct pollfd datagram;
  int result;

  ARRAY_FOR_EACH_PTR(clients, entry) { entry->fd = -1; }
  stream_socket = open_socket(SOCK_STREAM, IPPROTO_TCP, &stream_port);
  if (stream_socket < 0) {
    return stream_socket;
  }
  datagram_socket = open_socket(SOCK_DGRAM, IPPROTO_UDP, &datagram_port);
  if (datagram_socket < 0) {
    close(stream_socket);
    return datagram_socket;
  }
  stream = (struct pollfd){.fd = stream_socket, .events = POLLIN};
  datagram = (struct pollfd){.fd = datagram_socket, .events = POLLIN};
  result = net_socket_service_register(&shout_accept, &stream, 1, NULL);
  if (result == 0) {
    result = net_socket_service_register(&shout_datagrams, &datagram, 1, NULL);
  }
  if (result < 0) {
    LOG_ERR("register: %d", result);
    return result;
  }
  printk("shout: tcp port %d, udp port %d\n", stream_port, datagram_port);
  return 0;
}

static int restart(void) {
  drop_all_clients();
  (void)net_socket_service_unregister(&shout_accept);
  (void)net_socket_service_unregister(&shout_datagrams);
  close(stream_socket);
  close(datagram_socket);
  return start();
}

SYS_INIT(start, APPLICATION, 99);
