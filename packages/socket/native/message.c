/* sendmsg, recvmsg, their forms for many messages, and the packing of control messages (cmsg(3)). */
#include "binding.h"

#include <string.h>
#include <sys/uio.h>

#if defined(__linux__)
#define SEND_FLAGS MSG_NOSIGNAL
#define RECV_FLAGS MSG_CMSG_CLOEXEC
#else
#define SEND_FLAGS 0
#define RECV_FLAGS 0
#endif

#define MAX_BUFFERS 1024 /* IOV_MAX */

/* Reading an element may run a getter, which may detach other elements. So all are read first. */
static bool call_buffers(struct call* call, int i, struct iovec* list, uint32_t* count) {
  bool is_array = false;
  napi_value items[MAX_BUFFERS];
  napi_is_array(call->env, call->argv[i], &is_array);
  if (!is_array) return throw_type(call, "buffers", "an array of Uint8Arrays");
  napi_get_array_length(call->env, call->argv[i], count);
  if (*count > MAX_BUFFERS) return throw_range(call, "buffers", "1024 or fewer");
  for (uint32_t k = 0; k < *count; k++) {
    if (napi_get_element(call->env, call->argv[i], k, &items[k]) != napi_ok) return false;
  }
  for (uint32_t k = 0; k < *count; k++) {
    struct bytes bytes;
    if (!bytes_of(call->env, items[k], &bytes)) {
      return throw_type(call, "buffers",
                        "an array of Uint8Arrays that are not detached (of strings: Buffer.from)");
    }
    list[k].iov_base = bytes.data;
    list[k].iov_len = bytes.length;
  }
  return true;
}

/* sendmsg(fd, buffers, flags, address | null, control | null): the number of bytes taken. */
static napi_value js_sendmsg(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags;
  struct iovec list[MAX_BUFFERS];
  uint32_t count;
  struct address address;
  struct bytes control;
  struct msghdr message = {.msg_iov = list};
  ssize_t result;
  if (!call_begin(&call, env, info, "sendmsg") || !call_int(&call, 0, "fd", &fd) ||
      !call_buffers(&call, 1, list, &count) || !call_int(&call, 2, "flags", &flags)) {
    return NULL;
  }
  message.msg_iovlen = count;
  if (!call_absent(&call, 3)) {
    if (!call_address(&call, 3, &address)) return NULL;
    message.msg_name = &address.storage;
    message.msg_namelen = address.length;
  }
  if (!call_absent(&call, 4)) {
    if (!call_bytes(&call, 4, "control", &control)) return NULL;
    message.msg_control = control.data;
    message.msg_controllen = control.length;
  }
  RETRY(result, sendmsg(fd, &message, flags | SEND_FLAGS));
  return answer_call(env, result);
}

/*
 * recvmsg(fd, buffer, length, flags, address, control | null, out): the number of bytes,
 * with msg_flags and the length of the control messages in the Int32Array `out`.
 */
static napi_value js_recvmsg(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags;
  struct bytes into;
  uint8_t* from;
  struct bytes control = {0};
  int32_t* out;
  size_t n;
  struct address address = {.length = sizeof(address.storage)};
  ssize_t result;
  if (!call_begin(&call, env, info, "recvmsg") || !call_int(&call, 0, "fd", &fd) ||
      !call_room(&call, 1, &into) || !call_int(&call, 3, "flags", &flags) ||
      !call_address_out(&call, 4, &from) ||
      (!call_absent(&call, 5) && !call_bytes(&call, 5, "control", &control)) ||
      !call_ints(&call, 6, "out", 2, &out, &n)) {
    return NULL;
  }
  struct iovec list = {.iov_base = into.data, .iov_len = into.length};
  struct msghdr message = {.msg_iov = &list,
                           .msg_iovlen = 1,
                           .msg_name = &address.storage,
                           .msg_namelen = sizeof(address.storage),
                           .msg_control = control.data,
                           .msg_controllen = control.length};
  RETRY(result, recvmsg(fd, &message, flags | RECV_FLAGS));
  if (result < 0) return answer_call(env, result);
  address.length = message.msg_namelen;
  address_store(from, &address);
  out[0] = message.msg_flags;
  out[1] = (int32_t)message.msg_controllen;
  return answer(env, result);
}

