/**
 * What each call may answer, by the manual pages that are named, and what a program may notice of it. Every
 * outcome is tried at every place where a program makes the call. `impossible.mjs` has what is not tried.
 *
 * - `transparent`: nobody notices: all that was to arrive arrives, nobody is told anything.
 * - `listener_survives`: as that, though a listener may rest for a while.
 * - `one_lost`: the error is that of one connection, which is gone with it; the others are served.
 * - `told`: whom it concerns is told, once; nobody else notices. The attempt, connection or loop may be over.
 * - `goes_on`: told to a channel whose `handle_error` leaves it open: all that was to arrive arrives.
 *
 * Beside errors (`EINTR:made`: what the error says is done as well) there are `one_byte` and `half` (the call takes or gives only so much; `one_byte` of a wait
 * is one event), `nothing` (a wait ends with nothing ready) and `late` (the call takes 12 ms).
 * `repeated`: the outcome also comes so often in a row.
 */

const SIGNAL = 'a signal came first (signal(7))';
const NOT_YET = 'what the poller said is no longer so, as select(2) warns under BUGS';
const LATE = 'the thread did not run meanwhile';
const SHORT = 'fewer bytes than asked for';
const CLOSED = 'somebody else closed the descriptor';
const REUSED = 'somebody else closed it, and a file has its number';
const PROCESS_LIMIT = 'the process’s limit on open descriptors';
const SYSTEM_LIMIT = 'the system’s limit on open files';
const MEMORY = 'no memory';
const BUFFERS = 'no memory for buffers';

const data = { EINTR: SIGNAL, EAGAIN: NOT_YET, one_byte: SHORT, half: SHORT, late: LATE };
/** ip(7), tcp(7): what came of packets sent before. */
const network = {
  ETIMEDOUT: 'the other end did not answer retransmissions',
  EHOSTUNREACH: 'an ICMP message said so',
  ENETUNREACH: 'an ICMP message said so',
};
const waits = { EINTR: 3, nothing: 3 };

