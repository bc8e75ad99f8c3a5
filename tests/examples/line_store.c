/*
 * A key-value store that is spoken to in lines, for the connections of a listener:
 *
 *   sockhostd --module line_store.so
 *   sockctl listener create store --service line-store --address tcp://127.0.0.1:7007
 *   printf 'set colour blue\nget colour\n' | nc -N 127.0.0.1 7007
 *
 * The host accepts; each connection arrives as an ordinary event, and the host closes
 * it when the peer has gone. All handlers run on one thread, so nothing is locked.
 */
#include <errno.h>
#include <sockhost/socket_service_ext.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zephyr/init.h>
#include <zephyr/net/socket.h>

#define MAX_LINE 128
#define MAX_KEYS 1024

struct entry {
  char key[MAX_LINE];
  char value[MAX_LINE];
};

/* What belongs to one connection. */
struct client {
  char in[MAX_LINE]; /* what has come, up to a line that is not complete yet */
  size_t in_len;
  char out[MAX_LINE + 16]; /* one answer, as far as the peer has not taken it */
  size_t out_len;
  bool ends; /* after that answer */
};

static struct entry entries[MAX_KEYS];
static size_t entry_count;
static size_t client_count;

static struct entry *find(const char *key) {
  for (size_t i = 0; i < entry_count; ++i) {
    if (strcmp(entries[i].key, key) == 0) {
      return &entries[i];
    }
  }
  return NULL;
}

static const char *set(const char *key, const char *value) {
  struct entry *entry = find(key);

  if (entry == NULL && entry_count == MAX_KEYS) {
    return "error: the store is full";
  }
  if (entry == NULL) {
    entry = &entries[entry_count++];
    strcpy(entry->key, key); /* a part of a line, so it fits */
  }
  strcpy(entry->value, value);
  return "ok";
}

static void answer(struct client *client, const char *text) {
  client->out_len = (size_t)snprintf(client->out, sizeof(client->out), "%s\n", text);
}

static void do_line(struct client *client, const char *line) {
  char key[MAX_LINE], value[MAX_LINE], text[32];
  const struct entry *entry;

  if (sscanf(line, "set %s %s", key, value) == 2) {
    answer(client, set(key, value));
  } else if (sscanf(line, "get %s", key) == 1) {
    entry = find(key);
    answer(client, entry != NULL ? entry->value : "error: no such key");
  } else if (strcmp(line, "clients") == 0) {
    snprintf(text, sizeof(text), "%zu", client_count);
    answer(client, text);
  } else {
    answer(client, "error: set KEY VALUE, get KEY or clients");
  }
}

/* Takes one line out of what has come. False if there is none that is complete. */
static bool take_line(struct client *client) {
  char *end = memchr(client->in, '\n', client->in_len);

  if (end == NULL) {
    if (client->in_len < sizeof(client->in)) {
      return false;
    }
    answer(client, "error: the line is too long");
    client->ends = true;
    return true;
  }
  *end = '\0';
  do_line(client, client->in);
  client->in_len -= (size_t)(end + 1 - client->in);
  memmove(client->in, end + 1, client->in_len);
  return true;
}

/* True if the peer has taken the whole answer. */
static bool flush(int fd, struct client *client) {
  ssize_t sent;

  if (client->out_len == 0) {
    return true;
  }
  sent = zsock_send(fd, client->out, client->out_len, 0);
  if (sent > 0) {
    client->out_len -= (size_t)sent;
    memmove(client->out, client->out + sent, client->out_len);
  }
  return client->out_len == 0;
}

static struct client *new_client(int fd) {
  struct client *client = calloc(1, sizeof(*client));

  if (client != NULL) {
    ++client_count;
    sockhost_socket_set_user_data(fd, client);
  }
  return client;
}

/* The host calls it when the connection has gone, whoever closed it. */
static void free_client(void *user_data) {
  --client_count;
  free(user_data);
}

static void on_ready(struct net_socket_service_event *pev) {
  int fd = pev->event.fd;
  struct client *client = pev->user_data != NULL ? pev->user_data : new_client(fd);
  ssize_t received;

  if (client == NULL) {
    sockhost_socket_close(fd);
    return;
  }
  if ((pev->event.revents & POLLIN) != 0) {
    received = zsock_recv(fd, client->in + client->in_len, sizeof(client->in) - client->in_len, 0);
    if (received <= 0) {
      return; /* the end of the stream, or a failure: the host closes */
    }
    client->in_len += (size_t)received;
  }
  while (flush(fd, client)) {
    if (client->ends) {
      sockhost_socket_close(fd);
      return;
    }
    if (!take_line(client)) {
      break;
    }
  }
  /* A peer that does not take its answers is asked nothing more. */
  sockhost_socket_set_events(fd, client->out_len > 0 ? POLLOUT : POLLIN);
}

static int define_line_store(void) {
  const struct sockhost_service_definition definition = {
      .name = "line-store",
      .owner = __FILE__ ":" SOCKHOST_STRINGIFY(__LINE__),
      .handler = on_ready,
      .free_user_data = free_client,
  };
  const struct net_socket_service_desc *service;

  return sockhost_service_define(&definition, &service);
}

SYS_INIT(define_line_store, APPLICATION, 50);
