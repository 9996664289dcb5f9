/* For sending files: open, pread and sendfile. */
#include "binding.h"

#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <unistd.h>

#if defined(__linux__)
#include <sys/sendfile.h>
#elif defined(__APPLE__) || defined(__FreeBSD__)
#include <sys/types.h>
#include <sys/uio.h>
#endif

/* open(path, flags): a close-on-exec descriptor. The path is bytes, up to the first NUL. */
static napi_value js_open(napi_env env, napi_callback_info info) {
  struct call call;
  struct bytes path;
  int32_t flags;
  char name[PATH_MAX];
  int fd;
  if (!call_begin(&call, env, info, "open") || !call_bytes(&call, 0, "path", &path) ||
      !call_int(&call, 1, "flags", &flags)) {
    return NULL;
  }
  if (path.length >= sizeof(name)) return answer(env, -ENAMETOOLONG);
  if (path.length > 0) memcpy(name, path.data, path.length);
  name[path.length] = '\0';
  RETRY(fd, open(name, flags | O_CLOEXEC, 0666));
  return answer_call(env, fd);
}

/* pread(fd, buffer, length, offset): the number of bytes read. */
static napi_value js_pread(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd;
  struct bytes into;
  size_t offset;
  ssize_t result;
  if (!call_begin(&call, env, info, "pread") || !call_int(&call, 0, "fd", &fd) ||
      !call_room(&call, 1, &into) || !call_size(&call, 3, "offset", &offset)) {
    return NULL;
  }
  RETRY(result, pread(fd, into.data, into.length, (off_t)offset));
  return answer_call(env, result);
}

/*
 * sendfile(fd, file, offset, count): the number of bytes taken; 0 at the end of the file. The
 * systems differ in their arguments, and in the meaning of 0 bytes: on BSD that is the whole
 * file. BSD returns in `sent` how much went out before an error; the error then comes again with
 * the next call. No system has a flag against SIGPIPE, but Node ignores that signal.
 */
static napi_value js_sendfile(napi_env env, napi_callback_info info) {
  struct call call;
  int32_t fd, file;
  size_t offset, count;
  if (!call_begin(&call, env, info, "sendfile") || !call_int(&call, 0, "fd", &fd) ||
      !call_int(&call, 1, "file", &file) || !call_size(&call, 2, "offset", &offset) ||
      !call_size(&call, 3, "count", &count)) {
    return NULL;
  }
  if (count == 0) return answer(env, 0);
#if defined(__linux__)
  off_t from = (off_t)offset;
  ssize_t result;
  RETRY(result, sendfile(fd, file, &from, count));
  return answer_call(env, result);
#elif defined(__APPLE__) || defined(__FreeBSD__)
  off_t sent;
  int result;
  do {
#if defined(__APPLE__)
    sent = (off_t)count;
    result = sendfile(file, fd, (off_t)offset, &sent, NULL, 0);
#else
    sent = 0;
    result = sendfile(file, fd, (off_t)offset, count, NULL, &sent, 0);
#endif
  } while (result < 0 && errno == EINTR && sent == 0);
  return answer_call(env, result < 0 && sent == 0 ? result : (int64_t)sent);
#else
  return answer(env, -ENOSYS);
#endif
}

void file_init(napi_env env, napi_value exports) {
  static const struct function list[] = {
      {"open", js_open},
      {"pread", js_pread},
      {"sendfile", js_sendfile},
  };
  EXPORT(env, exports, list);
}
