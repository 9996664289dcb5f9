/*
 * What the C files share. The rule for all of them: read the arguments, make one system call,
 * answer with a number or with -errno. What can be decided in TypeScript is decided there.
 */
#ifndef ASYNCORE_BINDING_H
#define ASYNCORE_BINDING_H

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct watcher;

/* Everything the binding holds for one environment (the main thread or one worker). */
struct state {
  struct watcher* watchers;
  int32_t last_watcher;
  int open_watchers; /* those whose handles libuv has not let go of yet */
  uint64_t* owned; /* one bit for each descriptor to close when the environment ends */
  size_t owned_words;
  void (*ended)(void*); /* set when the environment ends; called once nothing is open */
  void* ending;
};

struct state* state_of(napi_env env);

/* A repeat after a signal; close(2) must not use it. */
#define RETRY(result, call)                 \
  do {                                      \
    (result) = (call);                      \
  } while ((result) < 0 && errno == EINTR)

/* ---- args.c: reading arguments; each throws what was wrong and returns false ---- */

#define MAX_ARGS 7

struct call {
  napi_env env;
  const char* name; /* of the function, for messages */
  napi_value argv[MAX_ARGS];
};

struct bytes {
  uint8_t* data;
  size_t length;
};

bool call_begin(struct call* call, napi_env env, napi_callback_info info, const char* name);
bool call_int(struct call* call, int i, const char* what, int32_t* out);
bool call_count(struct call* call, int i, const char* what, int32_t most, int32_t* out);
bool call_bytes(struct call* call, int i, const char* what, struct bytes* out);
bool call_room(struct call* call, int i, struct bytes* out); /* bytes at i, and how many of them */
bool call_ints(struct call* call, int i, const char* what, size_t least, int32_t** out, size_t* n);
bool call_string(struct call* call, int i, const char* what, char* out, size_t size);
bool call_absent(struct call* call, int i); /* null or undefined */
bool bytes_of(napi_env env, napi_value value, struct bytes* out);
bool throw_type(struct call* call, const char* what, const char* expected);
bool throw_range(struct call* call, const char* what, const char* expected);

napi_value answer(napi_env env, int64_t number);
/* `result` of a system call: itself, or -errno when negative. */
napi_value answer_call(napi_env env, int64_t result);

/* ---- address.c: a socket address, opaque to JavaScript ---- */

struct address {
  socklen_t length;
  struct sockaddr_storage storage;
};

bool call_address(struct call* call, int i, struct address* out);
bool call_address_out(struct call* call, int i, uint8_t** out);
void address_store(uint8_t* into, struct address* address);

/* ---- descriptor.c ---- */

bool own(napi_env env, int fd); /* false when there is no memory to note it */
void close_owned(struct state* state);
/* Close-on-exec and non-blocking, for systems whose calls cannot set them from birth. */
int prepare_descriptor(int fd, bool nonblocking);

/* ---- one per file: adds its functions to the exports ---- */

struct function {
  const char* name;
  napi_callback callback;
};

void export_functions(napi_env env, napi_value exports, const struct function* list, size_t n);
#define EXPORT(env, exports, list) \
  export_functions(env, exports, list, sizeof(list) / sizeof((list)[0]))

void address_init(napi_env env, napi_value exports);
void socket_init(napi_env env, napi_value exports);
void message_init(napi_env env, napi_value exports);
void descriptor_init(napi_env env, napi_value exports);
void select_init(napi_env env, napi_value exports);
void poll_init(napi_env env, napi_value exports);
void epoll_init(napi_env env, napi_value exports);
void kqueue_init(napi_env env, napi_value exports);
void watcher_init(napi_env env, napi_value exports);
void constants_init(napi_env env, napi_value exports);

/* watcher.c: stops every watcher; `state->ended` is called when libuv has let go of the last. */
void watchers_close(struct state* state);

#endif
