/*
 * Socket addresses. JavaScript keeps them as bytes that it does not interpret (struct address).
 * They are packed and unpacked here, because only the system's headers know their layout.
 */
#include "binding.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>

bool call_address_out(struct call* call, int i, uint8_t** out) {
  struct bytes bytes;
  if (!call_bytes(call, i, "address", &bytes)) return false;
  *out = bytes.data;
  if (bytes.length >= sizeof(struct address)) return true;
  return throw_range(call, "address", "as long as address_size says");
}

bool call_address(struct call* call, int i, struct address* out) {
  uint8_t* bytes;
  if (!call_address_out(call, i, &bytes)) return false;
  memcpy(out, bytes, sizeof(*out));
  if (out->length > sizeof(out->storage)) {
    return throw_range(call, "address", "one that address_pack made");
  }
  return true;
}

/*
 * When an address does not fit, the kernel cuts it and returns the length that it would have had.
 */
void address_store(uint8_t* into, struct address* address) {
  if (address->length > sizeof(address->storage)) address->length = sizeof(address->storage);
  memcpy(into, address, sizeof(*address));
}

static void set_length(struct address* address, socklen_t length) {
  address->length = length;
#if defined(__APPLE__) || defined(__FreeBSD__)
  address->storage.ss_len = (uint8_t)length;
#endif
}

static int pack_inet(struct address* address, const char* host, int32_t port) {
  struct sockaddr_in* in = (struct sockaddr_in*)&address->storage;
  in->sin_family = AF_INET;
  in->sin_port = htons((uint16_t)port);
  set_length(address, sizeof(*in));
  return inet_pton(AF_INET, host, &in->sin_addr) == 1 ? 0 : -EINVAL;
}

/* The number of an interface that is given by name or by number; 0 if there is none. */
static int32_t zone_index(const char* zone) {
  uint64_t index = if_nametoindex(zone);
  if (index != 0) return index > INT32_MAX ? 0 : (int32_t)index;
  /*
   * Not strtoul(3): a binary compiled with it on glibc 2.38 or later does not load on older
   * versions.
   */
  for (; *zone >= '0' && *zone <= '9' && index <= INT32_MAX; zone++) {
    index = index * 10 + (uint64_t)(*zone - '0');
  }
  return *zone != '\0' || index > INT32_MAX ? 0 : (int32_t)index;
}

/* If no scope is given, the zone after '%' (fe80::1%eth0, fe80::1%2) is the scope. */
static int pack_inet6(struct address* address, char* host, int32_t port, int32_t flow,
                      int32_t scope) {
  struct sockaddr_in6* in = (struct sockaddr_in6*)&address->storage;
  char* zone = strchr(host, '%');
  if (zone != NULL) *zone++ = '\0';
  if (inet_pton(AF_INET6, host, &in->sin6_addr) != 1) return -EINVAL;
  if (zone != NULL && scope == 0) {
    scope = zone_index(zone);
    if (scope == 0) return -ENODEV;
  }
  in->sin6_family = AF_INET6;
  in->sin6_port = htons((uint16_t)port);
  in->sin6_flowinfo = htonl((uint32_t)flow);
  in->sin6_scope_id = (uint32_t)scope;
  set_length(address, sizeof(*in));
  return 0;
}

/*
 * address_pack(address, family, host, port, flowinfo, scope_id): 0, -EINVAL if not numeric,
 * -ENODEV if its zone is no interface.
 */
static napi_value address_pack(napi_env env, napi_callback_info info) {
  struct call call;
  struct address address = {0};
  uint8_t* into;
  int32_t family, port, flow, scope;
  char host[INET6_ADDRSTRLEN + IF_NAMESIZE + 2];
  if (!call_begin(&call, env, info, "address_pack") || !call_address_out(&call, 0, &into) ||
      !call_int(&call, 1, "family", &family) ||
      !call_string(&call, 2, "host", host, sizeof(host)) ||
      !call_count(&call, 3, "port", 65535, &port) ||
      !call_count(&call, 4, "flowinfo", 0xfffff, &flow) ||
      !call_int(&call, 5, "scope_id", &scope)) {
    return NULL;
  }
  int result = -EAFNOSUPPORT;
  if (family == AF_INET) result = pack_inet(&address, host, port);
  if (family == AF_INET6) result = pack_inet6(&address, host, port, flow, scope);
  address_store(into, &address);
  return answer(env, result);
}

