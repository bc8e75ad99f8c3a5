/*
 * The server that sockhost is compared with: level-triggered epoll as epoll(7)
 * shows it, TCP and UDP echo on one port of 127.0.0.1, nothing counted, nothing
 * administered. One read of 64 KiB for each event, as the echo service has.
 *
 * usage: minimal_epoll_echo; prints its port and runs until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, BUFFER_SIZE = 64 * 1024 };

/* What the peer of a connection has not taken; its connection is not read meanwhile. */
struct connection {
  int fd;
  size_t unsent;
  size_t sent;
  char *bytes;
};

static char buffer[BUFFER_SIZE];
static struct connection listener, datagrams;
static int epoll;

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void poll_for(struct connection *connection, int operation, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = connection};
  check(epoll_ctl(epoll, operation, connection->fd, &event) == 0, "epoll_ctl");
}

static void close_connection(struct connection *connection) {
  close(connection->fd);
  free(connection->bytes);
  free(connection);
}

static void accept_connections(void) {
  int fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK);
  if (fd < 0) return;
  struct connection *connection = calloc(1, sizeof(*connection));
  check(connection != NULL, "calloc");
  connection->fd = fd;
  poll_for(connection, EPOLL_CTL_ADD, EPOLLIN);
}

static void echo_datagram(void) {
  struct sockaddr_in peer;
  socklen_t length = sizeof(peer);
  ssize_t size =
      recvfrom(datagrams.fd, buffer, sizeof(buffer), 0, (struct sockaddr *)&peer, &length);
  if (size >= 0) sendto(datagrams.fd, buffer, size, 0, (struct sockaddr *)&peer, length);
}

/* Returns how many bytes the kernel took; -1 if the connection is over. */
static ssize_t send_some(const struct connection *connection, const char *bytes, size_t size) {
  ssize_t taken = send(connection->fd, bytes, size, MSG_NOSIGNAL);
  return taken < 0 && errno == EAGAIN ? 0 : taken;
}

static void send_unsent(struct connection *connection) {
  ssize_t taken = send_some(connection, connection->bytes + connection->sent, connection->unsent);
  if (taken < 0) {
    close_connection(connection);
    return;
  }
  connection->sent += taken;
  connection->unsent -= taken;
  if (connection->unsent == 0) poll_for(connection, EPOLL_CTL_MOD, EPOLLIN);
}

static void keep_unsent(struct connection *connection, const char *bytes, size_t size) {
  if (!connection->bytes) connection->bytes = malloc(BUFFER_SIZE);
  check(connection->bytes != NULL, "malloc");
  memcpy(connection->bytes, bytes, size);
  connection->unsent = size;
  connection->sent = 0;
  poll_for(connection, EPOLL_CTL_MOD, EPOLLOUT);
}

static void echo_stream(struct connection *connection) {
  ssize_t size = recv(connection->fd, buffer, sizeof(buffer), 0);
  if (size < 0 && errno == EAGAIN) return;
  ssize_t taken = size > 0 ? send_some(connection, buffer, size) : -1;
  if (taken < 0) {
    close_connection(connection);
  } else if (taken < size) {
    keep_unsent(connection, buffer + taken, size - taken);
  }
}

/* Opens a socket at `port`, 0 for any; returns the port. */
static int open_socket(struct connection *opened, int type, int port) {
  struct sockaddr_in address = {
      .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  opened->fd = socket(AF_INET, type | SOCK_NONBLOCK, 0);
  check(opened->fd >= 0, "socket");
  check(bind(opened->fd, (struct sockaddr *)&address, length) == 0, "bind");
  check(getsockname(opened->fd, (struct sockaddr *)&address, &length) == 0, "getsockname");
  return ntohs(address.sin_port);
}

int main(void) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  epoll = epoll_create1(0);
  check(epoll >= 0, "epoll_create1");
  int port = open_socket(&listener, SOCK_STREAM, 0);
  check(listen(listener.fd, SOMAXCONN) == 0, "listen");
  open_socket(&datagrams, SOCK_DGRAM, port);
  poll_for(&listener, EPOLL_CTL_ADD, EPOLLIN);
  poll_for(&datagrams, EPOLL_CTL_ADD, EPOLLIN);
  printf("%d\n", port);
  fflush(stdout);

  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
    check(ready >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < ready; ++i) {
      struct connection *connection = events[i].data.ptr;
      if (connection == &listener) {
        accept_connections();
      } else if (connection == &datagrams) {
        echo_datagram();
      } else if (connection->unsent > 0) {
        send_unsent(connection);
      } else {
        echo_stream(connection);
      }
    }
  }
}
