/* The module: one state for each environment, and the functions of every other file. */
#include "binding.h"

#include <stdlib.h>

#define STRING_OF(tokens) #tokens
#define STRING(macro) STRING_OF(macro)

struct state* state_of(napi_env env) {
  void* data = NULL;
  napi_get_instance_data(env, &data);
  return data;
}

void export_functions(napi_env env, napi_value exports, const struct function* list, size_t n) {
  for (size_t i = 0; i < n; i++) {
    napi_value function;
    napi_create_function(env, list[i].name, NAPI_AUTO_LENGTH, list[i].callback, NULL, &function);
    napi_set_named_property(env, exports, list[i].name, function);
  }
}

static void ended(void* hook) {
  napi_remove_async_cleanup_hook(hook);
}

/* A worker that ends, even in the middle of a loop, leaves no handle and no descriptor behind. */
static void on_environment_end(napi_async_cleanup_hook_handle hook, void* arg) {
  struct state* state = arg;
  state->ended = ended;
  state->ending = hook;
  watchers_close(state);
  close_owned(state);
  if (state->open_watchers == 0) ended(hook);
}

static void free_state(napi_env env, void* data, void* hint) {
  free(data);
}

/* What digest.cjs says of the sources, so that a binary made of other ones can be told. */
static void export_sources(napi_env env, napi_value exports) {
  napi_value digest;
  napi_create_string_utf8(env, STRING(SOURCES), NAPI_AUTO_LENGTH, &digest);
  napi_set_named_property(env, exports, "sources", digest);
}

NAPI_MODULE_INIT() {
  struct state* state = calloc(1, sizeof(*state));
  if (state == NULL || napi_set_instance_data(env, state, free_state, NULL) != napi_ok) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  napi_add_async_cleanup_hook(env, on_environment_end, state, NULL);
  export_sources(env, exports);
  address_init(env, exports);
  socket_init(env, exports);
  message_init(env, exports);
  descriptor_init(env, exports);
  select_init(env, exports);
  poll_init(env, exports);
#if defined(__linux__)
  epoll_init(env, exports);
#else
  kqueue_init(env, exports);
#endif
  watcher_init(env, exports);
  constants_init(env, exports);
  return exports;
}
