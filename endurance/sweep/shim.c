/*
 * Stands between the addon and libc, preloaded: counts the calls that the addon makes, and alters the
 * one that the control file asks for. Calls of Node and of everything else pass as they are. The list
 * of names, CALLS, is in calls.mjs; the words of the control file are in control.mjs.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <link.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/select.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define X(name) C_##name,
enum call { CALLS };
#undef X
#define X(name) #name,
static const char *const names[] = {CALLS};
#undef X

enum mode { OFF, ONE, RANDOM };
enum outcome { AS_IT_IS, ERRNO, ONE_BYTE, HALF, NOTHING, LATE };

/* The control file, 4096 bytes of int32. */
enum word { MODE, CALL, FIRST, TIMES, OUTCOME, ARGUMENT, MADE, HITS, DESCRIPTOR, SEED, PERMILLE };
#define COUNTS 16
static _Atomic int32_t nowhere[1024];
static _Atomic int32_t *control = nowhere;
static int traced;

/* Where the addon's binaries lie in memory. */
#define MOST 4
static struct { uintptr_t begin, end; } binaries[MOST];
static atomic_int found;

/* The errno that a random outcome has chosen for this call. */
static __thread int chosen;

#define REAL(name)                                       \
  ({                                                     \
    static __typeof__(&name) real;                       \
    if (!real) real = (void *)dlsym(RTLD_NEXT, #name);   \
    real;                                                \
  })
#define OURS is_ours((uintptr_t)__builtin_return_address(0))

static int is_ours(uintptr_t at) {
  for (int i = 0, n = atomic_load(&found); i < n; i++) {
    if (at >= binaries[i].begin && at < binaries[i].end) return 1;
  }
  return 0;
}

static int note_binary(struct dl_phdr_info *info, size_t size, void *data) {
  const char *slash = strrchr(info->dlpi_name, '/');
  const char *name = slash ? slash + 1 : info->dlpi_name;
  (void)size;
  (void)data;
  if (strncmp(name, "asyncore_", 9) != 0 || !strstr(name, ".node")) return 0;
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < info->dlpi_phnum; i++) {
    const ElfW(Phdr) *part = &info->dlpi_phdr[i];
    if (part->p_type != PT_LOAD) continue;
    uintptr_t at = info->dlpi_addr + part->p_vaddr;
    if (at < begin) begin = at;
    if (at + part->p_memsz > end) end = at + part->p_memsz;
  }
  int n = atomic_load(&found);
  if (is_ours(begin) || n == MOST) return 0;
  binaries[n].begin = begin;
  binaries[n].end = end;
  atomic_store(&found, n + 1);
  return 0;
}

void *dlopen(const char *file, int flags) {
  void *library = REAL(dlopen)(file, flags);
  if (library) dl_iterate_phdr(note_binary, NULL);
  return library;
}

__attribute__((constructor)) static void begin(void) {
  const char *file = getenv("ASYNCORE_SWEEP_CONTROL");
  traced = getenv("ASYNCORE_SWEEP_TRACE") != NULL;
  if (!file) return;
  int fd = open(file, O_RDWR | O_CLOEXEC);
  if (fd < 0) return;
  void *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  if (shared != MAP_FAILED) control = shared;
  REAL(close)(fd);
}

static uint32_t mix(uint32_t a, uint32_t b, uint32_t c) {
  uint32_t h = a * 2654435761u ^ b * 40503u ^ c * 2246822519u;
  h = (h ^ h >> 15) * 2246822519u;
  h = (h ^ h >> 13) * 3266489917u;
  return h ^ h >> 16;
}

static enum outcome fails_with(int error) {
  chosen = error;
  return ERRNO;
}

