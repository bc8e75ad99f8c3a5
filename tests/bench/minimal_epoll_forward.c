/*
 * The forwarder that sockhost is compared with: level-triggered epoll, TCP to one
 * port of 127.0.0.1, one read of 64 KiB and one write for each event, half-close
 * passed on, nothing counted, nothing administered.
 *
 * usage: minimal_epoll_forward PORT; prints its own port and runs until it is killed.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_EVENTS = 256, BUFFER_SIZE = 64 * 1024 };

/* One end of a forwarded connection, and what was read from it and not yet taken. */
struct end {
  int fd;
  int is_connecting;
  int has_ended;
  int is_dead;
  uint32_t events;
  size_t unsent;
  size_t sent;
  char *bytes;
  struct end *other;
  struct end *next_dead;
};

static char buffer[BUFFER_SIZE];
static struct end listener;
static struct end *dead;
static int epoll;
static struct sockaddr_in upstream = {.sin_family = AF_INET};

static void check(int ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void poll_for(struct end *end, uint32_t events) {
  struct epoll_event event = {.events = events, .data.ptr = end};
  if (events == end->events) return;
  end->events = events;
  check(epoll_ctl(epoll, EPOLL_CTL_MOD, end->fd, &event) == 0, "epoll_ctl");
}

static struct end *add(int fd, uint32_t events) {
  struct end *end = calloc(1, sizeof(*end));
  check(end != NULL, "calloc");
  end->fd = fd;
  end->events = events;
  struct epoll_event event = {.events = events, .data.ptr = end};
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event) == 0, "epoll_ctl");
  int on = 1;
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
  return end;
}

/* Freed after the batch: events of it may be left. */
static void close_pair(struct end *end) {
  struct end *ends[2] = {end, end->other};
  for (int i = 0; i < 2; ++i) {
    close(ends[i]->fd);
    ends[i]->is_dead = 1;
    ends[i]->next_dead = dead;
    dead = ends[i];
  }
}

static void free_dead(void) {
  while (dead) {
    struct end *end = dead;
    dead = end->next_dead;
    free(end->bytes);
    free(end);
  }
}

static void accept_connections(void) {
  int client_fd = accept4(listener.fd, NULL, NULL, SOCK_NONBLOCK);
  if (client_fd < 0) return;
  int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  check(fd >= 0, "socket");
  int connected = connect(fd, (struct sockaddr *)&upstream, sizeof(upstream));
  check(connected == 0 || errno == EINPROGRESS, "connect");
  struct end *client = add(client_fd, 0);
  struct end *server = add(fd, EPOLLOUT);
  server->is_connecting = 1;
  client->other = server;
  server->other = client;
}

static void poll_as_needed(struct end *end) {
  uint32_t events = 0;
  if (!end->has_ended && end->unsent == 0) events |= EPOLLIN;
  if (end->other->unsent > 0) events |= EPOLLOUT;
  poll_for(end, events);
}

/* Sends what was read from `from`; -1 if the connection is over. */
static int send_unsent(struct end *from, const char *bytes, size_t size) {
  ssize_t taken = send(from->other->fd, bytes, size, MSG_NOSIGNAL);
  if (taken < 0 && errno != EAGAIN) return -1;
  if (taken < 0) taken = 0;
  if ((size_t)taken < size && bytes == buffer) {
    if (!from->bytes) from->bytes = malloc(BUFFER_SIZE);
    check(from->bytes != NULL, "malloc");
    memcpy(from->bytes, buffer + taken, size - taken);
    from->sent = 0;
  } else if (bytes != buffer) {
    from->sent += taken;
  }
  from->unsent = size - taken;
  return 0;
}

static void forward(struct end *end) {
  ssize_t size = recv(end->fd, buffer, sizeof(buffer), 0);
  if (size < 0 && errno == EAGAIN) return;
  if (size < 0 || (size == 0 && end->other->has_ended)) {
    close_pair(end);
    return;
  }
  if (size == 0) {
    end->has_ended = 1;
    shutdown(end->other->fd, SHUT_WR);
  } else if (send_unsent(end, buffer, size) < 0) {
    close_pair(end);
    return;
  }
  if (size == 0 || end->unsent > 0) {
    poll_as_needed(end);
    poll_as_needed(end->other);
  }
}

static void handle(struct end *end, uint32_t events) {
  if (end->is_dead) return;
  if (events & EPOLLERR) {
    close_pair(end);
  } else if (end->is_connecting) {
    end->is_connecting = 0;
    poll_as_needed(end);
    poll_as_needed(end->other);
  } else if ((events & EPOLLOUT) && end->other->unsent > 0) {
    struct end *from = end->other;
    if (send_unsent(from, from->bytes + from->sent, from->unsent) < 0) {
      close_pair(end);
      return;
    }
    poll_as_needed(end);
    poll_as_needed(from);
  } else if (end->events & EPOLLIN) {
    forward(end);
  } else {
    close_pair(end); /* EPOLLHUP */
  }
}

static int open_listener(void) {
  struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  socklen_t length = sizeof(address);
  listener.fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
  check(listener.fd >= 0, "socket");
  check(bind(listener.fd, (struct sockaddr *)&address, length) == 0, "bind");
  check(getsockname(listener.fd, (struct sockaddr *)&address, &length) == 0, "getsockname");
  check(listen(listener.fd, SOMAXCONN) == 0, "listen");
  struct epoll_event event = {.events = EPOLLIN, .data.ptr = &listener};
  check(epoll_ctl(epoll, EPOLL_CTL_ADD, listener.fd, &event) == 0, "epoll_ctl");
  return ntohs(address.sin_port);
}

int main(int argc, char **argv) {
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  check(argc == 2, "usage: minimal_epoll_forward PORT");
  upstream.sin_port = htons(atoi(argv[1]));
  upstream.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  epoll = epoll_create1(0);
  check(epoll >= 0, "epoll_create1");
  printf("%d\n", open_listener());
  fflush(stdout);

  struct epoll_event events[MAX_EVENTS];
  for (;;) {
    int ready = epoll_wait(epoll, events, MAX_EVENTS, -1);
    check(ready >= 0 || errno == EINTR, "epoll_wait");
    for (int i = 0; i < ready; ++i) {
      struct end *end = events[i].data.ptr;
      if (end == &listener) {
        accept_connections();
      } else {
        handle(end, events[i].events);
      }
    }
    free_dead();
  }
}
