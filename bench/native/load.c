/*
 * A load for echo servers on 127.0.0.1: one thread, epoll, every answer compared byte by byte.
 *
 *     load PORT
 *
 * reads commands, one a line, and answers each with a line: how many units were done, and in how
 * many seconds. It ends with its input, and at the first thing that is not as it should be.
 *
 *     open N                              N more connections
 *     talk N SIZE SECONDS COUNT           ping-pong on the first N of them
 *     churn N SIZE SECONDS COUNT          N at a time: connect, one ping-pong, close
 *     datagrams N SIZE SECONDS COUNT      ping-pong from N UDP sockets
 *     close                               closes all connections
 *
 * SECONDS and COUNT end a run, whichever comes first; what is under way is waited for.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 64, SHIFTS = 1024, LARGEST = 16 << 20, OPENING = 64, EVENTS = 512 };
/* A server that says nothing for so long has failed. */
enum { PATIENCE_MS = 20000 };

typedef struct {
  int fd;
  bool writing;
  bool busy;
  bool leaving;
  size_t at;
  size_t sent;
  size_t received;
} conn;

typedef struct {
  size_t size;
  long count;
  double deadline;
  bool churning;
} run;

static int port, queue;
static char *pattern;
static char input[256 << 10];
static conn **conns;
static size_t open_count;
static unsigned turn;

static void fail(const char *what) {
  fprintf(stderr, "load: %s\n", what);
  exit(1);
}

static void check(bool ok, const char *what) {
  if (ok) return;
  fprintf(stderr, "load: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return time.tv_sec + time.tv_nsec / 1e9;
}

/* Lines that all differ, so that an answer out of place is seen. */
static void make_pattern(void) {
  unsigned lines = LARGEST / LINE + SHIFTS;
  pattern = malloc((size_t)lines * LINE + 1);
  check(pattern != NULL, "malloc");
  for (unsigned i = 0; i < lines; i++) {
    sprintf(pattern + (size_t)i * LINE, "%08x%055u\n", i * 2654435761u, i);
  }
}

static void watch(conn *c, int operation, bool writing) {
  struct epoll_event event = {.events = EPOLLIN | (writing ? EPOLLOUT : 0), .data.ptr = c};
  check(epoll_ctl(queue, operation, c->fd, &event) == 0, "epoll_ctl");
  c->writing = writing;
}

/* Connects from one of 250 addresses, so that ports do not run out. */
static void open_socket(conn *c, int type) {
  int on = 1;
  struct sockaddr_in from = {.sin_family = AF_INET};
  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(port)};
  from.sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1 + turn++ % 250);
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  *c = (conn){.fd = socket(AF_INET, type | SOCK_NONBLOCK | SOCK_CLOEXEC, 0)};
  check(c->fd >= 0, "socket");
  setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &on, sizeof on);
  check(bind(c->fd, (struct sockaddr *)&from, sizeof from) == 0, "bind");
  if (type == SOCK_STREAM) setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  int failed = connect(c->fd, (struct sockaddr *)&to, sizeof to);
  check(failed == 0 || errno == EINPROGRESS, "connect");
  watch(c, EPOLL_CTL_ADD, failed != 0);
}

static void more(conn *c, const run *r) {
  size_t left = r->size - c->sent;
  ssize_t sent = send(c->fd, pattern + c->at + c->sent, left, MSG_NOSIGNAL);
  if (sent < 0) check(errno == EAGAIN || errno == ENOTCONN, "send");
  else c->sent += sent;
  bool writing = c->sent < r->size;
  if (writing != c->writing) watch(c, EPOLL_CTL_MOD, writing);
}

static void begin(conn *c, const run *r) {
  c->at = turn++ % SHIFTS * LINE;
  c->sent = c->received = 0;
  c->busy = true;
  /* While it connects, the wake for writing begins. */
  if (!c->writing) more(c, r);
}

/* Takes what has come; true when the answer is whole. */
static bool take(conn *c, const run *r) {
  ssize_t got = recv(c->fd, input, sizeof input, 0);
  if (got < 0 && errno == EAGAIN) return false;
  check(got >= 0, "recv");
  if (got == 0) fail("the server hung up");
  if (!c->busy || c->received + got > c->sent) fail("the server said more than it was told");
  if (memcmp(input, pattern + c->at + c->received, got) != 0) fail("the answer is wrong");
  c->received += got;
  return c->received == r->size;
}

static bool ended(const run *r, long done, long under_way) {
  return done + under_way >= r->count || now() >= r->deadline;
}