/* What no program may notice, whenever it comes: interrupted, short, or nothing there after all. */
static enum outcome at_random(enum call call, int n) {
  uint32_t h = mix(control[SEED], call, n), way = (h >> 10) % 4;
  if ((int32_t)(h % 1000) >= control[PERMILLE]) return AS_IT_IS;
  switch (call) {
    case C_recv: case C_send: case C_recvfrom: case C_recvmsg: case C_sendmsg: case C_read: case C_write:
    case C_sendfile:
      if (way < 2) return fails_with(way == 0 ? EINTR : EAGAIN);
      return way == 2 ? ONE_BYTE : HALF;
    case C_accept4:
      return fails_with(way == 0 ? EINTR : way == 1 ? EAGAIN : ECONNABORTED);
    case C_epoll_wait: case C_poll: case C_select:
      if (way < 2) return fails_with(EINTR);
      return way == 2 || call != C_epoll_wait ? NOTHING : ONE_BYTE;
    case C_pread:
      return way < 2 ? fails_with(EINTR) : way == 2 ? ONE_BYTE : HALF;
    case C_recvmmsg:
      return way < 2 ? fails_with(way == 0 ? EINTR : EAGAIN) : ONE_BYTE;
    case C_sendmmsg:
      return way < 2 ? fails_with(EINTR) : ONE_BYTE;
    case C_sendto: case C_close_socket: case C_close_queue: case C_close_file: case C_open:
      return fails_with(EINTR);
    default:
      return AS_IT_IS;
  }
}

/* Counts a call, and says what becomes of it. */
static enum outcome decide(enum call call, int fd) {
  int n = atomic_fetch_add(&control[COUNTS + call], 1) + 1;
  enum outcome outcome = AS_IT_IS;
  chosen = 0;
  if (control[MODE] == RANDOM) {
    outcome = at_random(call, n);
  } else if (control[MODE] == ONE && control[CALL] == (int32_t)call && n >= control[FIRST] &&
             (control[TIMES] < 0 || n < control[FIRST] + control[TIMES])) {
    outcome = control[OUTCOME];
    chosen = control[ARGUMENT];
  }
  if (outcome == AS_IT_IS) return outcome;
  if (atomic_fetch_add(&control[HITS], 1) == 0) control[DESCRIPTOR] = fd;
  if (outcome != LATE) return outcome;
  struct timespec time = {chosen / 1000, chosen % 1000 * 1000000L};
  nanosleep(&time, NULL);
  return AS_IT_IS;
}

static void trace(enum call call, int fd, long result, enum outcome outcome) {
  if (!traced) return;
  int error = errno;
  char line[160];
  int n = snprintf(line, sizeof line, "%s#%d(%d) = %ld%s%s%s\n", names[call], control[COUNTS + call], fd,
                   result, result < 0 ? " " : "", result < 0 ? strerrorname_np(error) : "",
                   outcome ? " <- altered" : "");
  if (n > 0) REAL(write)(2, line, n);
  errno = error;
}

static int fail(enum call call, int fd) {
  errno = chosen;
  trace(call, fd, -1, ERRNO);
  return -1;
}

/* How much of `length` an altered call is allowed. A message is never cut. */
static size_t cut(enum outcome outcome, int fd, size_t length) {
  int type = SOCK_STREAM;
  socklen_t size = sizeof type;
  if ((outcome != ONE_BYTE && outcome != HALF) || length <= 1) return length;
  int error = errno;
  REAL(getsockopt)(fd, SOL_SOCKET, SO_TYPE, &type, &size);  // a file has none, and is a stream
  errno = error;
  if (type != SOCK_STREAM) return length;
  return outcome == ONE_BYTE ? 1 : length / 2;
}

