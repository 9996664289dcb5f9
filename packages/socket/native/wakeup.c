/*
 * The module asyncore_wakeup, the only file that knows libuv: src/wakeup/libuv.ts uses it. A
 * watcher lets Node's event loop wait for a kernel queue. A uv_poll_t calls `ready` when
 * something in the queue is ready. A uv_prepare_t calls `prepare` just before Node would wait, if
 * there is something to prepare.
 *
 * The watcher watches a duplicate of the queue's descriptor, for two reasons: libuv aborts the
 * process if it is to watch a descriptor that was closed, and it accepts each descriptor only
 * once.
 */
#include "napi.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

/*
 * Words of memory shared with JavaScript, so that a turn of Node's loop costs no call when there
 * is nothing to prepare. WANTED: whether `prepare` is to be called on the next turn. AT_ONCE:
 * whether it is to be called in this turn too. CALLS: the calls in this turn, which JavaScript
 * counts; set to 0 here. ELAPSED: the microseconds since libuv's wait ended, since C's clock is
 * cheaper than JavaScript's.
 */
enum { WANTED, AT_ONCE, CALLS, ELAPSED, WORDS };

/* Everything this module holds for one environment (the main thread or one worker). */
struct state {
  struct watcher* watchers;
  int32_t last_id;
  int open; /* watchers whose handles libuv has not closed yet */
  napi_async_cleanup_hook_handle ending; /* set when the environment ends */
};

struct watcher {
  uv_poll_t poll;
  uv_prepare_t prepare;
  struct watcher* next;
  struct state* state;
  int32_t id;
  int queue; /* the duplicate */
  int closing; /* handles whose close callback is still to come */
  napi_env env;
  napi_async_context context;
  napi_ref resource;
  napi_ref on_ready;
  napi_ref on_prepare;
  napi_ref words_ref;
  volatile int32_t* words;
};

static struct state* state_of(napi_env env) {
  void* data = NULL;
  napi_get_instance_data(env, &data);
  return data;
}

/*
 * Calls a function as Node calls any callback: next ticks and microtasks run after it. Returns
 * whether it returned, and in `answer` whether it returned true. An error that it throws is an
 * uncaught exception. In a worker that is being terminated no function runs any more.
 */
