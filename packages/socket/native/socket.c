/* One function for each socket system call; see the man page of the same name. */
#include "binding.h"

#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/syscall.h>
#define NOSIGNAL MSG_NOSIGNAL
#else
#define NOSIGNAL 0 /* SO_NOSIGPIPE, set when the socket is made */
#include <sys/ucred.h>
#include <sys/un.h>
#endif

/*
 * glibc's recv and send are cancellation points, which costs each call two atomic operations in a
 * process with threads. Threads are not cancelled here, so this calls the system directly.
 */
#if defined(SYS_recvfrom) && defined(SYS_sendto) && !defined(__SANITIZE_ADDRESS__)
#define recv(fd, data, length, flags) syscall(SYS_recvfrom, fd, data, length, flags, NULL, NULL)
#define send(fd, data, length, flags) syscall(SYS_sendto, fd, data, length, flags, NULL, 0)
#endif

/* Makes a descriptor close-on-exec and non-blocking, and without SIGPIPE. */
#if !defined(__linux__)
static int newborn(int fd) {
  int on = 1;
  if (fd >= 0) setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof(on));
  return prepare_descriptor(fd, true);
}
#endif

/* socket(family, type, protocol): the descriptor. */
static napi_value js_socket(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t family, type, protocol;
  if (!call_begin(&call, env, info, "socket") || !call_int(&call, 0, "family", &family) ||
      !call_int(&call, 1, "type", &type) || !call_int(&call, 2, "proto", &protocol)) {
    return NULL;
  }
#if defined(__linux__)
  int fd = socket(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol);
#else
  int fd = newborn(socket(family, type, protocol));
#endif
  own(env, fd);
  return answer_call(env, fd);
}

/* socketpair(family, type, protocol, pair): 0, with the descriptors in the Int32Array `pair`. */
static napi_value js_socketpair(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t family, type, protocol;
  int32_t* pair;
  size_t n;
  int fds[2];
  if (!call_begin(&call, env, info, "socketpair") || !call_int(&call, 0, "family", &family) ||
      !call_int(&call, 1, "type", &type) || !call_int(&call, 2, "proto", &protocol) ||
      !call_ints(&call, 3, "pair", 2, &pair, &n)) {
    return NULL;
  }
#if defined(__linux__)
  int result = socketpair(family, type | SOCK_CLOEXEC | SOCK_NONBLOCK, protocol, fds);
#else
  int result = socketpair(family, type, protocol, fds);
#endif
  if (result < 0) return answer_call(env, result);
  for (int i = 0; i < 2; i++) {
#if !defined(__linux__)
    newborn(fds[i]);
#endif
    own(env, fds[i]);
    pair[i] = fds[i];
  }
  return answer(env, 0);
}

static napi_value js_bind(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  struct address address;
  if (!call_begin(&call, env, info, "bind") || !call_int(&call, 0, "fd", &fd) ||
      !call_address(&call, 1, &address)) {
    return NULL;
  }
  return answer_call(env, bind(fd, (struct sockaddr*)&address.storage, address.length));
}

static napi_value js_listen(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, backlog;
  if (!call_begin(&call, env, info, "listen") || !call_int(&call, 0, "fd", &fd) ||
      !call_int(&call, 1, "backlog", &backlog)) {
    return NULL;
  }
  return answer_call(env, listen(fd, backlog));
}

/* accept(fd, address): the new descriptor, with the peer's name in `address`. */
static napi_value js_accept(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  uint8_t* into;
  struct address address = {.length = sizeof(address.storage)};
  int connection;
  if (!call_begin(&call, env, info, "accept") || !call_int(&call, 0, "fd", &fd) ||
      !call_address_out(&call, 1, &into)) {
    return NULL;
  }
  struct sockaddr* peer = (struct sockaddr*)&address.storage;
#if defined(__linux__)
  RETRY(connection, accept4(fd, peer, &address.length, SOCK_CLOEXEC | SOCK_NONBLOCK));
#else
  RETRY(connection, accept(fd, peer, &address.length));
  connection = newborn(connection);
#endif
  if (connection < 0) return answer_call(env, connection);
  own(env, connection);
  address_store(into, &address);
  return answer(env, connection);
}

/* Not repeated after EINTR, whose meaning depends on the family (socket.ts). */
static napi_value js_connect(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  struct address address;
  if (!call_begin(&call, env, info, "connect") || !call_int(&call, 0, "fd", &fd) ||
      !call_address(&call, 1, &address)) {
    return NULL;
  }
  return answer_call(env, connect(fd, (struct sockaddr*)&address.storage, address.length));
}

/* recv(fd, buffer, length, flags = 0): the number of bytes received. */
static napi_value js_recv(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags;
  struct bytes into;
  ssize_t result;
  if (!call_begin(&call, env, info, "recv") || !call_int(&call, 0, "fd", &fd) ||
      !call_room(&call, 1, &into) || !call_flags(&call, 3, &flags)) {
    return NULL;
  }
  RETRY(result, recv(fd, into.data, into.length, flags));
  return answer_call(env, result);
}

/* recvfrom(fd, buffer, length, flags, address) */
static napi_value js_recvfrom(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags;
  struct bytes into;
  uint8_t* from;
  struct address address = {.length = sizeof(address.storage)};
  ssize_t result;
  if (!call_begin(&call, env, info, "recvfrom") || !call_int(&call, 0, "fd", &fd) ||
      !call_room(&call, 1, &into) || !call_int(&call, 3, "flags", &flags) ||
      !call_address_out(&call, 4, &from)) {
    return NULL;
  }
  struct sockaddr* peer = (struct sockaddr*)&address.storage;
  RETRY(result, recvfrom(fd, into.data, into.length, flags, peer, &address.length));
  if (result < 0) return answer_call(env, result);
  address_store(from, &address);
  return answer(env, result);
}

