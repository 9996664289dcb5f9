/*
 * The one place that knows libuv. A watcher lets Node's own event loop wait for a kernel queue:
 * a uv_poll_t on the queue's descriptor calls `ready` when something in it is ready, and a
 * uv_prepare_t calls `prepare` just before Node would block, if there is something to prepare.
 *
 * What is watched is a duplicate of the queue's descriptor: libuv aborts the process when one that
 * it is about to watch was closed, and takes one descriptor only once.
 */
#include "binding.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <uv.h>

/*
 * A word of memory that JavaScript writes: what it has to prepare. It is read again after each
 * call because microtasks run at the call's end and may ask for more.
 */
enum { NOTHING = 0, NEXT_TURN = 1, BEFORE_WAITING = 2 };
#define LONGEST 1000000 /* nanoseconds of looking again, for Node's timers to be on time */
#define MOST_CALLS 1000 /* in one turn, so that a chain of promises cannot hold up Node for ever */

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
  napi_ref word_ref;
  volatile int32_t* word;
};

/*
 * Handlers run as in any callback of Node's: next ticks and microtasks follow. Gives whether the
 * function returned true.
 */
static bool call_back(struct watcher* watcher, napi_ref ref) {
  napi_env env = watcher->env;
  bool answer = false;
  napi_handle_scope scope;
  napi_value receiver, function, result;
  if (napi_open_handle_scope(env, &scope) != napi_ok) return false;
  napi_get_reference_value(env, watcher->resource, &receiver);
  napi_get_reference_value(env, ref, &function);
  napi_status status =
      napi_make_callback(env, watcher->context, receiver, function, 0, NULL, &result);
  if (status == napi_ok) napi_get_value_bool(env, result, &answer);
  if (status == napi_pending_exception) {
    napi_value error = NULL;
    napi_get_and_clear_last_exception(env, &error);
    napi_fatal_exception(env, error);
  }
  napi_close_handle_scope(env, scope);
  return answer;
}

/* Asked to, it looks into the queue once more without a turn of Node's loop, which costs more. */
static void on_ready(uv_poll_t* handle, int status, int events) {
  struct watcher* watcher = handle->data;
  uint64_t end = uv_hrtime() + LONGEST;
  while (call_back(watcher, watcher->on_ready)) {
    if (watcher->closing > 0 || *watcher->word != NOTHING || uv_hrtime() > end) return;
  }
}

/* One that is to prepare once more, although its turn may be over: another one changed something. */
static struct watcher* late(struct state* state) {
  struct watcher* watcher = state->watchers;
  while (watcher != NULL && *watcher->word != BEFORE_WAITING) watcher = watcher->next;
  return watcher;
}

static void on_prepare(uv_prepare_t* handle) {
  struct watcher* watcher = handle->data;
  struct state* state = watcher->state;
  if (*watcher->word == NOTHING) return;
  int calls = 0;
  do {
    call_back(watcher, watcher->on_prepare);
    watcher = late(state);
  } while (watcher != NULL && ++calls < MOST_CALLS);
}

/* References and context go last: `ready` may have stopped its own watcher. */
static void on_closed(uv_handle_t* handle) {
  struct watcher* watcher = handle->data;
  struct state* state = watcher->state;
  if (--watcher->closing > 0) return;
  napi_async_destroy(watcher->env, watcher->context);
  napi_delete_reference(watcher->env, watcher->resource);
  napi_delete_reference(watcher->env, watcher->on_ready);
  napi_delete_reference(watcher->env, watcher->on_prepare);
  napi_delete_reference(watcher->env, watcher->word_ref);
  free(watcher);
  state->open_watchers--;
  if (state->ended != NULL && state->open_watchers == 0) state->ended(state->ending);
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

void watchers_close(struct state* state) {
  while (state->watchers != NULL) stop(state->watchers);
}

static napi_ref reference(napi_env env, napi_value value) {
  napi_ref ref = NULL;
  napi_create_reference(env, value, 1, &ref);
  return ref;
}

static bool call_function(struct call* call, int i, const char* what) {
  napi_valuetype type;
  napi_typeof(call->env, call->argv[i], &type);
  return type == napi_function || throw_type(call, what, "a function");
}

/*
 * watcher_start(queue, word, ready, prepare): a number for watcher_stop. `word` is an Int32Array
 * of one element that holds what there is to prepare (above).
 */
static napi_value js_watcher_start(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t queue, *word;
  size_t n;
  uv_loop_t* loop;
  napi_value name;
  if (!call_begin(&call, env, info, "watcher_start") || !call_int(&call, 0, "queue", &queue) ||
      !call_ints(&call, 1, "word", 1, &word, &n) || !call_function(&call, 2, "ready") ||
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
  watcher->word = word;
  watcher->id = ++state->last_watcher;
  watcher->next = state->watchers;
  state->open_watchers++;
  state->watchers = watcher;
  napi_value resource;
  napi_create_object(env, &resource);
  napi_create_string_utf8(env, "asyncore", NAPI_AUTO_LENGTH, &name);
  napi_async_init(env, resource, name, &watcher->context);
  watcher->resource = reference(env, resource);
  watcher->word_ref = reference(env, call.argv[1]);
  watcher->on_ready = reference(env, call.argv[2]);
  watcher->on_prepare = reference(env, call.argv[3]);
  uv_prepare_start(&watcher->prepare, on_prepare);
  uv_unref((uv_handle_t*)&watcher->prepare); /* the poll handle alone keeps Node alive */
  uv_poll_start(&watcher->poll, UV_READABLE, on_ready);
  return answer(env, watcher->id);
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
  if (watcher == NULL) return answer(env, 0);
  stop(watcher);
  return answer(env, 0);
}

void watcher_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"watcher_start", js_watcher_start},
      {"watcher_stop", js_watcher_stop},
  };
  EXPORT(env, exports, list);
}