/* `call` with `length` bytes allowed. */
#define DATA(name, fd, length, call)                 \
  do {                                               \
    enum outcome outcome_ = decide(C_##name, fd);    \
    if (outcome_ == ERRNO) return fail(C_##name, fd); \
    length = cut(outcome_, fd, length);              \
    long result_ = call;                             \
    trace(C_##name, fd, result_, outcome_);          \
    return result_;                                  \
  } while (0)

/* `call` as it is, unless it fails. */
#define PLAIN(name, fd, call)                        \
  do {                                               \
    enum outcome outcome_ = decide(C_##name, fd);    \
    if (outcome_ == ERRNO) return fail(C_##name, fd); \
    int result_ = call;                              \
    trace(C_##name, fd, result_, outcome_);          \
    return result_;                                  \
  } while (0)

/* ---- data ---- */

long syscall(long number, ...) {
  va_list rest;
  va_start(rest, number);
  long a = va_arg(rest, long), b = va_arg(rest, long), c = va_arg(rest, long);
  long d = va_arg(rest, long), e = va_arg(rest, long), f = va_arg(rest, long);
  va_end(rest);
  if (!OURS) return REAL(syscall)(number, a, b, c, d, e, f);
  if (number == SYS_recvfrom) DATA(recv, (int)a, c, REAL(syscall)(number, a, b, c, d, e, f));
  if (number == SYS_sendto) DATA(send, (int)a, c, REAL(syscall)(number, a, b, c, d, e, f));
  decide(C_unknown, (int)a);
  return REAL(syscall)(number, a, b, c, d, e, f);
}

ssize_t recvfrom(int fd, void *data, size_t size, int flags, struct sockaddr *from, socklen_t *length) {
  if (!OURS) return REAL(recvfrom)(fd, data, size, flags, from, length);
  DATA(recvfrom, fd, size, REAL(recvfrom)(fd, data, size, flags, from, length));
}

ssize_t sendto(int fd, const void *data, size_t size, int flags, const struct sockaddr *to, socklen_t length) {
  if (!OURS) return REAL(sendto)(fd, data, size, flags, to, length);
  DATA(sendto, fd, size, REAL(sendto)(fd, data, size, flags, to, length));
}

ssize_t read(int fd, void *data, size_t size) {
  if (!OURS) return REAL(read)(fd, data, size);
  DATA(read, fd, size, REAL(read)(fd, data, size));
}

ssize_t write(int fd, const void *data, size_t size) {
  if (!OURS) return REAL(write)(fd, data, size);
  DATA(write, fd, size, REAL(write)(fd, data, size));
}

ssize_t pread64(int fd, void *data, size_t size, off64_t offset) {
  if (!OURS) return REAL(pread64)(fd, data, size, offset);
  DATA(pread, fd, size, REAL(pread64)(fd, data, size, offset));
}

ssize_t sendfile64(int fd, int file, off64_t *offset, size_t size) {
  if (!OURS) return REAL(sendfile64)(fd, file, offset, size);
  DATA(sendfile, fd, size, REAL(sendfile64)(fd, file, offset, size));
}

/* A message cut short loses all buffers but its first, and a part of that. */
static struct msghdr shortened(const struct msghdr *message, struct iovec *first, enum outcome outcome, int fd) {
  struct msghdr copy = *message;
  if (copy.msg_iovlen == 0) return copy;
  *first = copy.msg_iov[0];
  size_t allowed = cut(outcome, fd, first->iov_len);
  if (allowed == first->iov_len) return copy;
  first->iov_len = allowed;
  copy.msg_iov = first;
  copy.msg_iovlen = 1;
  return copy;
}

ssize_t recvmsg(int fd, struct msghdr *message, int flags) {
  if (!OURS) return REAL(recvmsg)(fd, message, flags);
  enum outcome outcome = decide(C_recvmsg, fd);
  if (outcome == ERRNO) return fail(C_recvmsg, fd);
  struct iovec first, *buffers = message->msg_iov;
  size_t count = message->msg_iovlen;
  *message = shortened(message, &first, outcome, fd);
  ssize_t result = REAL(recvmsg)(fd, message, flags);
  message->msg_iov = buffers;
  message->msg_iovlen = count;
  trace(C_recvmsg, fd, result, outcome);
  return result;
}

ssize_t sendmsg(int fd, const struct msghdr *message, int flags) {
  if (!OURS) return REAL(sendmsg)(fd, message, flags);
  enum outcome outcome = decide(C_sendmsg, fd);
  if (outcome == ERRNO) return fail(C_sendmsg, fd);
  struct iovec first;
  struct msghdr copy = shortened(message, &first, outcome, fd);
  ssize_t result = REAL(sendmsg)(fd, &copy, flags);
  trace(C_sendmsg, fd, result, outcome);
  return result;
}

/* Cut short, these take fewer messages: a message is never cut. */
static unsigned fewer(enum outcome outcome, unsigned count) {
  if (outcome == ONE_BYTE && count > 1) return 1;
  return outcome == HALF && count > 1 ? count / 2 : count;
}

int recvmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags, struct timespec *timeout) {
  if (!OURS) return REAL(recvmmsg)(fd, messages, count, flags, timeout);
  enum outcome outcome = decide(C_recvmmsg, fd);
  if (outcome == ERRNO) return fail(C_recvmmsg, fd);
  int result = REAL(recvmmsg)(fd, messages, fewer(outcome, count), flags, timeout);
  trace(C_recvmmsg, fd, result, outcome);
  return result;
}

int sendmmsg(int fd, struct mmsghdr *messages, unsigned count, int flags) {
  if (!OURS) return REAL(sendmmsg)(fd, messages, count, flags);
  enum outcome outcome = decide(C_sendmmsg, fd);
  if (outcome == ERRNO) return fail(C_sendmmsg, fd);
  int result = REAL(sendmmsg)(fd, messages, fewer(outcome, count), flags);
  trace(C_sendmmsg, fd, result, outcome);
  return result;
}

/* ---- sockets ---- */

int socket(int family, int type, int protocol) {
  if (!OURS) return REAL(socket)(family, type, protocol);
  PLAIN(socket, -1, REAL(socket)(family, type, protocol));
}

int socketpair(int family, int type, int protocol, int fds[2]) {
  if (!OURS) return REAL(socketpair)(family, type, protocol, fds);
  PLAIN(socketpair, -1, REAL(socketpair)(family, type, protocol, fds));
}

int pipe2(int fds[2], int flags) {
  if (!OURS) return REAL(pipe2)(fds, flags);
  PLAIN(pipe2, -1, REAL(pipe2)(fds, flags));
}

int bind(int fd, const struct sockaddr *address, socklen_t length) {
  if (!OURS) return REAL(bind)(fd, address, length);
  PLAIN(bind, fd, REAL(bind)(fd, address, length));
}

int listen(int fd, int backlog) {
  if (!OURS) return REAL(listen)(fd, backlog);
  PLAIN(listen, fd, REAL(listen)(fd, backlog));
}

int accept4(int fd, struct sockaddr *address, socklen_t *length, int flags) {
  if (!OURS) return REAL(accept4)(fd, address, length, flags);
  enum outcome outcome = decide(C_accept4, fd);
  if (outcome == ERRNO && control[MADE]) {  // the error is of this connection, which is gone with it
    int connection = REAL(accept4)(fd, address, length, flags);
    if (connection < 0) return connection;
    REAL(close)(connection);
  }
  if (outcome == ERRNO) return fail(C_accept4, fd);
  int result = REAL(accept4)(fd, address, length, flags);
  trace(C_accept4, fd, result, outcome);
  return result;
}

int connect(int fd, const struct sockaddr *address, socklen_t length) {
  if (!OURS) return REAL(connect)(fd, address, length);
  enum outcome outcome = decide(C_connect, fd);
  if (outcome == ERRNO && control[MADE]) {  // the attempt goes on
    int begun = REAL(connect)(fd, address, length);
    if (begun < 0 && errno != EINPROGRESS) return begun;
  }
  if (outcome == ERRNO) return fail(C_connect, fd);
  int result = REAL(connect)(fd, address, length);
  trace(C_connect, fd, result, outcome);
  return result;
}

int shutdown(int fd, int how) {
  if (!OURS) return REAL(shutdown)(fd, how);
  PLAIN(shutdown, fd, REAL(shutdown)(fd, how));
}

/* The descriptor is gone whatever close says (close(2)). */
int close(int fd) {
  if (!OURS) return REAL(close)(fd);
  struct stat status;
  int type = fstat(fd, &status) == 0 ? status.st_mode & S_IFMT : S_IFREG;
  // An epoll descriptor has no type of file at all.
  enum call call = type == S_IFSOCK ? C_close_socket : type == 0 ? C_close_queue : C_close_file;
  enum outcome outcome = decide(call, fd);
  int result = REAL(close)(fd);
  if (outcome == ERRNO) return fail(call, fd);
  trace(call, fd, result, outcome);
  return result;
}

int getsockopt(int fd, int level, int option, void *value, socklen_t *length) {
  if (!OURS) return REAL(getsockopt)(fd, level, option, value, length);
  PLAIN(getsockopt, fd, REAL(getsockopt)(fd, level, option, value, length));
}

int setsockopt(int fd, int level, int option, const void *value, socklen_t length) {
  if (!OURS) return REAL(setsockopt)(fd, level, option, value, length);
  if (level == IPPROTO_TCP && option == TCP_NODELAY) {
    PLAIN(no_delay, fd, REAL(setsockopt)(fd, level, option, value, length));
  }
  PLAIN(setsockopt, fd, REAL(setsockopt)(fd, level, option, value, length));
}

int getsockname(int fd, struct sockaddr *address, socklen_t *length) {
  if (!OURS) return REAL(getsockname)(fd, address, length);
  PLAIN(getsockname, fd, REAL(getsockname)(fd, address, length));
}

/* Resets a TCP connection, and takes the error that would tell of it. */
static int is_reset(int fd) {
  struct sockaddr nobody = {.sa_family = AF_UNSPEC};
  int error;
  socklen_t size = sizeof error;
  if (REAL(connect)(fd, &nobody, sizeof nobody) < 0) return 0;
  // A reset leaves both halves ended, as connect to nobody does not; this answers ENOTCONN, and does it.
  REAL(shutdown)(fd, SHUT_RDWR);
  return REAL(getsockopt)(fd, SOL_SOCKET, SO_ERROR, &error, &size) == 0;
}

int getpeername(int fd, struct sockaddr *address, socklen_t *length) {
  if (!OURS) return REAL(getpeername)(fd, address, length);
  enum outcome outcome = decide(C_getpeername, fd);
  // A Unix socket keeps its peer's name.
  if (outcome == ERRNO && control[MADE] && !is_reset(fd)) outcome = AS_IT_IS;
  if (outcome == ERRNO) return fail(C_getpeername, fd);
  int result = REAL(getpeername)(fd, address, length);
  trace(C_getpeername, fd, result, outcome);
  return result;
}

/* ---- descriptors ---- */

int open64(const char *path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  mode_t mode = va_arg(rest, mode_t);
  va_end(rest);
  if (!OURS) return REAL(open64)(path, flags, mode);
  PLAIN(open, -1, REAL(open64)(path, flags, mode));
}

int ioctl(int fd, unsigned long request, ...) {
  va_list rest;
  va_start(rest, request);
  void *value = va_arg(rest, void *);
  va_end(rest);
  if (!OURS) return REAL(ioctl)(fd, request, value);
  enum outcome outcome = decide(C_ioctl, fd);
  if (outcome == ERRNO) return fail(C_ioctl, fd);
  int result = REAL(ioctl)(fd, request, value);
  if (outcome == NOTHING && result == 0) *(int *)value = 0;
  trace(C_ioctl, fd, result, outcome);
  return result;
}

int fcntl64(int fd, int command, ...) {
  va_list rest;
  va_start(rest, command);
  long value = va_arg(rest, long);
  va_end(rest);
  if (!OURS) return REAL(fcntl64)(fd, command, value);
  switch (command) {
    case F_GETFL: PLAIN(fcntl_getfl, fd, REAL(fcntl64)(fd, command, value));
    case F_SETFL: PLAIN(fcntl_setfl, fd, REAL(fcntl64)(fd, command, value));
    case F_GETFD: {
      enum outcome outcome = decide(C_fcntl_getfd, fd);
      if (outcome == ERRNO && control[MADE]) REAL(close)(fd);
      if (outcome == ERRNO) return fail(C_fcntl_getfd, fd);
      int result = REAL(fcntl64)(fd, command, value);
      trace(C_fcntl_getfd, fd, result, outcome);
      return result;
    }
    case F_DUPFD_CLOEXEC: PLAIN(fcntl_dupfd, fd, REAL(fcntl64)(fd, command, value));
    default: PLAIN(unknown, fd, REAL(fcntl64)(fd, command, value));
  }
}

/* ---- waiting ---- */

int epoll_create1(int flags) {
  if (!OURS) return REAL(epoll_create1)(flags);
  PLAIN(epoll_create1, -1, REAL(epoll_create1)(flags));
}

int epoll_ctl(int queue, int what, int fd, struct epoll_event *event) {
  if (!OURS) return REAL(epoll_ctl)(queue, what, fd, event);
  switch (what) {
    case EPOLL_CTL_ADD: PLAIN(epoll_ctl_add, fd, REAL(epoll_ctl)(queue, what, fd, event));
    case EPOLL_CTL_MOD: PLAIN(epoll_ctl_mod, fd, REAL(epoll_ctl)(queue, what, fd, event));
    default: PLAIN(epoll_ctl_del, fd, REAL(epoll_ctl)(queue, what, fd, event));
  }
}

int epoll_wait(int queue, struct epoll_event *events, int most, int timeout) {
  if (!OURS) return REAL(epoll_wait)(queue, events, most, timeout);
  enum outcome outcome = decide(C_epoll_wait, queue);
  if (outcome == ERRNO) return fail(C_epoll_wait, queue);
  int result = 0;
  if (outcome != NOTHING) {
    result = REAL(epoll_wait)(queue, events, outcome == ONE_BYTE ? 1 : most, timeout);
  }
  trace(C_epoll_wait, queue, result, outcome);
  return result;
}

int poll(struct pollfd *fds, nfds_t count, int timeout) {
  if (!OURS) return REAL(poll)(fds, count, timeout);
  int fd = count > 0 ? fds[0].fd : -1, result = 0;
  enum outcome outcome = decide(C_poll, fd);
  if (outcome == ERRNO) return fail(C_poll, fd);
  if (outcome == NOTHING) {
    for (nfds_t i = 0; i < count; i++) fds[i].revents = 0;
  } else {
    result = REAL(poll)(fds, count, timeout);
  }
  trace(C_poll, fd, result, outcome);
  return result;
}

int select(int count, fd_set *readable, fd_set *writable, fd_set *urgent, struct timeval *timeout) {
  if (!OURS) return REAL(select)(count, readable, writable, urgent, timeout);
  int result = 0;
  enum outcome outcome = decide(C_select, count);
  if (outcome == ERRNO) return fail(C_select, count);
  if (outcome == NOTHING) {
    if (readable) FD_ZERO(readable);
    if (writable) FD_ZERO(writable);
    if (urgent) FD_ZERO(urgent);
  } else {
    result = REAL(select)(count, readable, writable, urgent, timeout);
  }
  trace(C_select, count, result, outcome);
  return result;
}

/* ---- memory; dlsym itself may ask for some, so that these must not need it ---- */

extern void *__libc_calloc(size_t, size_t);
extern void *__libc_realloc(void *, size_t);

void *calloc(size_t count, size_t size) {
  if (!OURS || decide(C_calloc, -1) != ERRNO) return __libc_calloc(count, size);
  fail(C_calloc, -1);
  return NULL;
}

void *realloc(void *memory, size_t size) {
  if (!OURS || decide(C_realloc, -1) != ERRNO) return __libc_realloc(memory, size);
  fail(C_realloc, -1);
  return NULL;
}