/* send(fd, data, flags = 0): the number of bytes the kernel took. */
static napi_value js_send(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags;
  struct bytes from;
  ssize_t result;
  if (!call_begin(&call, env, info, "send") || !call_int(&call, 0, "fd", &fd) ||
      !call_bytes(&call, 1, "data", &from) || !call_flags(&call, 2, &flags)) {
    return NULL;
  }
  RETRY(result, send(fd, from.data, from.length, flags | NOSIGNAL));
  return answer_call(env, result);
}

/* sendto(fd, data, flags, address) */
static napi_value js_sendto(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags;
  struct bytes from;
  struct address address;
  ssize_t result;
  if (!call_begin(&call, env, info, "sendto") || !call_int(&call, 0, "fd", &fd) ||
      !call_bytes(&call, 1, "data", &from) || !call_int(&call, 2, "flags", &flags) ||
      !call_address(&call, 3, &address)) {
    return NULL;
  }
  struct sockaddr* to = (struct sockaddr*)&address.storage;
  RETRY(result, sendto(fd, from.data, from.length, flags | NOSIGNAL, to, address.length));
  return answer_call(env, result);
}

static napi_value js_shutdown(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, how;
  if (!call_begin(&call, env, info, "shutdown") || !call_int(&call, 0, "fd", &fd) ||
      !call_int(&call, 1, "how", &how)) {
    return NULL;
  }
  return answer_call(env, shutdown(fd, how));
}

/* getsockopt(fd, level, option, value): the length of what the kernel wrote into `value`. */
static napi_value js_getsockopt(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, level, option;
  struct bytes value;
  if (!call_begin(&call, env, info, "getsockopt") || !call_int(&call, 0, "fd", &fd) ||
      !call_int(&call, 1, "level", &level) || !call_int(&call, 2, "option", &option) ||
      !call_bytes(&call, 3, "value", &value)) {
    return NULL;
  }
  socklen_t length = (socklen_t)value.length;
  int result = getsockopt(fd, level, option, value.data, &length);
  return answer_call(env, result < 0 ? result : (int64_t)length);
}

static napi_value js_setsockopt(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, level, option;
  struct bytes value;
  if (!call_begin(&call, env, info, "setsockopt") || !call_int(&call, 0, "fd", &fd) ||
      !call_int(&call, 1, "level", &level) || !call_int(&call, 2, "option", &option) ||
      !call_bytes(&call, 3, "value", &value)) {
    return NULL;
  }
  return answer_call(env, setsockopt(fd, level, option, value.data, (socklen_t)value.length));
}

static napi_value name_of(napi_env env, napi_callback_info info, const char* name, bool peer) {
  struct call call;
  int32_t fd;
  uint8_t* into;
  struct address address = {.length = sizeof(address.storage)};
  if (!call_begin(&call, env, info, name) || !call_int(&call, 0, "fd", &fd) ||
      !call_address_out(&call, 1, &into)) {
    return NULL;
  }
  struct sockaddr* at = (struct sockaddr*)&address.storage;
  int result = peer ? getpeername(fd, at, &address.length) : getsockname(fd, at, &address.length);
  if (result == 0) address_store(into, &address);
  return answer_call(env, result);
}

static napi_value js_getsockname(napi_env env, napi_callback_info info) {
  return name_of(env, info, "getsockname", false);
}

static napi_value js_getpeername(napi_env env, napi_callback_info info) {
  return name_of(env, info, "getpeername", true);
}

/* getpeercred(fd, cred): 0, with pid, uid and gid in the Int32Array `cred` (unix(7)). */
static napi_value js_getpeercred(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  int32_t* cred;
  size_t n;
  if (!call_begin(&call, env, info, "getpeercred") || !call_int(&call, 0, "fd", &fd) ||
      !call_ints(&call, 1, "cred", 3, &cred, &n)) {
    return NULL;
  }
#if defined(__linux__)
  struct ucred peer;
  socklen_t length = sizeof(peer);
  int result = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length);
  if (result == 0) {
    cred[0] = peer.pid;
    cred[1] = (int32_t)peer.uid;
    cred[2] = (int32_t)peer.gid;
  }
#else
  uid_t uid;
  gid_t gid;
  pid_t pid = 0;
  int result = getpeereid(fd, &uid, &gid);
#if defined(LOCAL_PEERPID)
  socklen_t length = sizeof(pid);
  if (result == 0) getsockopt(fd, 0 /* SOL_LOCAL */, LOCAL_PEERPID, &pid, &length);
#endif
  if (result == 0) {
    cred[0] = pid;
    cred[1] = (int32_t)uid;
    cred[2] = (int32_t)gid;
  }
#endif
  return answer_call(env, result);
}

void socket_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"socket", js_socket},
      {"socketpair", js_socketpair},
      {"bind", js_bind},
      {"listen", js_listen},
      {"accept", js_accept},
      {"connect", js_connect},
      {"recv", js_recv},
      {"recvfrom", js_recvfrom},
      {"send", js_send},
      {"sendto", js_sendto},
      {"shutdown", js_shutdown},
      {"getsockopt", js_getsockopt},
      {"setsockopt", js_setsockopt},
      {"getsockname", js_getsockname},
      {"getpeername", js_getpeername},
      {"getpeercred", js_getpeercred},
  };
  EXPORT(env, exports, list);
}
