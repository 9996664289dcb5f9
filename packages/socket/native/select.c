/* select(2). Readiness goes in and out as pairs [fd, events] in POLL* flags, as in poll.c. */
#include "binding.h"

#include <poll.h>
#include <sys/select.h>

/*
 * select(pairs, count, timeout): how many of the `count` pairs are ready; each pair's events are
 * replaced by those that are ready. `timeout` is in milliseconds, -1 for ever. If an fd_set
 * cannot hold a descriptor, the result is -EINVAL, before any fd_set is touched.
 */
static napi_value js_select(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t *pairs, count, timeout;
  size_t n;
  if (!call_begin(&call, env, info, "select") || !call_ints(&call, 0, "pairs", 0, &pairs, &n) ||
      !call_count(&call, 1, "count", (int32_t)(n / 2), &count) ||
      !call_int(&call, 2, "timeout", &timeout)) {
    return NULL;
  }
  fd_set in, out, urgent;
  int highest = -1;
  FD_ZERO(&in);
  FD_ZERO(&out);
  FD_ZERO(&urgent);
  for (int32_t i = 0; i < count; i++) {
    int32_t fd = pairs[2 * i], events = pairs[2 * i + 1];
    if (fd < 0 || fd >= FD_SETSIZE) return answer(env, -EINVAL);
    if (fd > highest) highest = fd;
    if (events & POLLIN) FD_SET(fd, &in);
    if (events & POLLOUT) FD_SET(fd, &out);
    if (events & POLLPRI) FD_SET(fd, &urgent);
  }
  struct timeval wait = {.tv_sec = timeout / 1000, .tv_usec = timeout % 1000 * 1000};
  int result = select(highest + 1, &in, &out, &urgent, timeout < 0 ? NULL : &wait);
  if (result < 0) return answer_call(env, result);
  int ready = 0;
  for (int32_t i = 0; i < count; i++) {
    int32_t fd = pairs[2 * i];
    int32_t events = (FD_ISSET(fd, &in) ? POLLIN : 0) | (FD_ISSET(fd, &out) ? POLLOUT : 0) |
                     (FD_ISSET(fd, &urgent) ? POLLPRI : 0);
    pairs[2 * i + 1] = events;
    ready += events != 0;
  }
  return answer(env, ready);
}

void select_init(napi_env env, napi_value exports) {
  static const struct function list[] = {{"select", js_select}};
  EXPORT(env, exports, list);
}
