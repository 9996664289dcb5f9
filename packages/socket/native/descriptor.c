/* Descriptors of any kind: the system calls that Python has in `os` and `fcntl`. */
#include "binding.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

int prepare_descriptor(int fd, bool nonblocking) {
  if (fd < 0) return fd;
  fcntl(fd, F_SETFD, FD_CLOEXEC);
  if (nonblocking) fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
  return fd;
}

static bool call_fd(struct call* call, napi_env env, napi_callback_info info, const char* name,
                    int32_t* fd) {
  return call_begin(call, env, info, name) && call_int(call, 0, "fd", fd);
}

/* dup(fd): a close-on-exec duplicate; O_NONBLOCK stays shared with the original (dup(2)). */
static napi_value js_dup(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  if (!call_fd(&call, env, info, "dup", &fd)) return NULL;
  return answer_call(env, fcntl(fd, F_DUPFD_CLOEXEC, 0));
}

/* read(fd, buffer, length) */
static napi_value js_read(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  struct bytes into;
  ssize_t result;
  if (!call_fd(&call, env, info, "read", &fd) || !call_room(&call, 1, &into)) return NULL;
  RETRY(result, read(fd, into.data, into.length));
  return answer_call(env, result);
}

/* write(fd, data) */
static napi_value js_write(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  struct bytes from;
  ssize_t result;
  if (!call_fd(&call, env, info, "write", &fd) || !call_bytes(&call, 1, "data", &from)) return NULL;
  RETRY(result, write(fd, from.data, from.length));
  return answer_call(env, result);
}

/* pipe(pair): 0, with the reading and the writing end in the Int32Array `pair`. */
static napi_value js_pipe(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t* pair;
  size_t n;
  int fds[2];
  if (!call_begin(&call, env, info, "pipe") || !call_ints(&call, 0, "pair", 2, &pair, &n)) {
    return NULL;
  }
#if defined(__linux__)
  int result = pipe2(fds, O_CLOEXEC);
#else
  int result = pipe(fds);
#endif
  if (result < 0) return answer_call(env, result);
  for (int i = 0; i < 2; i++) {
#if !defined(__linux__)
    prepare_descriptor(fds[i], false);
#endif
    pair[i] = fds[i];
  }
  return answer(env, 0);
}

static napi_value js_close(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  if (!call_fd(&call, env, info, "close", &fd)) return NULL;
  disown(env, fd);
  int result = close(fd);
  if (result < 0 && errno == EINTR) result = 0; /* the descriptor is closed even then: close(2) */
  return answer_call(env, result);
}

/*
 * own(fd), disown(fd): sets whether the end of this environment closes it (owned.c); 0, or
 * -errno.
 */
static napi_value js_own(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  if (!call_fd(&call, env, info, "own", &fd)) return NULL;
  /* It was noted when it was created, so there is no need to check whether it is open. */
  if (is_owned(env, fd)) return answer(env, 0);
  if (fcntl(fd, F_GETFD) < 0) return answer_call(env, -1);
  return answer(env, own(env, fd) ? 0 : -ENOMEM);
}

static napi_value js_disown(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  if (!call_fd(&call, env, info, "disown", &fd)) return NULL;
  disown(env, fd);
  return answer(env, 0);
}

static napi_value js_get_blocking(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  if (!call_fd(&call, env, info, "get_blocking", &fd)) return NULL;
  int flags = fcntl(fd, F_GETFL);
  return answer_call(env, flags < 0 ? flags : !(flags & O_NONBLOCK));
}

static napi_value js_set_blocking(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, blocking;
  if (!call_fd(&call, env, info, "set_blocking", &fd) ||
      !call_count(&call, 1, "blocking", 1, &blocking)) {
    return NULL;
  }
  int flags = fcntl(fd, F_GETFL);
  if (flags < 0) return answer_call(env, flags);
  int wanted = blocking ? flags & ~O_NONBLOCK : flags | O_NONBLOCK;
  return answer_call(env, wanted == flags ? 0 : fcntl(fd, F_SETFL, wanted));
}

/* unread(fd): the bytes that can be read without waiting (FIONREAD). */
static napi_value js_unread(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  int count = 0;
  if (!call_fd(&call, env, info, "unread", &fd)) return NULL;
  int result = ioctl(fd, FIONREAD, &count);
  if (result < 0) return answer_call(env, result);
  /* The kernel's int overflows if the file is large. */
  return answer(env, count < 0 ? INT32_MAX : count);
}

void descriptor_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"dup", js_dup},
      {"read", js_read},
      {"write", js_write},
      {"pipe", js_pipe},
      {"close", js_close},
      {"own", js_own},
      {"disown", js_disown},
      {"get_blocking", js_get_blocking},
      {"set_blocking", js_set_blocking},
      {"unread", js_unread},
  };
  EXPORT(env, exports, list);
}
