/* The module asyncore_socket: the functions of every file. It needs nothing but Node-API. */
#include "binding.h"

NAPI_MODULE_INIT() {
  if (!owned_start(env)) {
    napi_throw_error(env, NULL, "out of memory");
    return NULL;
  }
  export_sources(env, exports);
  address_init(env, exports);
  socket_init(env, exports);
  message_init(env, exports);
  descriptor_init(env, exports);
  file_init(env, exports);
  select_init(env, exports);
  poll_init(env, exports);
#if defined(__linux__)
  epoll_init(env, exports);
#else
  kqueue_init(env, exports);
#endif
  constants_init(env, exports);
  napi_set_named_property(env, exports, "batch", answer(env, BATCH));
  return exports;
}
