/* Between JavaScript and C: reading arguments, returning results. Both binaries use it. */
#ifndef ASYNCORE_NAPI_H
#define ASYNCORE_NAPI_H

#include <errno.h>
#include <node_api.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- args.c: each function reads one argument, or throws what was wrong and returns false ---- */

#define MAX_ARGS 7

struct call {
  napi_env env;
  const char* name; /* of the function, for messages */
  size_t argc;
  napi_value argv[MAX_ARGS];
};

struct bytes {
  uint8_t* data;
  size_t length;
};

bool call_begin(struct call* call, napi_env env, napi_callback_info info, const char* name);
bool call_int(struct call* call, int i, const char* what, int32_t* out);
bool call_flags(struct call* call, int i, int32_t* out); /* 0 when they are left out, which is quick */
bool call_count(struct call* call, int i, const char* what, int32_t most, int32_t* out);
bool call_size(struct call* call, int i, const char* what, size_t* out);
bool call_bytes(struct call* call, int i, const char* what, struct bytes* out);
bool call_room(struct call* call, int i, struct bytes* out); /* bytes at i, and how many of them */
bool call_ints(struct call* call, int i, const char* what, size_t least, int32_t** out, size_t* n);
bool call_string(struct call* call, int i, const char* what, char* out, size_t size);
bool call_function(struct call* call, int i, const char* what);
bool call_absent(struct call* call, int i); /* null or undefined */
bool bytes_of(napi_env env, napi_value value, struct bytes* out);
bool throw_type(struct call* call, const char* what, const char* expected);
bool throw_range(struct call* call, const char* what, const char* expected);

/* ---- exports.c: what JavaScript is given ---- */

napi_value answer(napi_env env, int64_t number);
/* `result` of a system call: itself, or -errno when negative. */
napi_value answer_call(napi_env env, int64_t result);

struct function {
  const char* name;
  napi_callback callback;
};

void export_functions(napi_env env, napi_value exports, const struct function* list, size_t n);
#define EXPORT(env, exports, list) \
  export_functions(env, exports, list, sizeof(list) / sizeof((list)[0]))

/*
 * The digest of the sources (scripts/digest.cjs). It shows when a binary was compiled from
 * others.
 */
void export_sources(napi_env env, napi_value exports);

#endif