#if defined(__linux__)

#define MOST_MESSAGES 64

static void message_of(struct mmsghdr* message, struct iovec* part, struct address* address) {
  memset(message, 0, sizeof(*message));
  message->msg_hdr.msg_iov = part;
  message->msg_hdr.msg_iovlen = 1;
  message->msg_hdr.msg_name = address == NULL ? NULL : &address->storage;
  message->msg_hdr.msg_namelen = address == NULL ? 0 : address->length;
}

/*
 * recvmmsg(fd, into, size, count, flags, addresses, lengths): how many messages came, each in `size`
 * bytes of `into` and an address's bytes of `addresses`, with its length in the Int32Array `lengths`.
 */
static napi_value js_recvmmsg(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, size, count, flags, result;
  struct bytes into, names;
  int32_t* lengths;
  size_t n;
  struct mmsghdr messages[MOST_MESSAGES];
  struct iovec parts[MOST_MESSAGES];
  struct address addresses[MOST_MESSAGES];
  if (!call_begin(&call, env, info, "recvmmsg") || !call_int(&call, 0, "fd", &fd) ||
      !call_bytes(&call, 1, "into", &into) || !call_count(&call, 2, "size", INT32_MAX, &size) ||
      !call_count(&call, 3, "count", MOST_MESSAGES, &count) ||
      !call_int(&call, 4, "flags", &flags) || !call_bytes(&call, 5, "addresses", &names) ||
      !call_ints(&call, 6, "lengths", (size_t)count, &lengths, &n)) {
    return NULL;
  }
  if ((size_t)size * (size_t)count > into.length ||
      sizeof(struct address) * (size_t)count > names.length) {
    throw_range(&call, "count", "no more than there is room for");
    return NULL;
  }
  for (int32_t i = 0; i < count; i++) {
    parts[i].iov_base = into.data + (size_t)i * (size_t)size;
    parts[i].iov_len = (size_t)size;
    memset(&addresses[i], 0, sizeof(addresses[i])); /* equal ones are compared as bytes */
    addresses[i].length = sizeof(addresses[i].storage);
    message_of(&messages[i], &parts[i], &addresses[i]);
  }
  RETRY(result,
        recvmmsg(fd, messages, (unsigned)count, flags | RECV_FLAGS | MSG_WAITFORONE, NULL));
  for (int32_t i = 0; i < result; i++) {
    addresses[i].length = messages[i].msg_hdr.msg_namelen;
    address_store(names.data + (size_t)i * sizeof(struct address), &addresses[i]);
    lengths[i] = (int32_t)messages[i].msg_len;
  }
  return answer_call(env, result);
}

/*
 * sendmmsg(fd, buffers, flags, addresses | null): how many messages were taken, one for each buffer,
 * to the addresses that lie one after the other in `addresses`.
 */
static napi_value js_sendmmsg(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, flags, result;
  struct iovec parts[MAX_BUFFERS];
  uint32_t count;
  struct bytes names = {0};
  struct mmsghdr messages[MOST_MESSAGES];
  struct address addresses[MOST_MESSAGES];
  if (!call_begin(&call, env, info, "sendmmsg") || !call_int(&call, 0, "fd", &fd) ||
      !call_buffers(&call, 1, parts, &count) || !call_int(&call, 2, "flags", &flags) ||
      (!call_absent(&call, 3) && !call_bytes(&call, 3, "addresses", &names))) {
    return NULL;
  }
  bool has_names = !call_absent(&call, 3);
  if (count > MOST_MESSAGES) {
    throw_range(&call, "buffers", "64 or fewer");
    return NULL;
  }
  if (has_names && sizeof(struct address) * (size_t)count > names.length) {
    throw_range(&call, "addresses", "as many as there are buffers");
    return NULL;
  }
  for (uint32_t i = 0; i < count; i++) {
    if (has_names) {
      memcpy(&addresses[i], names.data + (size_t)i * sizeof(struct address), sizeof(addresses[i]));
      if (addresses[i].length > sizeof(addresses[i].storage)) {
        throw_range(&call, "addresses", "ones that address_pack made");
        return NULL;
      }
    }
    message_of(&messages[i], &parts[i], has_names ? &addresses[i] : NULL);
  }
  RETRY(result, sendmmsg(fd, messages, count, flags | SEND_FLAGS));
  return answer_call(env, result);
}