static bool call_back(struct watcher* watcher, napi_ref ref, bool* answer) {
  napi_env env = watcher->env;
  *answer = false;
  napi_handle_scope scope;
  napi_value receiver = NULL, function = NULL, result;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_get_reference_value(env, watcher->resource, &receiver);
  napi_get_reference_value(env, ref, &function);
  napi_status status =
      napi_make_callback(env, watcher->context, receiver, function, 0, NULL, &result);
  if (status == napi_ok) napi_get_value_bool(env, result, answer);
  if (status == napi_pending_exception) {
    napi_value error = NULL;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
  return status == napi_ok;
}

/* Calls `ready` as long as it returns true. JavaScript decides how often that is. */
static void on_ready(uv_poll_t* handle, int status, int events) {
  struct watcher* watcher = handle->data;
  uint64_t start = uv_hrtime();
  bool again;
  while (call_back(watcher, watcher->on_ready, &again) && again && watcher->closing == 0) {
    uint64_t elapsed = (uv_hrtime() - start) / 1000;
    watcher->words[ELAPSED] = elapsed < INT32_MAX ? (int32_t)elapsed : INT32_MAX;
  }
}

/* A watcher of this thread that has something to prepare before this turn's wait. */
static struct watcher* at_once(struct state* state) {
  struct watcher* watcher = state->watchers;
  while (watcher != NULL && !watcher->words[AT_ONCE]) watcher = watcher->next;
  return watcher;
}

/* More calls in one turn would be a fault: JavaScript stops asking for more long before. */
#define BACKSTOP 4096

/*
 * The microtasks that follow a call may give any watcher something to prepare at once, also one
 * whose uv_prepare_t libuv has already called in this turn. So all watchers are checked after
 * each call.
 */
static void on_prepare(uv_prepare_t* handle) {
  struct watcher* watcher = handle->data;
  struct state* state = watcher->state;
  watcher->words[CALLS] = 0;
  if (!watcher->words[WANTED]) return;
  bool answer;
  for (int calls = 0; watcher != NULL && calls < BACKSTOP; calls++) {
    if (!call_back(watcher, watcher->on_prepare, &answer)) return;
    watcher = at_once(state);
  }
}

static void end(struct state* state) {
  if (state->ending != NULL && state->open == 0) napi_remove_async_cleanup_hook(state->ending);
}

/* A callback may stop its own watcher, so the memory that callbacks use is freed only here. */
static void on_closed(uv_handle_t* handle) {
  struct watcher* watcher = handle->data;
  struct state* state = watcher->state;
  if (--watcher->closing > 0) return;
  napi_async_destroy(watcher->env, watcher->context);
  napi_delete_reference(watcher->env, watcher->resource);
  napi_delete_reference(watcher->env, watcher->on_ready);
  napi_delete_reference(watcher->env, watcher->on_prepare);
  napi_delete_reference(watcher->env, watcher->words_ref);
  free(watcher);
  state->open--;
  end(state);
}

static void stop(struct watcher* watcher) {
  struct watcher** at = &watcher->state->watchers;
  while (*at != watcher) at = &(*at)->next;
  *at = watcher->next;
  watcher->closing = 2;
  uv_close((uv_handle_t*)&watcher->poll, on_closed);
  uv_close((uv_handle_t*)&watcher->prepare, on_closed);
  close(watcher->queue);
}

/* A worker that ends, even in the middle of a loop, leaves no handle and no descriptor behind. */
static void on_environment_end(napi_async_cleanup_hook_handle hook, void* data) {
  struct state* state = data;
  state->ending = hook;
  while (state->watchers != NULL) stop(state->watchers);
  end(state);
}

static void free_state(napi_env env, void* data, void* hint) {
  free(data);
}

static napi_ref reference(napi_env env, napi_value value) {
  napi_ref ref = NULL;
  napi_create_reference(env, value, 1, &ref);
  return ref;
}

/*
 * watcher_start(queue, words, ready, prepare): a number for watcher_stop, or -errno. `words` is an
 * Int32Array of four elements (above). While `ready` returns true it is called again at once.
 */
static napi_value js_watcher_start(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t queue, *words;
  size_t n;
  uv_loop_t* loop;
  napi_value name;
  if (!call_begin(&call, env, info, "watcher_start") || !call_int(&call, 0, "queue", &queue) ||
      !call_ints(&call, 1, "words", WORDS, &words, &n) || !call_function(&call, 2, "ready") ||
      !call_function(&call, 3, "prepare")) {
    return NULL;
  }
  struct state* state = state_of(env);
  struct watcher* watcher = calloc(1, sizeof(*watcher));
  if (watcher == NULL) return answer(env, -ENOMEM);
  napi_get_uv_event_loop(env, &loop);
  watcher->queue = fcntl(queue, F_DUPFD_CLOEXEC, 0);
  int result = watcher->queue < 0 ? -errno : uv_poll_init(loop, &watcher->poll, watcher->queue);
  if (result < 0) {
    if (watcher->queue >= 0) close(watcher->queue);
    free(watcher);
    return answer(env, result);
  }
  uv_prepare_init(loop, &watcher->prepare);
  watcher->poll.data = watcher;
  watcher->prepare.data = watcher;
  watcher->env = env;
  watcher->state = state;
  watcher->words = words;
  watcher->id = ++state->last_id;
  watcher->next = state->watchers;
  state->open++;
  state->watchers = watcher;
  napi_value resource;
  napi_create_object(env, &resource);
  napi_create_string_utf8(env, "asyncore", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, resource, name, &watcher->context);
  watcher->resource = reference(env, resource);
  watcher->words_ref = reference(env, call.argv[1]);
  watcher->on_ready = reference(env, call.argv[2]);
  watcher->on_prepare = reference(env, call.argv[3]);
  uv_prepare_start(&watcher->prepare, on_prepare);
  uv_unref((uv_handle_t*)&watcher->prepare); /* the poll handle alone keeps Node alive */
  result = uv_poll_start(&watcher->poll, UV_READABLE, on_ready);
  if (result < 0) stop(watcher);
  return answer(env, result < 0 ? result : watcher->id);
}

static struct watcher* find(struct state* state, int32_t id) {
  struct watcher* watcher = state->watchers;
  while (watcher != NULL && watcher->id != id) watcher = watcher->next;
  return watcher;
}

/* watcher_stop(id). Stopping twice does nothing. */
static napi_value js_watcher_stop(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t id;
  if (!call_begin(&call, env, info, "watcher_stop") || !call_int(&call, 0, "id", &id)) return NULL;
  struct watcher* watcher = find(state_of(env), id);
  if (watcher != NULL) stop(watcher);
  return answer(env, 0);
}

/* watcher_keep_alive(id, on): whether it keeps Node alive, as it does from the start. */
static napi_value js_watcher_keep_alive(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t id, on;
  if (!call_begin(&call, env, info, "watcher_keep_alive") || !call_int(&call, 0, "id", &id) ||
      !call_int(&call, 1, "on", &on)) {
    return NULL;
  }
  struct watcher* watcher = find(state_of(env), id);
  if (watcher != NULL && on) uv_ref((uv_handle_t*)&watcher->poll);
  if (watcher != NULL && !on) uv_unref((uv_handle_t*)&watcher->poll);
  return answer(env, 0);
}

NAPI_MODULE_INIT() {
  static const struct function list[] = {
      {"watcher_start", js_watcher_start},
      {"watcher_stop", js_watcher_stop},
      {"watcher_keep_alive", js_watcher_keep_alive},
  };
  struct state* state = calloc(1, sizeof(*state));
  if (state == NULL || napi_set_instance_data(env, state, free_state, NULL) != napi_ok) {
    free(state);
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  napi_add_async_cleanup_hook(env, on_environment_end, state, NULL);
  export_sources(env, exports);
  EXPORT(env, exports, list);
  return exports;
}
