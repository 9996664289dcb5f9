/* Exports to JavaScript: numbers, functions, and the digest of the binary's sources. */
#include "napi.h"

/* In a checkout scripts/compile.mjs writes it. */
#if __has_include("../build/sources.h")
#include "../build/sources.h"
#else
#define SOURCES "unknown"
#endif

napi_value answer(napi_env env, int64_t number) {
  napi_value value;
  if (number == (int32_t)number) {
    napi_create_int32(env, (int32_t)number, &value); /* much cheaper than a double */
  } else {
    napi_create_int64(env, number, &value);
  }
  return value;
}

napi_value answer_call(napi_env env, int64_t result) {
  return answer(env, result < 0 ? -errno : result);
}

void export_functions(napi_env env, napi_value exports, const struct function* list, size_t n) {
  for (size_t i = 0; i < n; i++) {
    napi_value function;
    napi_create_function(env, list[i].name, NAPI_AUTO_LENGTH, list[i].callback, NULL, &function);
    napi_set_named_property(env, exports, list[i].name, function);
  }
}

void export_sources(napi_env env, napi_value exports) {
  napi_value digest;
  napi_create_string_utf8(env, SOURCES, NAPI_AUTO_LENGTH, &digest);
  napi_set_named_property(env, exports, "sources", digest);
}
