/*
 * A source that uses POSIX socket calls in every way that must keep working when they
 * are routed. The including file has included its headers, in the order that it is
 * about, and names the function that this file defines.
 */

/* Members named like the calls. */
struct socket_user_ops {
  int (*close)(int fd);
  ssize_t (*send)(int fd, const void *data, size_t size, int flags);
  ssize_t (*recv)(int fd, void *data, size_t size, int flags);
  int bind;
};

/*
 * Sends 1 to 6 bytes through `fd` with six calls, receives 1 to 6 with six more, and closes it.
 * Returns the number of calls that did not do that.
 */
#ifdef __cplusplus
extern "C"
#endif
    int
    SOCKET_USER(int fd);

int SOCKET_USER(int fd) {
  struct socket_user_ops ops = {close, send, recv, 0};
  char data[8] = "1234567";
  struct iovec part = {data, 3};
  struct msghdr message;
  int wrong = ops.bind;

  memset(&message, 0, sizeof(message));
  message.msg_iov = &part;
  message.msg_iovlen = 1;

  wrong += send(fd, data, 1, 0) != 1;
  wrong += sendto(fd, data, 2, 0, NULL, 0) != 2;
  wrong += sendmsg(fd, &message, 0) != 3;
  wrong += write(fd, data, 4) != 4;
  wrong += ops.send(fd, data, 5, 0) != 5;
  part.iov_len = 6;
  wrong += writev(fd, &part, 1) != 6;

  wrong += recv(fd, data, sizeof(data), 0) != 1;
  wrong += recvfrom(fd, data, sizeof(data), 0, NULL, NULL) != 2;
  wrong += recvmsg(fd, &message, 0) != 3;
  wrong += read(fd, data, sizeof(data)) != 4;
  wrong += ops.recv(fd, data, sizeof(data), 0) != 5;
  wrong += readv(fd, &part, 1) != 6;

  wrong += ops.close(fd) != 0;
  return wrong;
}
