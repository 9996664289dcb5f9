/**
 * The calls that the shim alters, by the names under which it counts them. One function may have several:
 * what fcntl(2) is asked for decides what it may answer.
 */
export const CALLS = [
  ...['recv', 'send', 'recvfrom', 'sendto', 'recvmsg', 'sendmsg', 'read', 'write'],
  ...['recvmmsg', 'sendmmsg', 'open', 'pread', 'sendfile'],
  ...['socket', 'socketpair', 'pipe2', 'bind', 'listen', 'accept4', 'connect', 'shutdown'],
  ...['close_socket', 'close_queue', 'close_file'],
  ...['getsockopt', 'setsockopt', 'no_delay', 'getsockname', 'getpeername', 'ioctl'],
  ...['fcntl_getfl', 'fcntl_setfl', 'fcntl_getfd', 'fcntl_dupfd'],
  ...['epoll_create1', 'epoll_ctl_add', 'epoll_ctl_mod', 'epoll_ctl_del'],
  ...['epoll_wait', 'poll', 'select'],
  ...['calloc', 'realloc'],
  // A number of syscall(2), or a command of fcntl(2), that has no name here yet.
  'unknown',
];

/** What a binary may import although the shim leaves it alone, and why. A star stands for any ending. */
const LEFT_ALONE = {
  'napi_*': 'Node defines it, and the program itself is looked up before what is preloaded',
  'uv_*': 'Node defines it, as it does napi_*',
  __errno_location: 'cannot fail',
  __stack_chk_fail: 'the compiler’s own',
  __cxa_finalize: 'the compiler’s own',
  __gmon_start__: 'the compiler’s own',
  '_ITM_*': 'the compiler’s own',
  free: 'cannot fail',
  memcpy: 'cannot fail',
  memmove: 'cannot fail',
  memset: 'cannot fail',
  strchr: 'cannot fail',
  strnlen: 'cannot fail',
  snprintf: 'writes into memory that is there',
  inet_ntop: 'turns numbers into text',
  inet_pton: 'turns text into numbers',
  if_nametoindex: 'answers 0 for what is no interface; address.test.ts of socket has that',
};

/** Whether a function that a binary imports need not be altered. */
export function isLeftAlone(name) {
  return Object.keys(LEFT_ALONE).some((known) =>
    known.endsWith('*') ? name.startsWith(known.slice(0, -1)) : name === known,
  );
}
