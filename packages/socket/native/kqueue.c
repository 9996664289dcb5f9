/* kqueue(2). The functions are those of epoll.c, in the same order. */
#include "binding.h"

#include <poll.h>
#include <sys/event.h>
#include <sys/time.h>
#include <sys/types.h>

#if !defined(POLLRDHUP)
#define POLLRDHUP 0x2000 /* the flag by which the layers above ask for the end of the peer's data */
#endif

/* kqueue_create(): the queue's descriptor. */
static napi_value js_kqueue_create(napi_env env, napi_callback_info info) {
  int queue = prepare_descriptor(kqueue(), false);
  own(env, queue);
  return answer_call(env, queue);
}

static int change(int queue, int fd, int16_t filter, bool on, uint32_t note, int64_t data) {
  struct kevent event;
  EV_SET(&event, (uintptr_t)fd, filter, on ? EV_ADD : EV_DELETE, note, data, NULL);
  int result = kevent(queue, &event, 1, NULL, 0, NULL);
  return result < 0 && !on && errno == ENOENT ? 0 : result;
}

/*
 * kqueue_ctl(queue, fd, events): adds or removes each filter as `events` says. To report the end
 * of the data (POLLRDHUP) but not the data, the read filter gets a low-water mark that no amount
 * of data reaches.
 */
static napi_value js_kqueue_ctl(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t queue, fd, events;
  if (!call_begin(&call, env, info, "kqueue_ctl") || !call_int(&call, 0, "queue", &queue) ||
      !call_int(&call, 1, "fd", &fd) || !call_int(&call, 2, "events", &events)) {
    return NULL;
  }
  bool data = events & POLLIN;
  bool end = events & (POLLRDHUP | POLLHUP);
  int result =
      change(queue, fd, EVFILT_READ, data || end, data ? 0 : NOTE_LOWAT, data ? 0 : INT32_MAX);
  if (result == 0) result = change(queue, fd, EVFILT_WRITE, events & POLLOUT, 0, 0);
#if defined(EVFILT_EXCEPT)
  if (result == 0) {
    /* Not every kind of descriptor has urgent data. */
    change(queue, fd, EVFILT_EXCEPT, events & POLLPRI, NOTE_OOB, 0);
  }
#endif
  return answer_call(env, result);
}

static int32_t flags_of(const struct kevent* event) {
  int32_t flags = 0;
  if (event->filter == EVFILT_WRITE) {
    flags = POLLOUT | (event->flags & EV_EOF ? POLLHUP : 0);
  } else if (event->filter == EVFILT_READ) {
    flags = POLLIN | (event->flags & EV_EOF ? POLLRDHUP : 0);
#if defined(EVFILT_EXCEPT)
  } else if (event->filter == EVFILT_EXCEPT) {
    flags = POLLPRI;
#endif
  }
  if (event->flags & EV_EOF && event->fflags != 0) flags |= POLLERR | POLLHUP;
  return flags;
}

/* kqueue_wait(queue, pairs, timeout): the number of pairs [fd, events] written. */
static napi_value js_kqueue_wait(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t queue, timeout;
  int32_t* pairs;
  size_t n;
  struct kevent events[BATCH];
  if (!call_begin(&call, env, info, "kqueue_wait") || !call_int(&call, 0, "queue", &queue) ||
      !call_ints(&call, 1, "pairs", 2, &pairs, &n) || !call_int(&call, 2, "timeout", &timeout)) {
    return NULL;
  }
  int room = n / 2 < BATCH ? (int)(n / 2) : BATCH;
  struct timespec wait = {.tv_sec = timeout / 1000, .tv_nsec = (long)(timeout % 1000) * 1000000};
  int result = kevent(queue, NULL, 0, events, room, timeout < 0 ? NULL : &wait);
  if (result < 0) return answer_call(env, result);
  for (int i = 0; i < result; i++) {
    pairs[2 * i] = (int32_t)events[i].ident;
    pairs[2 * i + 1] = flags_of(&events[i]);
  }
  return answer(env, result);
}

void kqueue_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"kqueue_create", js_kqueue_create},
      {"kqueue_ctl", js_kqueue_ctl},
      {"kqueue_wait", js_kqueue_wait},
  };
  EXPORT(env, exports, list);
}
