/** What the manual pages name and no kernel does to these programs: not tried, for the reason given. */
export const IMPOSSIBLE = [
  {
    calls: ['every call'],
    outcomes: ['EFAULT'],
    reason: 'memory comes from Node-API or the stack, and the addon checks lengths',
  },
  {
    calls: ['open'],
    outcomes: [
      ...[
        'EDQUOT',
        'EEXIST',
        'EFBIG',
        'EISDIR',
        'ENOSPC',
        'EOPNOTSUPP',
        'EROFS',
        'ETXTBSY',
        'EBADF',
      ],
    ],
    reason: 'open(2): for who writes or creates, for its flags, and for a path beside a descriptor',
  },
  {
    calls: ['close_socket', 'close_queue'],
    outcomes: ['EIO', 'ENOSPC', 'EDQUOT'],
    reason:
      'close(2) reports what an earlier write left over, on network file systems; sockets and epoll have no such flush',
  },
  {
    calls: ['connect'],
    outcomes: ['EINTR'],
    reason:
      'connect(2) on a socket that does not block never waits; where it is interrupted, POSIX lets the attempt go on: EINTR:made is tried',
  },
  {
    calls: ['connect'],
    outcomes: ['EINPROGRESS', 'EISCONN'],
    reason: 'usual answers, which every run has: the attempt goes on, or is done',
  },
  {
    calls: ['getpeername'],
    outcomes: ['ENOTCONN', 'EINVAL'],
    reason:
      'of a connection that poll(2) still calls one; ENOTCONN:made and EINVAL:made, which are tried, reset it first',
  },
  {
    calls: ['fcntl_getfd'],
    outcomes: ['EBADF'],
    reason:
      'of a descriptor that is open, which whoever is told of it could not close; EBADF:made, which is tried, closes it first',
  },
  {
    calls: ['accept4'],
    outcomes: ['EIO', 'ERESTARTSYS'],
    reason: 'accept(2) names no EIO, and ERESTARTSYS for traces only',
  },
  {
    calls: ['epoll_ctl_add'],
    outcomes: ['EPERM'],
    reason:
      'only a regular file or a folder has it, and is taken for always ready, as select(2) says; the programs watch sockets and pipes',
  },
  {
    calls: ['epoll_wait', 'poll', 'select'],
    outcomes: ['one event of several that were told'],
    reason: 'poll(2) and select(2) tell all; epoll_wait(2) tells as many as it has room for: tried',
  },
  {
    calls: ['recv', 'recvmsg', 'recvfrom', 'recvmmsg'],
    outcomes: ['less of a datagram'],
    reason: 'recv(2): a message comes whole, or its rest is gone; the caller has chosen the size',
  },
  {
    calls: ['send', 'sendmsg', 'sendto', 'sendmmsg'],
    outcomes: ['EISCONN', 'EOPNOTSUPP', 'EALREADY'],
    reason: 'send(2): for an address or flags that the call does not have, and TCP Fast Open',
  },
  {
    calls: ['send', 'sendmsg'],
    outcomes: ['EDESTADDRREQ'],
    reason:
      'send(2): without an address they are for connected sockets, which have a peer or ENOTCONN',
  },
  {
    calls: ['epoll_ctl_add'],
    outcomes: ['ENOENT'],
    reason: 'epoll_ctl(2): of the other operations',
  },
  {
    calls: ['epoll_ctl_mod', 'epoll_ctl_del'],
    outcomes: ['EEXIST', 'ELOOP', 'ENOSPC', 'EPERM'],
    reason: 'epoll_ctl(2): of EPOLL_CTL_ADD',
  },
  {
    calls: ['fcntl_getfl', 'fcntl_setfl', 'fcntl_getfd'],
    outcomes: ['EMFILE'],
    reason: 'fcntl(2): of F_DUPFD',
  },
  {
    calls: ['fcntl_getfl', 'fcntl_getfd', 'fcntl_dupfd'],
    outcomes: ['EPERM'],
    reason: 'fcntl(2): of F_SETFL and others that change something',
  },
  {
    calls: ['write'],
    outcomes: ['EDESTADDRREQ'],
    reason: 'write(2): for a datagram socket without a peer, which uses send(2)',
  },
  {
    calls: ['socketpair', 'pipe2', 'epoll_create1'],
    outcomes: ['EPROTONOSUPPORT', 'EINVAL', 'ENOPKG'],
    reason: 'for arguments that the addon does not pass',
  },
  {
    calls: ['fcntl_getfl', 'fcntl_setfl', 'fcntl_getfd', 'fcntl_dupfd'],
    outcomes: ['EACCES', 'EAGAIN', 'EBUSY', 'EDEADLK', 'EINTR', 'EINVAL', 'ENOLCK', 'ENOTDIR'],
    reason:
      'fcntl(2): for locks, leases and notifications, or for arguments that the addon does not pass',
  },
  {
    calls: ['calloc', 'realloc'],
    outcomes: ['memory of Node-API or V8'],
    reason: 'they end the process when they have none',
  },
];
