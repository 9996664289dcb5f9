/*
 * The descriptors that an environment (the main thread or one worker) closes when it ends: those
 * that its Descriptor objects hold. The calls that make sockets and queues, which always become
 * a Descriptor, note them here at once, since a worker may be terminated before the constructor
 * runs. The constructor of Descriptor notes all others. Descriptors of dup, pipe and recvmsg
 * belong to the caller, and are not noted.
 */
#include "binding.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BITS 64

/* One bit for each descriptor. */
struct owned {
  uint64_t* bits;
  size_t words;
};

static struct owned* owned_of(napi_env env) {
  void* data = NULL;
  napi_get_instance_data(env, &data);
  return data;
}

static void close_all(void* data) {
  struct owned* owned = data;
  for (size_t word = 0; word < owned->words; word++) {
    for (int bit = 0; bit < BITS; bit++) {
      if (owned->bits[word] >> bit & 1) close((int)word * BITS + bit);
    }
  }
  free(owned->bits);
  owned->bits = NULL;
  owned->words = 0;
}

static void free_owned(napi_env env, void* data, void* hint) {
  free(data);
}

bool owned_start(napi_env env) {
  struct owned* owned = calloc(1, sizeof(*owned));
  if (owned == NULL) return false;
  if (napi_set_instance_data(env, owned, free_owned, NULL) != napi_ok) {
    free(owned);
    return false;
  }
  return napi_add_env_cleanup_hook(env, close_all, owned) == napi_ok;
}

bool own(napi_env env, int fd) {
  struct owned* owned = owned_of(env);
  if (fd < 0) return false;
  size_t word = (size_t)fd / BITS;
  if (word >= owned->words) {
    size_t words = word + 16;
    uint64_t* larger = realloc(owned->bits, words * sizeof(*larger));
    if (larger == NULL) return false;
    memset(larger + owned->words, 0, (words - owned->words) * sizeof(*larger));
    owned->bits = larger;
    owned->words = words;
  }
  owned->bits[word] |= UINT64_C(1) << (fd % BITS);
  return true;
}

bool is_owned(napi_env env, int fd) {
  struct owned* owned = owned_of(env);
  if (fd < 0 || (size_t)fd / BITS >= owned->words) return false;
  return owned->bits[fd / BITS] >> (fd % BITS) & 1;
}

void disown(napi_env env, int fd) {
  if (!is_owned(env, fd)) return;
  owned_of(env)->bits[fd / BITS] &= ~(UINT64_C(1) << (fd % BITS));
}
