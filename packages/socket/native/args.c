/* Arguments from JavaScript. A wrong one throws an error that names it, before any system call. */
#include "napi.h"

#include <stdio.h>
#include <string.h>

static bool explain(struct call* call, const char* what, const char* expected, bool range) {
  char text[160];
  snprintf(text, sizeof(text), "%s: %s must be %s", call->name, what, expected);
  if (range) {
    napi_throw_range_error(call->env, "ERR_OUT_OF_RANGE", text);
  } else {
    napi_throw_type_error(call->env, "ERR_INVALID_ARG_TYPE", text);
  }
  return false;
}

bool throw_type(struct call* call, const char* what, const char* expected) {
  return explain(call, what, expected, false);
}

bool throw_range(struct call* call, const char* what, const char* expected) {
  return explain(call, what, expected, true);
}

bool call_begin(struct call* call, napi_env env, napi_callback_info info, const char* name) {
  call->env = env;
  call->name = name;
  call->argc = MAX_ARGS; /* arguments that are not given arrive as undefined */
  return napi_get_cb_info(env, info, &call->argc, call->argv, NULL, NULL) == napi_ok;
}

bool call_int(struct call* call, int i, const char* what, int32_t* out) {
  double number;
  if (napi_get_value_double(call->env, call->argv[i], &number) != napi_ok) {
    return throw_type(call, what, "an integer");
  }
  if (!(number >= INT32_MIN && number <= INT32_MAX) || number != (double)(int32_t)number) {
    return throw_range(call, what, "a 32-bit integer");
  }
  *out = (int32_t)number;
  return true;
}

bool call_flags(struct call* call, int i, int32_t* out) {
  *out = 0;
  return (size_t)i >= call->argc || call_int(call, i, "flags", out);
}

bool call_count(struct call* call, int i, const char* what, int32_t most, int32_t* out) {
  if (!call_int(call, i, what, out)) return false;
  if (*out < 0 || *out > most) {
    char expected[64];
    snprintf(expected, sizeof(expected), "an integer from 0 to %d", (int)most);
    return throw_range(call, what, expected);
  }
  return true;
}

/*
 * A number of bytes. JavaScript has buffers and files that are larger than an int32_t can hold.
 */
bool call_size(struct call* call, int i, const char* what, size_t* out) {
  double number;
  if (napi_get_value_double(call->env, call->argv[i], &number) != napi_ok) {
    return throw_type(call, what, "an integer");
  }
  if (!(number >= 0 && number <= 9007199254740991.0) || number != (double)(size_t)number) {
    return throw_range(call, what, "an integer from 0");
  }
  *out = (size_t)number;
  return true;
}

static const size_t element_size[] = {
    [napi_int8_array] = 1,     [napi_uint8_array] = 1,     [napi_uint8_clamped_array] = 1,
    [napi_int16_array] = 2,    [napi_uint16_array] = 2,    [napi_int32_array] = 4,
    [napi_uint32_array] = 4,   [napi_float32_array] = 4,   [napi_float64_array] = 8,
    [napi_bigint64_array] = 8, [napi_biguint64_array] = 8,
};

/* If the array's type is newer than its Node-API, Node does not set `type`. */
#define UNKNOWN ((napi_typedarray_type)-1)

/* A view whose buffer was transferred away looks like an empty one, which is allowed. */
static bool is_detached(napi_env env, napi_value view, bool typed) {
  napi_value buffer;
  bool detached = false;
  napi_status status = typed ? napi_get_typedarray_info(env, view, NULL, NULL, NULL, &buffer, NULL)
                             : napi_get_dataview_info(env, view, NULL, NULL, &buffer, NULL);
  return status != napi_ok || napi_is_detached_arraybuffer(env, buffer, &detached) != napi_ok ||
         detached;
}

bool bytes_of(napi_env env, napi_value value, struct bytes* out) {
  napi_typedarray_type type = UNKNOWN;
  void* data = NULL;
  bool is_typed =
      napi_get_typedarray_info(env, value, &type, &out->length, &data, NULL, NULL) == napi_ok;
  if (is_typed) {
    if ((size_t)type >= sizeof(element_size) / sizeof(element_size[0])) {
      return false; /* an element type newer than this file */
    }
    out->length *= element_size[type];
  } else {
    bool is_view = false;
    napi_is_dataview(env, value, &is_view);
    if (!is_view ||
        napi_get_dataview_info(env, value, &out->length, &data, NULL, NULL) != napi_ok) {
      return false;
    }
  }
  out->data = data;
  return out->length > 0 || !is_detached(env, value, is_typed);
}

bool call_bytes(struct call* call, int i, const char* what, struct bytes* out) {
  if (bytes_of(call->env, call->argv[i], out)) return true;
  napi_valuetype type;
  if (napi_typeof(call->env, call->argv[i], &type) == napi_ok && type == napi_string) {
    return throw_type(call, what, "bytes: make them of a string with Buffer.from(text)");
  }
  return throw_type(call, what, "a Uint8Array or other view of bytes that is not detached");
}

bool call_room(struct call* call, int i, struct bytes* out) {
  size_t length;
  void* data;
  /* An ArrayBuffer takes less time than an array. A detached one has no room either. */
  if (napi_get_arraybuffer_info(call->env, call->argv[i], &data, &out->length) == napi_ok) {
    out->data = data;
  } else if (!call_bytes(call, i, "buffer", out)) {
    return false;
  }
  if (!call_size(call, i + 1, "length", &length)) return false;
  if (length > out->length) return throw_range(call, "length", "within the buffer");
  out->length = length;
  return true;
}

bool call_ints(struct call* call, int i, const char* what, size_t least, int32_t** out, size_t* n) {
  napi_typedarray_type type = UNKNOWN;
  void* data = NULL;
  if (napi_get_typedarray_info(call->env, call->argv[i], &type, n, &data, NULL, NULL) != napi_ok ||
      type != napi_int32_array || *n < least) {
    char expected[64];
    snprintf(expected, sizeof(expected), "an Int32Array of %zu or more elements", least);
    return throw_type(call, what, expected);
  }
  *out = data;
  return true;
}

bool call_string(struct call* call, int i, const char* what, char* out, size_t size) {
  size_t length;
  if (napi_get_value_string_utf8(call->env, call->argv[i], NULL, 0, &length) != napi_ok) {
    return throw_type(call, what, "a string");
  }
  if (length >= size) return throw_range(call, what, "shorter");
  napi_get_value_string_utf8(call->env, call->argv[i], out, size, &length);
  return true;
}

bool call_function(struct call* call, int i, const char* what) {
  napi_valuetype type;
  napi_typeof(call->env, call->argv[i], &type);
  return type == napi_function || throw_type(call, what, "a function");
}

bool call_absent(struct call* call, int i) {
  napi_valuetype type;
  napi_typeof(call->env, call->argv[i], &type);
  return type == napi_null || type == napi_undefined;
}
