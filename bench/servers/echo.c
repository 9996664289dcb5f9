/*
 * The yardstick: an echo server on epoll, level-triggered, that does what the others do.
 *
 *     echo stream|datagrams|batches BUFFER_SIZE
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

typedef struct {
  int fd;
  /* What the kernel had no room for; nothing more is read until it is sent. */
  char *pending;
  size_t at, length;
} conn;

static int queue;
static char *buffer;
static size_t size;

static void check(bool ok, const char *what) {
  if (ok) return;
  perror(what);
  exit(1);
}

static void watch(conn *c, int operation, unsigned events) {
  struct epoll_event event = {.events = events, .data.ptr = c};
  check(epoll_ctl(queue, operation, c->fd, &event) == 0, "epoll_ctl");
}

static void drop(conn *c) {
  close(c->fd);
  free(c->pending);
  free(c);
}

static void accept_all(int listener) {
  for (;;) {
    int on = 1, fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd < 0) return;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    conn *c = calloc(1, sizeof *c);
    check(c != NULL, "calloc");
    c->fd = fd;
    watch(c, EPOLL_CTL_ADD, EPOLLIN);
  }
}

static void echo(conn *c) {
  ssize_t got = recv(c->fd, buffer, size, 0);
  if (got < 0 && errno == EAGAIN) return;
  if (got <= 0) {
    drop(c);
    return;
  }
  ssize_t sent = send(c->fd, buffer, got, MSG_NOSIGNAL);
  if (sent == got) return;
  if (sent < 0 && errno != EAGAIN) {
    drop(c);
    return;
  }
  if (sent < 0) sent = 0;
  c->at = 0;
  c->length = got - sent;
  c->pending = malloc(c->length);
  check(c->pending != NULL, "malloc");
  memcpy(c->pending, buffer + sent, c->length);
  watch(c, EPOLL_CTL_MOD, EPOLLOUT);
}

static void flush(conn *c) {
  ssize_t sent = send(c->fd, c->pending + c->at, c->length - c->at, MSG_NOSIGNAL);
  if (sent < 0 && errno == EAGAIN) return;
  if (sent < 0) {
    drop(c);
    return;
  }
  c->at += sent;
  if (c->at < c->length) return;
  free(c->pending);
  c->pending = NULL;
  watch(c, EPOLL_CTL_MOD, EPOLLIN);
}

#define BATCH 64

/* Many at a time: `batches`. */
static void echo_batch(int fd) {
  static struct mmsghdr messages[BATCH];
  static struct iovec parts[BATCH];
  static struct sockaddr_in from[BATCH];
  for (int i = 0; i < BATCH; i++) {
    parts[i] = (struct iovec){buffer + i * size, size};
    messages[i].msg_hdr = (struct msghdr){
        .msg_name = &from[i], .msg_namelen = sizeof from[i], .msg_iov = &parts[i], .msg_iovlen = 1};
  }
  int got = recvmmsg(fd, messages, BATCH, 0, NULL);
  for (int i = 0; i < got; i++) parts[i].iov_len = messages[i].msg_len;
  if (got > 0) sendmmsg(fd, messages, got, 0);
}

static void echo_datagram(int fd) {
  struct sockaddr_in from;
  socklen_t length = sizeof from;
  ssize_t got = recvfrom(fd, buffer, size, 0, (struct sockaddr *)&from, &length);
  if (got >= 0) sendto(fd, buffer, got, 0, (struct sockaddr *)&from, length);
}

int main(int argc, char **argv) {
  struct epoll_event events[512];
  struct sockaddr_in address = {.sin_family = AF_INET};
  socklen_t length = sizeof address;
  if (argc != 3) return 2;
  bool stream = strcmp(argv[1], "stream") == 0;
  size = atoi(argv[2]);
  bool batches = strcmp(argv[1], "batches") == 0;
  buffer = malloc(batches ? size * BATCH : size);
  queue = epoll_create1(EPOLL_CLOEXEC);
  conn listener = {.fd = socket(AF_INET, (stream ? SOCK_STREAM : SOCK_DGRAM) | SOCK_NONBLOCK, 0)};
  check(buffer != NULL && queue >= 0 && listener.fd >= 0, "socket");
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  check(bind(listener.fd, (struct sockaddr *)&address, sizeof address) == 0, "bind");
  if (stream) check(listen(listener.fd, SOMAXCONN) == 0, "listen");
  getsockname(listener.fd, (struct sockaddr *)&address, &length);
  printf("listening on %d\n", ntohs(address.sin_port));
  fflush(stdout);
  watch(&listener, EPOLL_CTL_ADD, EPOLLIN);
  for (;;) {
    int ready = epoll_wait(queue, events, 512, -1);
    for (int i = 0; i < ready; i++) {
      conn *c = events[i].data.ptr;
      if (c != &listener && c->pending != NULL) flush(c);
      else if (c != &listener) echo(c);
      else if (stream) accept_all(c->fd);
      else if (batches) echo_batch(c->fd);
      else echo_datagram(c->fd);
    }
  }
}
