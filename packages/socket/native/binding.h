/*
 * What the C files share. All of them follow one rule: read the arguments, make one system call,
 * return a number or -errno. What can be decided in TypeScript is decided there.
 */
#ifndef ASYNCORE_BINDING_H
#define ASYNCORE_BINDING_H

#include "napi.h"

#include <sys/socket.h>

/* Repeats a call that a signal has interrupted. close(2) must not use it. */
#define RETRY(result, call) \
  do {                      \
    (result) = (call);      \
  } while ((result) < 0 && errno == EINTR)

/* The most events that a queue (epoll, kqueue) returns at once; exported as `batch`. */
#define BATCH 512

/* ---- address.c: a socket address, opaque to JavaScript ---- */

struct address {
  socklen_t length;
  struct sockaddr_storage storage;
};

bool call_address(struct call* call, int i, struct address* out);
bool call_address_out(struct call* call, int i, uint8_t** out);
void address_store(uint8_t* into, struct address* address);

/* ---- owned.c: the descriptors that are closed when the environment ends ---- */

bool owned_start(napi_env env); /* once for each environment; false when there is no memory */
bool own(napi_env env, int fd); /* false when there is no memory to note it */
void disown(napi_env env, int fd);
bool is_owned(napi_env env, int fd);

/* ---- descriptor.c ---- */

/*
 * Sets close-on-exec and non-blocking, on systems whose calls cannot create a descriptor with
 * them.
 */
int prepare_descriptor(int fd, bool nonblocking);

/* ---- one for each file: adds its functions to the exports ---- */

void address_init(napi_env env, napi_value exports);
void socket_init(napi_env env, napi_value exports);
void message_init(napi_env env, napi_value exports);
void descriptor_init(napi_env env, napi_value exports);
void file_init(napi_env env, napi_value exports);
void select_init(napi_env env, napi_value exports);
void poll_init(napi_env env, napi_value exports);
void epoll_init(napi_env env, napi_value exports);
void kqueue_init(napi_env env, napi_value exports);
void constants_init(napi_env env, napi_value exports);

#endif
