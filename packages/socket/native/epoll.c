/* epoll(7). The functions are those of kqueue.c, in the same order. */
#include "binding.h"

#include <poll.h>
#include <sys/epoll.h>

_Static_assert(EPOLLIN == POLLIN && EPOLLOUT == POLLOUT && EPOLLPRI == POLLPRI &&
                   EPOLLERR == POLLERR && EPOLLHUP == POLLHUP && EPOLLRDHUP == POLLRDHUP,
               "poll's flags serve for epoll");

/* epoll_create(): the queue's descriptor. */
static napi_value js_epoll_create(napi_env env, napi_callback_info info) {
  int queue = epoll_create1(EPOLL_CLOEXEC);
  own(env, queue);
  return answer_call(env, queue);
}

/* epoll_ctl(queue, op, fd, events) */
static napi_value js_epoll_ctl(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t queue, op, fd, events;
  if (!call_begin(&call, env, info, "epoll_ctl") || !call_int(&call, 0, "queue", &queue) ||
      !call_int(&call, 1, "op", &op) || !call_int(&call, 2, "fd", &fd) ||
      !call_int(&call, 3, "events", &events)) {
    return NULL;
  }
  struct epoll_event event = {.events = (uint32_t)events, .data = {.fd = fd}};
  return answer_call(env, epoll_ctl(queue, op, fd, &event));
}

/* epoll_wait(queue, pairs, timeout): the number of pairs [fd, events] written. */
static napi_value js_epoll_wait(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t queue, timeout;
  int32_t* pairs;
  size_t n;
  struct epoll_event events[BATCH];
  if (!call_begin(&call, env, info, "epoll_wait") || !call_int(&call, 0, "queue", &queue) ||
      !call_ints(&call, 1, "pairs", 2, &pairs, &n) || !call_int(&call, 2, "timeout", &timeout)) {
    return NULL;
  }
  int room = n / 2 < BATCH ? (int)(n / 2) : BATCH;
  int result = epoll_wait(queue, events, room, timeout);
  if (result < 0) return answer_call(env, result);
  for (int i = 0; i < result; i++) {
    pairs[2 * i] = events[i].data.fd;
    pairs[2 * i + 1] = (int32_t)events[i].events;
  }
  return answer(env, result);
}

void epoll_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"epoll_create", js_epoll_create},
      {"epoll_ctl", js_epoll_ctl},
      {"epoll_wait", js_epoll_wait},
  };
  EXPORT(env, exports, list);
}