#endif

/* cmsg_space(length): the room that a control message with `length` bytes of data takes. */
static napi_value js_cmsg_space(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t length;
  if (!call_begin(&call, env, info, "cmsg_space") ||
      !call_count(&call, 0, "length", 1 << 20, &length)) {
    return NULL;
  }
  return answer(env, (int64_t)CMSG_SPACE((size_t)length));
}

/* cmsg_pack(control, offset, level, type, data): the offset after the message. */
static napi_value js_cmsg_pack(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t offset, level, type;
  struct bytes control, data;
  if (!call_begin(&call, env, info, "cmsg_pack") || !call_bytes(&call, 0, "control", &control) ||
      !call_count(&call, 1, "offset", INT32_MAX, &offset) || !call_int(&call, 2, "level", &level) ||
      !call_int(&call, 3, "type", &type) || !call_bytes(&call, 4, "data", &data)) {
    return NULL;
  }
  size_t end = (size_t)offset + CMSG_SPACE(data.length);
  if (data.length > 1 << 20 || end > control.length) {
    throw_range(&call, "control", "large enough");
    return NULL;
  }
  struct cmsghdr header = {0};
  header.cmsg_len = CMSG_LEN(data.length);
  header.cmsg_level = level;
  header.cmsg_type = type;
  uint8_t* at = control.data + offset;
  memset(at, 0, CMSG_SPACE(data.length));
  memcpy(at, &header, sizeof(header));
  if (data.length > 0) memmove(at + CMSG_LEN(0), data.data, data.length);
  return answer(env, (int64_t)end);
}

/*
 * cmsg_unpack(control, end, offset, out): the offset of the message after the one at `offset`, or
 * 0 when there is none there; level, type, start and length of its data in the Int32Array `out`.
 */
static napi_value js_cmsg_unpack(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t end, offset;
  struct bytes control;
  int32_t* out;
  size_t n;
  struct cmsghdr header;
  if (!call_begin(&call, env, info, "cmsg_unpack") || !call_bytes(&call, 0, "control", &control) ||
      !call_count(&call, 1, "end", INT32_MAX, &end) ||
      !call_count(&call, 2, "offset", INT32_MAX, &offset) ||
      !call_ints(&call, 3, "out", 4, &out, &n)) {
    return NULL;
  }
  size_t limit = (size_t)end < control.length ? (size_t)end : control.length;
  size_t start = (size_t)offset;
  if (start > limit || limit - start < sizeof(header)) return answer(env, 0);
  memcpy(&header, control.data + start, sizeof(header));
  size_t length = header.cmsg_len;
  if (length < CMSG_LEN(0) || length > limit - start) return answer(env, 0);
  out[0] = header.cmsg_level;
  out[1] = header.cmsg_type;
  out[2] = (int32_t)(start + CMSG_LEN(0));
  out[3] = (int32_t)(length - CMSG_LEN(0));
  return answer(env, (int64_t)(start + CMSG_SPACE(length - CMSG_LEN(0))));
}

void message_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"sendmsg", js_sendmsg},     {"recvmsg", js_recvmsg},         {"cmsg_space", js_cmsg_space},
      {"cmsg_pack", js_cmsg_pack}, {"cmsg_unpack", js_cmsg_unpack},
#if defined(__linux__)
      {"recvmmsg", js_recvmmsg},   {"sendmmsg", js_sendmmsg},
#endif
  };
  EXPORT(env, exports, list);
}