static int wait_for(struct epoll_event *events) {
  int ready = epoll_wait(queue, events, EVENTS, PATIENCE_MS);
  check(ready >= 0, "epoll_wait");
  if (ready == 0) fail("the server is silent");
  return ready;
}

static void closed(conn *c) {
  if (recv(c->fd, input, 1, 0) != 0) fail("the server did not close");
  close(c->fd);
}

/* Ping-pong on some connections; with `churning`, each for one message only. */
static long converse(conn **some, size_t n, const run *r) {
  struct epoll_event events[EVENTS];
  long done = 0, under_way = 0;
  for (size_t i = 0; i < n && !ended(r, done, under_way); i++, under_way++) {
    if (r->churning) open_socket(some[i], SOCK_STREAM);
    begin(some[i], r);
  }
  while (under_way > 0) {
    int ready = wait_for(events);
    for (int i = 0; i < ready; i++) {
      conn *c = events[i].data.ptr;
      if (c->leaving) {
        closed(c);
      } else {
        if (events[i].events & EPOLLOUT) more(c, r);
        if (!(events[i].events & ~EPOLLOUT) || !take(c, r)) continue;
        if (r->churning) {
          check(shutdown(c->fd, SHUT_WR) == 0, "shutdown");
          c->leaving = true;
          continue;
        }
        c->busy = false;
      }
      done++;
      under_way--;
      if (ended(r, done, under_way)) continue;
      if (r->churning) open_socket(c, SOCK_STREAM);
      begin(c, r);
      under_way++;
    }
  }
  return done;
}

/* Connections of their own, closed at the end. */
static long converse_anew(size_t n, int type, const run *r) {
  conn *own = calloc(n, sizeof *own), **some = calloc(n, sizeof *some);
  check(own != NULL && some != NULL, "calloc");
  for (size_t i = 0; i < n; i++) some[i] = &own[i];
  if (type == SOCK_DGRAM) {
    for (size_t i = 0; i < n; i++) open_socket(some[i], type);
  }
  long done = converse(some, n, r);
  if (type == SOCK_DGRAM) {
    for (size_t i = 0; i < n; i++) close(some[i]->fd);
  }
  free(own);
  free(some);
  return done;
}

static long open_more(size_t n) {
  struct epoll_event events[EVENTS];
  conns = realloc(conns, (open_count + n) * sizeof *conns);
  check(conns != NULL, "realloc");
  for (size_t opened = 0, connecting = 0; opened < n || connecting > 0;) {
    for (; opened < n && connecting < OPENING; opened++) {
      conn *c = malloc(sizeof *c);
      check(c != NULL, "malloc");
      open_socket(conns[open_count++] = c, SOCK_STREAM);
      if (c->writing) connecting++;
    }
    if (connecting == 0) continue;
    int ready = wait_for(events);
    for (int i = 0; i < ready; i++) {
      if (events[i].events != EPOLLOUT) fail("connecting failed");
      watch(events[i].data.ptr, EPOLL_CTL_MOD, false);
      connecting--;
    }
  }
  return n;
}

static long close_all(void) {
  long n = open_count;
  while (open_count > 0) {
    conn *c = conns[--open_count];
    close(c->fd);
    free(c);
  }
  return n;
}

int main(int argc, char **argv) {
  char line[256], name[16];
  if (argc != 2) fail("usage: load PORT");
  port = atoi(argv[1]);
  queue = epoll_create1(EPOLL_CLOEXEC);
  check(queue >= 0, "epoll_create1");
  make_pattern();
  setvbuf(stdout, NULL, _IOLBF, 0);
  while (fgets(line, sizeof line, stdin) != NULL) {
    size_t n = 0;
    double seconds = 0;
    run r = {0};
    if (sscanf(line, "%15s %zu %zu %lf %ld", name, &n, &r.size, &seconds, &r.count) < 1) continue;
    if (r.size > LARGEST) fail("SIZE is too large");
    double start = now();
    r.deadline = start + seconds;
    r.churning = strcmp(name, "churn") == 0;
    long done = -1;
    if (strcmp(name, "open") == 0) done = open_more(n);
    else if (strcmp(name, "close") == 0) done = close_all();
    else if (r.churning) done = converse_anew(n, SOCK_STREAM, &r);
    else if (strcmp(name, "datagrams") == 0) done = converse_anew(n, SOCK_DGRAM, &r);
    else if (strcmp(name, "talk") == 0 && n <= open_count) done = converse(conns, n, &r);
    if (done < 0) fail("no such command");
    printf("%ld %.9f\n", done, now() - start);
  }
  return 0;
}
