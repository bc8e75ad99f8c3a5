/*
 * The echo server of minimal_epoll_echo on libuv: one read buffer of 64 KiB for
 * all connections, an answer that is tried at once, and a queued write for what
 * the peer does not take; its connection is not read meanwhile.
 *
 * usage: libuv_echo; prints its port and runs until it is killed.
 */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <uv.h>

enum { BUFFER_SIZE = 64 * 1024 };

/* The rest of an answer, until the peer has taken it. */
struct rest {
  uv_write_t request;
  uv_stream_t *stream;
  char bytes[];
};

static char buffer[BUFFER_SIZE];

static void start_reading(uv_stream_t *stream);

static void check(int status, const char *what) {
  if (status >= 0) return;
  fprintf(stderr, "libuv_echo: %s: %s\n", what, uv_strerror(status));
  exit(1);
}

static void lend_buffer(uv_handle_t *handle, size_t suggested, uv_buf_t *lent) {
  (void)handle;
  (void)suggested;
  *lent = uv_buf_init(buffer, sizeof(buffer));
}

static void free_handle(uv_handle_t *handle) { free(handle); }

static void close_stream(uv_stream_t *stream) {
  uv_handle_t *handle = (uv_handle_t *)stream;
  if (!uv_is_closing(handle)) uv_close(handle, free_handle);
}

static void on_rest_sent(uv_write_t *request, int status) {
  struct rest *rest = (struct rest *)request;
  uv_stream_t *stream = rest->stream;
  free(rest);
  if (status < 0) {
    close_stream(stream);
  } else {
    start_reading(stream);
  }
}

static void send_rest(uv_stream_t *stream, const char *bytes, size_t size) {
  struct rest *rest = malloc(sizeof(*rest) + size);
  if (!rest) abort();
  rest->stream = stream;
  memcpy(rest->bytes, bytes, size);
  uv_read_stop(stream);
  uv_buf_t part = uv_buf_init(rest->bytes, (unsigned)size);
  check(uv_write(&rest->request, stream, &part, 1, on_rest_sent), "uv_write");
}

static void echo_stream(uv_stream_t *stream, ssize_t size, const uv_buf_t *received) {
  if (size == 0) return;
  if (size < 0) {
    close_stream(stream);
    return;
  }
  uv_buf_t answer = uv_buf_init(received->base, (unsigned)size);
  int taken = uv_try_write(stream, &answer, 1);
  if (taken == UV_EAGAIN) taken = 0;
  if (taken < 0) {
    close_stream(stream);
  } else if (taken < size) {
    send_rest(stream, received->base + taken, (size_t)(size - taken));
  }
}

static void start_reading(uv_stream_t *stream) {
  if (!uv_is_closing((uv_handle_t *)stream)) uv_read_start(stream, lend_buffer, echo_stream);
}

static void accept_connection(uv_stream_t *listener, int status) {
  if (status < 0) return;
  uv_tcp_t *connection = malloc(sizeof(*connection));
  if (!connection) abort();
  check(uv_tcp_init(listener->loop, connection), "uv_tcp_init");
  if (uv_accept(listener, (uv_stream_t *)connection) == 0) {
    start_reading((uv_stream_t *)connection);
  } else {
    close_stream((uv_stream_t *)connection);
  }
}

static void echo_datagram(uv_udp_t *socket, ssize_t size, const uv_buf_t *received,
                          const struct sockaddr *peer, unsigned flags) {
  (void)flags;
  if (size < 0 || !peer) return;
  uv_buf_t answer = uv_buf_init(received->base, (unsigned)size);
  uv_udp_try_send(socket, &answer, 1, peer);
}

static int port_of(const uv_tcp_t *listener) {
  struct sockaddr_in address;
  int length = sizeof(address);
  check(uv_tcp_getsockname(listener, (struct sockaddr *)&address, &length), "uv_tcp_getsockname");
  return ntohs(address.sin_port);
}

static struct sockaddr_in loopback(int port) {
  struct sockaddr_in address;
  check(uv_ip4_addr("127.0.0.1", port, &address), "uv_ip4_addr");
  return address;
}

int main(void) {
  signal(SIGPIPE, SIG_IGN);
  struct rlimit limit;
  getrlimit(RLIMIT_NOFILE, &limit);
  limit.rlim_cur = limit.rlim_max;
  setrlimit(RLIMIT_NOFILE, &limit);

  uv_loop_t *loop = uv_default_loop();
  uv_tcp_t listener;
  struct sockaddr_in address = loopback(0);
  check(uv_tcp_init(loop, &listener), "uv_tcp_init");
  check(uv_tcp_bind(&listener, (const struct sockaddr *)&address, 0), "uv_tcp_bind");
  check(uv_listen((uv_stream_t *)&listener, SOMAXCONN, accept_connection), "uv_listen");

  const int port = port_of(&listener);
  uv_udp_t datagrams;
  address = loopback(port);
  check(uv_udp_init(loop, &datagrams), "uv_udp_init");
  check(uv_udp_bind(&datagrams, (const struct sockaddr *)&address, 0), "uv_udp_bind");
  check(uv_udp_recv_start(&datagrams, lend_buffer, echo_datagram), "uv_udp_recv_start");
  printf("%d\n", port);
  fflush(stdout);
  return uv_run(loop, UV_RUN_DEFAULT);
}
