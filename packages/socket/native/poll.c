/* poll(2). Readiness goes in and out as pairs [fd, events], as in select.c. */
#include "binding.h"

#include <poll.h>

/*
 * A pair has the layout of a struct pollfd: two numbers of 32 bits, the second of which holds
 * events, then revents.
 */
_Static_assert(sizeof(struct pollfd) == 2 * sizeof(int32_t), "a pollfd is a pair");

/*
 * poll(pairs, count, timeout): how many of the `count` pairs are ready; each pair's events are
 * replaced by those that are ready. `timeout` is in milliseconds, -1 for ever. A failed call
 * leaves the pairs as they were, for the next call.
 */
static napi_value js_poll(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t *pairs, count, timeout;
  size_t n;
  if (!call_begin(&call, env, info, "poll") || !call_ints(&call, 0, "pairs", 0, &pairs, &n) ||
      !call_count(&call, 1, "count", (int32_t)(n / 2), &count) ||
      !call_int(&call, 2, "timeout", &timeout)) {
    return NULL;
  }
  struct pollfd* fds = (struct pollfd*)pairs;
  for (int32_t i = 0; i < count; i++) {
    short events = (short)pairs[2 * i + 1];
    fds[i].events = events;
    fds[i].revents = 0;
  }
  int result = poll(fds, (nfds_t)count, timeout);
  napi_value answered = answer_call(env, result);
  for (int32_t i = 0; i < count; i++) {
    pairs[2 * i + 1] = result < 0 ? fds[i].events : fds[i].revents;
  }
  return answered;
}

void poll_init(napi_env env, napi_value exports) {
  static const struct function list[] = {{"poll", js_poll}};
  EXPORT(env, exports, list);
}