export const OUTCOMES = {
  recv: {
    manual: 'recv(2), tcp(7), ip(7), unix(7)',
    transparent: data,
    told: {
      ...network,
      ECONNRESET: 'the peer has reset the connection',
      ECONNREFUSED: 'an ICMP message to a datagram socket said so',
      ENOTCONN: 'there is no connection',
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EPROTO: 'the protocol was violated',
      EPERM: 'a security module or a filter forbids it',
      EIO: 'a device or a file system failed, for what is given as a socket',
      EINVAL: 'an invalid argument, as for what is no ordinary socket',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
    goes_on: {
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EPERM: 'a security module forbids it',
      EACCES: 'a security module forbids it',
      EIO: 'passing trouble',
      EINVAL: 'passing trouble',
    },
    repeated: { EINTR: 3, EAGAIN: 3, one_byte: 5, ECONNRESET: Infinity, ENOMEM: [3, Infinity] },
  },
  send: {
    manual: 'send(2), tcp(7), ip(7), unix(7)',
    transparent: data,
    told: {
      ...network,
      ECONNRESET: 'the peer has reset the connection',
      EPIPE: 'the connection is shut down for writing',
      ENOTCONN: 'there is no connection',
      ENOBUFS: 'the network’s queue is full',
      ENOMEM: MEMORY,
      ENETDOWN: 'the interface is down',
      EPERM: 'a firewall rule forbids it',
      EACCES: 'no permission for this address',
      EMSGSIZE: 'the message is too long',
      EIO: 'a device failed, for what is given as a socket',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
    goes_on: {
      ENOBUFS: 'the network’s queue is full',
      ENOMEM: MEMORY,
      EPERM: 'a firewall rule forbids it, for now',
      EACCES: 'a security module forbids it, for now',
      EIO: 'passing trouble',
      EINVAL: 'passing trouble',
    },
    repeated: { EINTR: 3, EAGAIN: 3, one_byte: 5, EPIPE: Infinity, ENOBUFS: [3, Infinity] },
  },
  recvfrom: {
    manual: 'recv(2), udp(7), ip(7)',
    transparent: { EINTR: SIGNAL, EAGAIN: 'its checksum was wrong (select(2), BUGS)', late: LATE },
    told: {
      ECONNREFUSED: 'nobody received what was sent before',
      EHOSTUNREACH: 'an ICMP message said so',
      ENETDOWN: 'the interface is down',
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EIO: 'a device failed, for what is given as a socket',
      EBADF: CLOSED,
      ENOTCONN: 'a stream that is not connected',
      EINVAL: 'an invalid argument',
      ENOTSOCK: REUSED,
    },
    repeated: { EINTR: 3, EAGAIN: 3, ENOMEM: Infinity },
  },
  sendto: {
    manual: 'send(2), udp(7), ip(7)',
    transparent: { EINTR: SIGNAL, late: LATE },
    told: {
      EAGAIN: 'no room: a datagram that is not sent is lost, and nobody sends it again by itself',
      ECONNREFUSED: 'nobody received what was sent before',
      ENOBUFS: 'the interface’s queue is full',
      ENOMEM: MEMORY,
      EPERM: 'a firewall rule forbids it',
      EACCES: 'a broadcast address without SO_BROADCAST',
      ENETUNREACH: 'no route',
      EHOSTUNREACH: 'no route',
      EMSGSIZE: 'the message is too long',
      ENETDOWN: 'the interface is down',
      EINVAL: 'an invalid argument',
      EBADF: CLOSED,
      ECONNRESET: 'a stream or SEQPACKET peer has reset the connection',
      EPIPE: 'the local end is shut down for writing',
      ENOTCONN: 'a stream that is not connected',
      EDESTADDRREQ: 'no address, and no peer',
      ENOTSOCK: REUSED,
    },
    repeated: { EINTR: 3, ENOBUFS: Infinity },
  },
  recvmsg: {
    manual: 'recv(2), unix(7)',
    transparent: { EINTR: SIGNAL, EAGAIN: NOT_YET, late: LATE },
    told: {
      ECONNRESET: 'the peer closed with data unread',
      ENOTCONN: 'there is no connection',
      EMFILE: 'no descriptor number left for what was passed',
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EBADF: CLOSED,
      ECONNREFUSED: 'nobody received what was sent before',
      EINVAL: 'an invalid argument',
      ENOTSOCK: REUSED,
    },
    repeated: { EINTR: 3, EAGAIN: 3, ENOMEM: Infinity },
  },
  sendmsg: {
    manual: 'send(2), tcp(7), unix(7)',
    transparent: data,
    told: {
      ECONNRESET: 'the peer has reset the connection',
      EPIPE: 'the connection is shut down for writing',
      ETIMEDOUT: 'the other end did not answer retransmissions',
      EHOSTUNREACH: 'an ICMP message said so',
      ETOOMANYREFS: 'too many descriptors are under way',
      ENOBUFS: BUFFERS,
      ENOMEM: MEMORY,
      EMSGSIZE: 'the message is too long',
      EPERM: 'a firewall rule forbids it',
      EBADF: CLOSED,
      ENOTCONN: 'there is no connection',
      ENOTSOCK: REUSED,
    },
    goes_on: {
      ENOBUFS: 'the network’s queue is full',
      ENOMEM: MEMORY,
      EPERM: 'a firewall rule forbids it, for now',
      EACCES: 'a security module forbids it, for now',
      EIO: 'passing trouble',
      EINVAL: 'passing trouble',
    },
    repeated: { EINTR: 3, EAGAIN: 3, one_byte: 5, EPIPE: Infinity, ENOBUFS: Infinity },
  },
  read: {
    manual: 'read(2), pipe(7)',
    transparent: data,
    told: {
      EIO: 'the terminal’s or the file’s device failed',
      EISDIR: 'it is a directory',
      EINVAL: 'it is unsuitable for reading',
      ENOMEM: MEMORY,
      EBADF: 'it is closed, or not open for reading',
    },
    repeated: { EINTR: 3, EAGAIN: 3, one_byte: 5, EIO: Infinity },
  },
  write: {
    manual: 'write(2), pipe(7)',
    transparent: data,
    told: {
      EPIPE: 'the reading end is closed',
      ENOSPC: 'the device is full',
      EDQUOT: 'the user’s quota is used up',
      EFBIG: 'the file would be too big',
      EIO: 'the device failed',
      ENOMEM: MEMORY,
      EINVAL: 'it is unsuitable for writing',
      EPERM: 'a seal forbids it',
      EBADF: 'it is closed, or not open for writing',
    },
    repeated: { EINTR: 3, EAGAIN: 3, one_byte: 5, ENOSPC: Infinity },
  },
  socket: {
    manual: 'socket(2)',
    told: {
      EMFILE: PROCESS_LIMIT,
      ENFILE: SYSTEM_LIMIT,
      ENOBUFS: BUFFERS,
      ENOMEM: MEMORY,
      EACCES: 'no permission',
      EAFNOSUPPORT: 'the family is not supported here',
      EPROTONOSUPPORT: 'the protocol is not supported here',
      EINVAL: 'an unknown protocol, or flags that the kernel does not know',
    },
    repeated: { EMFILE: Infinity },
  },
  socketpair: {
    manual: 'socketpair(2)',
    told: {
      EMFILE: PROCESS_LIMIT,
      ENFILE: SYSTEM_LIMIT,
      ENOMEM: MEMORY,
      EOPNOTSUPP: 'the protocol has no pairs',
      EAFNOSUPPORT: 'the family is not supported here',
    },
  },
  pipe2: {
    manual: 'pipe(2)',
    told: {
      EMFILE: PROCESS_LIMIT,
      ENFILE: 'the system’s limit on open files, or the user’s on memory for pipes',
      ENOMEM: MEMORY,
    },
  },
  bind: {
    manual: 'bind(2), ip(7), unix(7)',
    told: {
      EADDRINUSE: 'somebody has the address',
      EACCES: 'a protected address, or no permission to make the file',
      EADDRNOTAVAIL: 'no interface has the address',
      EINVAL: 'it is bound already',
      ENOMEM: MEMORY,
      ENOENT: 'a folder of the path does not exist',
      ENOTDIR: 'a folder of the path is none',
      ELOOP: 'too many symbolic links in the path',
      ENAMETOOLONG: 'the path is too long',
      EROFS: 'the file system is read-only',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
  },
  listen: {
    manual: 'listen(2)',
    told: {
      EADDRINUSE: 'somebody listens there',
      EOPNOTSUPP: 'not a kind of socket that listens',
      EINVAL: 'it is connected',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
  },
  accept4: {
    manual: 'accept(2)',
    transparent: { EINTR: SIGNAL, EAGAIN: 'the connection is gone again', late: LATE },
    listener_survives: {
      EMFILE: PROCESS_LIMIT,
      ENFILE: SYSTEM_LIMIT,
      ENOBUFS: BUFFERS,
      ENOMEM: MEMORY,
      ECONNABORTED: 'a connection was aborted',
      ECONNRESET: 'a network error of the new socket',
      EPERM: 'a firewall rule forbids the connection',
      EACCES: 'a security module forbids the connection',
      EPROTO: 'a network error of the new socket',
      ENETDOWN: 'a network error of the new socket',
      ENOPROTOOPT: 'a network error of the new socket',
      EHOSTDOWN: 'a network error of the new socket',
      ENONET: 'a network error of the new socket',
      EHOSTUNREACH: 'a network error of the new socket',
      EOPNOTSUPP: 'a network error of the new socket',
      ENETUNREACH: 'a network error of the new socket',
      ETIMEDOUT: '“various Linux kernels can return” it',
      ENOSR: '“various Linux kernels can return” it',
      ESOCKTNOSUPPORT: '“various Linux kernels can return” it',
      EPROTONOSUPPORT: '“various Linux kernels can return” it',
    },
    one_lost: {
      ECONNABORTED: 'the connection was aborted',
      ECONNRESET: 'the connection was reset',
      EPERM: 'a firewall rule forbids the connection',
      EACCES: 'a security module forbids the connection',
      EPROTO: 'its pending network error',
      ENETDOWN: 'its pending network error',
      ENOPROTOOPT: 'its pending network error',
      EHOSTDOWN: 'its pending network error',
      ENONET: 'its pending network error',
      EHOSTUNREACH: 'its pending network error',
      EOPNOTSUPP: 'its pending network error',
      ENETUNREACH: 'its pending network error',
      ETIMEDOUT: 'its pending network error',
    },
    told: {
      EINVAL: 'somebody else shut the listener down, so that it listens no more',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
    repeated: { EINTR: 3, EAGAIN: 3, EMFILE: 3, ENOMEM: 3, ECONNABORTED: 3 },
  },
  connect: {
    manual: 'connect(2), tcp(7), unix(7)',
    transparent: {
      'EINTR:made': 'a signal came, and the attempt goes on (POSIX)',
      late: LATE,
    },
    told: {
      ...network,
      ECONNREFUSED: 'nobody listens there',
      ECONNRESET: 'the peer has reset the connection',
      ECONNABORTED: 'Linux: the attempt before this one failed',
      EADDRNOTAVAIL: 'no free port',
      EADDRINUSE: 'the local address is in use',
      EACCES: 'a broadcast address, or no permission to write to the file',
      EPERM: 'a firewall rule forbids it',
      EAGAIN: 'no free port; of a Unix socket, the listener’s queue is full',
      EALREADY: 'the attempt before this one is not over',
      ENOENT: 'there is no such file (path_resolution(7))',
      EPROTOTYPE: 'the file is a socket of another type',
      EAFNOSUPPORT: 'the address is of another family',
      EINVAL: 'an invalid argument',
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EIO: 'a file system failed, for a path',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
    repeated: { EAGAIN: Infinity, ENETUNREACH: Infinity },
  },
  shutdown: {
    manual: 'shutdown(2)',
    transparent: { late: LATE },
    told: {
      ENOTCONN: 'the connection is gone',
      EINVAL: 'an invalid argument',
      ENOBUFS: BUFFERS,
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
  },
  close_socket: {
    manual: 'close(2)',
    transparent: { EINTR: 'a signal came, and the descriptor is gone all the same', late: LATE },
    told: { EBADF: CLOSED },
  },
  close_queue: {
    manual: 'close(2)',
    transparent: { EINTR: 'a signal came, and the descriptor is gone all the same', late: LATE },
    told: { EBADF: CLOSED },
  },
  close_file: {
    manual: 'close(2)',
    transparent: { EINTR: 'a signal came, and the descriptor is gone all the same', late: LATE },
    told: {
      EIO: 'what was written before could not be',
      ENOSPC: 'NFS: what was written before did not fit',
      EDQUOT: 'NFS: what was written before was over the quota',
      EBADF: CLOSED,
    },
    repeated: { EIO: Infinity },
  },
  getsockopt: {
    manual: 'getsockopt(2), ip(7)',
    transparent: { late: LATE },
    told: {
      ENOBUFS: BUFFERS,
      ENOMEM: MEMORY,
      EINVAL: 'an invalid argument',
      ENOPROTOOPT: 'the option is unknown here',
      EPERM: 'a filter (BPF) forbids it',
      ENOTSOCK: REUSED,
      EBADF: CLOSED,
    },
    repeated: { ENOMEM: Infinity },
  },
  setsockopt: {
    manual: 'setsockopt(2), socket(7), ip(7)',
    told: {
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EINVAL: 'an invalid argument',
      ENOPROTOOPT: 'the option is unknown here',
      EPERM: 'a filter (BPF) forbids it, or only root may',
      EDOM: 'the value is out of bounds',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
  },
  no_delay: {
    manual:
      'setsockopt(2), tcp(7): TCP_NODELAY, which is an advice that the library gives by itself',
    transparent: {
      ENOMEM: MEMORY,
      ENOBUFS: BUFFERS,
      EINVAL: 'an invalid argument; macOS: the connection is gone',
      ENOPROTOOPT: 'the option is unknown here',
      EPERM: 'a filter (BPF) forbids it',
      EOPNOTSUPP: 'the protocol has no such option',
      late: LATE,
    },
    told: { EBADF: CLOSED, ENOTSOCK: REUSED },
  },
  getsockname: {
    manual: 'getsockname(2)',
    told: {
      ENOBUFS: BUFFERS,
      EINVAL: 'an invalid argument',
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
  },
  getpeername: {
    manual: 'getpeername(2)',
    told: {
      'ENOTCONN:made': 'the peer has reset the connection, and somebody has taken SO_ERROR',
      'EINVAL:made': 'macOS: the same',
      ENOBUFS: BUFFERS,
      EBADF: CLOSED,
      ENOTSOCK: REUSED,
    },
    repeated: { ENOBUFS: Infinity },
  },
  ioctl: {
    manual: 'ioctl(2), FIONREAD in tcp(7) and unix(7)',
    transparent: { nothing: 'nothing is unread' },
    told: {
      ENOTTY: 'the descriptor is of another kind',
      EINVAL: 'a listening socket (tcp(7))',
      EBADF: CLOSED,
    },
    repeated: { EINVAL: Infinity },
  },
  fcntl_getfl: { manual: 'fcntl(2), F_GETFL', told: { EBADF: CLOSED } },
  fcntl_setfl: {
    manual: 'fcntl(2), F_SETFL',
    told: { EPERM: 'an append-only file', EBADF: CLOSED },
  },
  fcntl_getfd: { manual: 'fcntl(2), F_GETFD', told: { 'EBADF:made': CLOSED } },
  fcntl_dupfd: {
    manual: 'fcntl(2), F_DUPFD_CLOEXEC',
    told: { EMFILE: PROCESS_LIMIT, ENOMEM: MEMORY, EBADF: CLOSED },
  },
  epoll_create1: {
    manual: 'epoll_create(2)',
    told: {
      EMFILE: 'the limit on open descriptors, or the user’s on epoll instances',
      ENFILE: SYSTEM_LIMIT,
      ENOMEM: MEMORY,
    },
  },
  epoll_ctl_add: {
    manual: 'epoll_ctl(2)',
    transparent: { late: LATE },
    told: {
      ENOSPC: 'the user’s limit on watches',
      ENOMEM: MEMORY,
      EEXIST: 'it is watched already: its number was closed and used again',
      EINVAL: 'it cannot be watched',
      ELOOP: 'epoll descriptors that watch each other in a circle, or too deeply',
      EBADF: CLOSED,
    },
    repeated: { ENOSPC: Infinity },
  },
  epoll_ctl_mod: {
    manual: 'epoll_ctl(2)',
    told: {
      ENOMEM: MEMORY,
      ENOENT: 'it is not watched: it was closed, and its number used again',
      EBADF: CLOSED,
      EINVAL: 'it cannot be watched',
    },
    repeated: { ENOMEM: Infinity },
  },
  epoll_ctl_del: {
    manual: 'epoll_ctl(2)',
    told: {
      ENOENT: 'it is not watched: it was closed, and its number used again',
      EBADF: CLOSED,
      ENOMEM: MEMORY,
      EINVAL: 'it cannot be watched',
    },
  },
  epoll_wait: {
    manual: 'epoll_wait(2)',
    transparent: {
      EINTR: SIGNAL,
      nothing: 'nothing became ready in time',
      one_byte: 'one event now, the others the next time',
      late: LATE,
    },
    told: { EINVAL: 'it is no epoll descriptor', EBADF: CLOSED },
    repeated: { ...waits, one_byte: 10 },
  },
  poll: {
    manual: 'poll(2)',
    transparent: { EINTR: SIGNAL, nothing: 'nothing became ready in time', late: LATE },
    told: {
      ENOMEM: MEMORY,
      EINVAL: 'more descriptors than the limit allows',
      EAGAIN: 'no memory, on other systems (NOTES)',
    },
    repeated: waits,
  },
  select: {
    manual: 'select(2)',
    transparent: {
      EINTR: SIGNAL,
      nothing: 'nothing became ready in time',
      EBADF: 'somebody else closed one of the descriptors: the others are served',
      late: LATE,
    },
    told: { ENOMEM: MEMORY, EINVAL: 'a descriptor above the limit' },
    repeated: waits,
  },
  calloc: { manual: 'malloc(3)', told: { ENOMEM: MEMORY } },
  realloc: { manual: 'malloc(3)', told: { ENOMEM: MEMORY } },
};