/*
 * address_pack_unix(address, path): 0 or -ENAMETOOLONG. The address's length includes the NUL that
 * ends a path, where there is room for one. An abstract name has none, since every byte of it
 * counts (unix(7)).
 */
static napi_value address_pack_unix(napi_env env, napi_callback_info info) {
  struct call call;
  struct address address = {0};
  struct sockaddr_un* un = (struct sockaddr_un*)&address.storage;
  uint8_t* into;
  struct bytes path;
  if (!call_begin(&call, env, info, "address_pack_unix") || !call_address_out(&call, 0, &into) ||
      !call_bytes(&call, 1, "path", &path)) {
    return NULL;
  }
  if (path.length > sizeof(un->sun_path)) return answer(env, -ENAMETOOLONG);
  un->sun_family = AF_UNIX;
  if (path.length > 0) memcpy(un->sun_path, path.data, path.length);
  bool named = path.length > 0 && path.data[0] != '\0';
  size_t end = path.length + (named && path.length < sizeof(un->sun_path) ? 1 : 0);
  set_length(&address, (socklen_t)(offsetof(struct sockaddr_un, sun_path) + end));
  address_store(into, &address);
  return answer(env, 0);
}

static napi_value unpack_unix(napi_env env, const struct address* address) {
  const struct sockaddr_un* un = (const struct sockaddr_un*)&address->storage;
  size_t start = offsetof(struct sockaddr_un, sun_path);
  size_t length = address->length > start ? address->length - start : 0;
  bool named = length > 0 && un->sun_path[0] != '\0';
  if (named) length = strnlen(un->sun_path, length);
  napi_value path = NULL;
  napi_create_buffer_copy(env, length, un->sun_path, NULL, &path);
  return path;
}

/*
 * address_unpack(address, numbers): the host as a string, or for AF_UNIX the path as a Buffer; null
 * for another family, or none. Family, port, flowinfo and scope_id go into the Int32Array `numbers`.
 */
static napi_value address_unpack(napi_env env, napi_callback_info info) {
  struct call call;
  struct address address;
  char host[INET6_ADDRSTRLEN] = "";
  int32_t* numbers;
  size_t n;
  napi_value none, answered;
  if (!call_begin(&call, env, info, "address_unpack") || !call_address(&call, 0, &address) ||
      !call_ints(&call, 1, "numbers", 4, &numbers, &n)) {
    return NULL;
  }
  napi_get_null(env, &none);
  if (address.length < sizeof(sa_family_t)) return none;
  numbers[0] = address.storage.ss_family;
  if (address.storage.ss_family == AF_UNIX) return unpack_unix(env, &address);
  if (address.storage.ss_family == AF_INET) {
    struct sockaddr_in* in = (struct sockaddr_in*)&address.storage;
    numbers[1] = ntohs(in->sin_port);
    inet_ntop(AF_INET, &in->sin_addr, host, sizeof(host));
  } else if (address.storage.ss_family == AF_INET6) {
    struct sockaddr_in6* in = (struct sockaddr_in6*)&address.storage;
    numbers[1] = ntohs(in->sin6_port);
    numbers[2] = (int32_t)ntohl(in->sin6_flowinfo);
    numbers[3] = (int32_t)in->sin6_scope_id;
    inet_ntop(AF_INET6, &in->sin6_addr, host, sizeof(host));
  } else {
    return none;
  }
  napi_create_string_utf8(env, host, NAPI_AUTO_LENGTH, &answered);
  return answered;
}

void address_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"address_pack", address_pack},
      {"address_pack_unix", address_pack_unix},
      {"address_unpack", address_unpack},
  };
  EXPORT(env, exports, list);
  napi_set_named_property(env, exports, "address_size", answer(env, sizeof(struct address)));
}
