import { type Address, newPackedAddress, pack, packReceiver, unpack } from './address.js';
import {
  type AncillaryData,
  listed,
  MOST_CONTROL,
  packControl,
  type ReceivedAncillaryData,
  unpackControl,
} from './ancillary.js';
import { binding, type Memory } from './binding.js';
import {
  AF_INET,
  AF_UNIX,
  POLLNVAL,
  SCM_RIGHTS,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SOCK_SEQPACKET,
  SOCK_STREAM,
  SOL_SOCKET,
  SOMAXCONN,
} from './constants.js';
import {
  type Datagram,
  type ReceivedDatagram,
  receive_datagrams,
  send_datagrams,
} from './datagrams.js';
import { Descriptor } from './descriptor.js';
import { intOption, kindOf, optionValue } from './options.js';
import { checked, checkedOf, errno, failure, OSError } from './os_error.js';
import { received } from './received.js';
import { state_of, type Transport, unread_of } from './transport.js';
import { int32, wrong } from './wrong.js';

/** The process at the other end of a Unix socket, as it was when it connected. `pid` is 0 where it is unknown. */
export interface PeerCredentials {
  /** Process id. */
  pid: number;
  /** Effective user id. */
  uid: number;
  /** Effective group id. */
  gid: number;
}

// Memory for answers of the system, which is read before any other code can run.
const name = newPackedAddress();
const ints = new Int32Array(4);

/**
 * A BSD socket, non-blocking and close-on-exec from the start. Each method is the system call of its name.
 * A failed call throws an OSError, and a call that would have to wait a BlockingIOError. A wrong argument
 * throws a TypeError or RangeError before any call. Methods of a closed socket throw EBADF.
 */
export class Socket extends Descriptor implements Transport {
  /** AF_INET, AF_INET6 or AF_UNIX. */
  readonly family: number;
  /** SOCK_STREAM, SOCK_DGRAM and so on, without flags. */
  readonly type: number;
  /** The protocol: IPPROTO_TCP and so on, 0 for the default of its family and type. */
  readonly proto: number;

  /**
   * Opens a socket: socket(2).
   *
   * @throws OSError when that fails
   */
  constructor(family?: number, type?: number, proto?: number);
  /** @internal Adopts a descriptor whose kind is known, and which may be noted as owned already. */
  constructor(family: number, type: number, proto: number, fd: number, isOwned?: boolean);
  constructor(
    family = AF_INET,
    type = SOCK_STREAM,
    proto = 0,
    fd?: number,
    isOwned = fd === undefined,
  ) {
    super(fd ?? made(family, type, proto), undefined, isOwned);
    this.family = family;
    this.type = type;
    this.proto = proto;
  }

  /**
   * Makes a Socket of a descriptor that came from elsewhere (a parent process, `recv_fds`), which it owns
   * from then on, and makes non-blocking.
   *
   * @throws OSError (ENOTSOCK) when the descriptor is not a socket's
   */
  static from_fd(fd: number): Socket {
    int32('from_fd', 'fd', fd);
    const kind = kindOf(fd);
    checked('fcntl', binding.set_blocking(fd, 0));
    return new Socket(...kind, fd);
  }

  /** Binds the socket to a local address, whose host is numeric, localhost or '' for every interface. bind(2). */
  bind(address: Address): void {
    const packed = pack('bind', this.family, address);
    checkedOf(this, 'bind', binding.bind(this.fileno(), packed), address);
  }

  /** Starts to listen; up to `backlog` connections may wait to be accepted. listen(2). */
  listen(backlog: number = SOMAXCONN): void {
    checkedOf(this, 'listen', binding.listen(this.fileno(), backlog));
  }

  /** Accepts the next waiting connection, and returns it with the peer's address. accept(2). */
  accept(): [connection: Socket, address: Address] {
    const answer = this.accept_ex();
    if (typeof answer === 'number') throw OSError.of(this, failure('accept', answer));
    return answer;
  }

  /**
   * Accepts as `accept` does, but returns the positive errno where that would throw: usually EAGAIN, when no
   * connection waits. Throws only when the socket is closed.
   */
  accept_ex(): [connection: Socket, address: Address] | number {
    if (this.fileno() < 0) throw failure('accept', -errno.EBADF);
    const fd = binding.accept(this.fileno(), name);
    if (fd < 0) return -fd;
    // An accepted Unix socket whose peer has no name gives '', as in Python.
    return [new Socket(this.family, this.type, this.proto, fd, true), unpack(name) ?? ''];
  }

  /**
   * Starts to connect. connect(2).
   *
   * When the attempt goes on by itself this throws a BlockingIOError (EINPROGRESS): at the end of the
   * attempt the socket becomes writable, and SO_ERROR tells its result. A blocking socket throws the same
   * when a signal interrupts it, except one of AF_UNIX, which tries again.
   */
  connect(address: Address): void {
    checkedOf(this, 'connect', -this.connect_ex(address), address);
  }

  /**
   * Connects as `connect` does, but returns the positive errno where that would throw, and 0 once connected.
   * It never returns EINTR. Throws only when the socket is closed.
   */
  connect_ex(address: Address): number {
    const to = pack('connect', this.family, address);
    if (this.fileno() < 0) throw failure('connect', -errno.EBADF, address);
    let result = binding.connect(this.fileno(), to);
    while (result === -errno.EINTR && this.family === AF_UNIX) {
      result = binding.connect(this.fileno(), to);
    }
    return result === -errno.EINTR ? errno.EINPROGRESS : Math.abs(result);
  }

  /** Receives at most `bufsize` bytes; an empty buffer means the end of the stream. recv(2). */
  recv(bufsize: number, flags = 0): Buffer {
    return received(this, 'recv', this.fileno(), bufsize, binding.recv, flags);
  }

  /** Receives into `buffer` and returns the number of bytes. At most `nbytes`; 0 means as many as there is room for. recv(2). */
  recv_into(buffer: ArrayBufferView, nbytes = 0, flags = 0): number {
    const length = nbytes === 0 ? buffer?.byteLength : int32('recv_into', 'nbytes', nbytes);
    if (length < 0 || length > buffer?.byteLength) {
      throw wrong.range('recv_into: nbytes must be from 0 to the length of buffer');
    }
    return checkedOf(this, 'recv', binding.recv(this.fileno(), buffer, length, flags));
  }

  /** Receives one datagram, and returns it with the sender's address (null on a connected stream). recvfrom(2). */
  recvfrom(bufsize: number, flags = 0): [data: Buffer, address: Address | null] {
    const data = received(this, 'recvfrom', this.fileno(), bufsize, receiveFrom, flags);
    return [data, unpack(name)];
  }

  /** Sends, and returns the number of bytes that the kernel took, which may be fewer than given. send(2). */
  send(data: ArrayBufferView, flags = 0): number {
    const fd = this.fileno();
    const taken = flags === 0 ? binding.send(fd, data) : binding.send(fd, data, flags);
    return checkedOf(this, 'send', taken);
  }

  /** Sends one datagram to `address`, and returns the number of bytes. sendto(2). */
  sendto(data: ArrayBufferView, address: Address): number;
  sendto(data: ArrayBufferView, flags: number, address: Address): number;
  sendto(data: ArrayBufferView, ...rest: [Address] | [number, Address]): number {
    if (!ArrayBuffer.isView(data)) {
      throw wrong.type('sendto: data must be bytes (of a string: Buffer.from(text))');
    }
    const [flags, address] = rest.length === 1 ? [0, rest[0]] : rest;
    const to = packReceiver('sendto', this.family, address);
    const sent = binding.sendto(this.fileno(), data, flags, to);
    return checkedOf(this, 'sendto', sent, address);
  }

  /**
   * Sends several buffers (at most 1024) in one call, with control messages and to an address if given, and
   * returns the number of data bytes that the kernel took. sendmsg(2).
   */
  sendmsg(
    buffers: Iterable<ArrayBufferView>,
    ancdata: Iterable<AncillaryData> = [],
    flags = 0,
    address: Address | null = null,
  ): number {
    const to = address === null ? null : pack('sendmsg', this.family, address);
    const control = packControl(ancdata);
    // Before fileno(), since the iterator may close the socket.
    const list = listed('sendmsg', 'buffers', buffers);
    const sent = binding.sendmsg(this.fileno(), list, flags, to, control);
    return checkedOf(this, 'sendmsg', sent, address);
  }

  /**
   * Receives at most `bufsize` bytes with their control messages, and returns `[data, messages, flags,
   * sender]`. The control messages get at most `ancbufsize` bytes (see CMSG_SPACE); the flags are MSG_TRUNC
   * and its kin. The caller must close descriptors among the control messages. recvmsg(2).
   */
  recvmsg(
    bufsize: number,
    ancbufsize = 0,
    flags = 0,
  ): [data: Buffer, ancdata: ReceivedAncillaryData[], flags: number, address: Address | null] {
    if (!Number.isInteger(ancbufsize) || ancbufsize < 0 || ancbufsize > MOST_CONTROL) {
      throw wrong.range(`recvmsg: ancbufsize must be an integer from 0 to ${MOST_CONTROL}`);
    }
    const control = ancbufsize > 0 ? Buffer.alloc(ancbufsize) : null;
    const data = received(
      this,
      'recvmsg',
      this.fileno(),
      bufsize,
      (fd, into, length, flags = 0) =>
        binding.recvmsg(fd, into, length, flags, name, control, ints),
      flags,
    );
    const messageFlags = ints[0];
    return [data, control ? unpackControl(control, ints[1]) : [], messageFlags, unpack(name)];
  }

  /**
   * Receives the datagrams that wait, each with its sender's address as by `recvfrom`: at least one, at most
   * `vlen`, of at most `bufsize` bytes each (what is longer is cut). It may give fewer than wait: at most 64,
   * and as many as fit into 1 MiB. Linux does that in one system call, recvmmsg(2); elsewhere, and with
   * MSG_PEEK, a single datagram comes. Throws a BlockingIOError when none waits; an error that comes after
   * the first datagram is thrown by the next call.
   */
  recvmmsg(vlen: number, bufsize: number, flags = 0): ReceivedDatagram[] {
    refuseStream(this, 'recvmmsg');
    return receive_datagrams(this, this.fileno(), vlen, bufsize, flags, (size, flags) =>
      this.recvfrom(size, flags),
    );
  }

  /**
   * Sends datagrams, each `[data, address]`, or all of them `[data]` on a connected socket, and returns how
   * many the kernel took, in order. Linux needs one system call for 64 of them, sendmmsg(2). When one is not
   * taken, those before it are sent and those from it on are not; to send on, call it again with the rest.
   * Only an error of the first datagram is thrown, as the kernel tells no other.
   */
  sendmmsg(messages: Iterable<Datagram>, flags = 0): number {
    refuseStream(this, 'sendmmsg');
    return send_datagrams(this, () => this.fileno(), this.family, messages, flags);
  }

  /** Sends data with open descriptors over a Unix socket (SCM_RIGHTS), and returns the number of data bytes. unix(7). */
  send_fds(
    buffers: Iterable<ArrayBufferView>,
    fds: Iterable<number>,
    flags = 0,
    address: Address | null = null,
  ): number {
    const data = listed('send_fds', 'buffers', buffers);
    const list = listed('send_fds', 'fds', fds);
    if (!list.every((fd) => Number.isInteger(fd) && fd >= 0 && fd <= 0x7fffffff)) {
      throw wrong.type('send_fds: fds must be descriptors (integers from 0)');
    }
    return this.sendmsg(data, [[SOL_SOCKET, SCM_RIGHTS, Int32Array.from(list)]], flags, address);
  }

  /** Receives data with at most `maxfds` descriptors, which are close-on-exec and which the caller must close. unix(7). */
  recv_fds(
    bufsize: number,
    maxfds: number,
    flags = 0,
  ): [data: Buffer, fds: number[], flags: number, address: Address | null] {
    if (!Number.isInteger(maxfds) || maxfds < 0 || maxfds > 253) {
      throw wrong.range('recv_fds: maxfds must be an integer from 0 to 253');
    }
    // CMSG_SPACE would include padding, in which one descriptor more has room. The kernel closes
    // those that have none.
    const room = binding.cmsg_space(0) + maxfds * 4;
    const [data, ancdata, messageFlags, address] = this.recvmsg(bufsize, room, flags);
    const fds = ancdata
      .filter(([level, type]) => level === SOL_SOCKET && type === SCM_RIGHTS)
      .flatMap(([, , bytes]) => [...new Int32Array(new Uint8Array(bytes).buffer)]);
    return [data, fds, messageFlags, address];
  }

  /** The process, user and group at the other end of a connected Unix socket: SO_PEERCRED, unix(7). */
  getpeercred(): PeerCredentials {
    checkedOf(this, 'getsockopt', binding.getpeercred(this.fileno(), ints));
    return { pid: ints[0], uid: ints[1] >>> 0, gid: ints[2] >>> 0 };
  }

  /**
   * Sends at most `count` bytes of the open file `file` (a descriptor), from `offset` on, without their
   * passing through the program; the file's own position does not count and stays. Gives the number
   * of bytes that the kernel took: fewer than `count` where there is no more room or the file ends
   * before, 0 at its end. Reading a slow disk holds up the whole thread.
   *
   * Throws BlockingIOError when there is no room; ENOSYS on a system without it; EINVAL (ESPIPE,
   * EOPNOTSUPP) when the system cannot send from this file, such as a pipe or some of /proc, or to this
   * socket. Then read and send. sendfile(2);
   * https://docs.python.org/3.11/library/os.html#os.sendfile
   */
  sendfile(file: number, offset: number, count: number): number {
    if (this.fileno() < 0) throw failure('sendfile', -errno.EBADF); // a wrong file comes first otherwise
    const sent = binding.sendfile(this.fileno(), file, offset, count);
    return checkedOf(this, 'sendfile', sent);
  }

  /** Ends one direction (SHUT_WR, SHUT_RD) or both (SHUT_RDWR). shutdown(2). */
  shutdown(how: number): void {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) {
      throw wrong.type('shutdown: how must be SHUT_RD, SHUT_WR or SHUT_RDWR');
    }
    checkedOf(this, 'shutdown', binding.shutdown(this.fileno(), how));
  }

  /** Reads a socket option, as a number or as at most `buflen` raw bytes. getsockopt(2), socket(7). */
  getsockopt(level: number, option: number): number;
  getsockopt(level: number, option: number, buflen: number): Buffer;
  getsockopt(level: number, option: number, buflen?: number): number | Buffer {
    if (buflen === undefined) return intOption(this.fileno(), level, option, this);
    if (!Number.isInteger(buflen) || buflen < 0 || buflen > 65536) {
      throw wrong.range('getsockopt: buflen must be an integer from 0 to 65536');
    }
    const value = Buffer.alloc(buflen);
    return value.subarray(
      0,
      checkedOf(this, 'getsockopt', binding.getsockopt(this.fileno(), level, option, value)),
    );
  }

  /** Sets a socket option to a number, or to raw bytes (a struct, a device name). setsockopt(2), socket(7). */
  setsockopt(level: number, option: number, value: number | boolean | ArrayBufferView): void {
    int32('setsockopt', 'level', level);
    int32('setsockopt', 'option', option);
    const bytes = optionValue(value);
    checkedOf(this, 'setsockopt', binding.setsockopt(this.fileno(), level, option, bytes));
  }

  /** The local address. getsockname(2). */
  getsockname(): Address {
    checkedOf(this, 'getsockname', binding.getsockname(this.fileno(), name));
    return unpack(name) ?? '';
  }

  /**
   * The peer's address. getpeername(2).
   *
   * @throws OSError (ENOTCONN) when there is no connection
   */
  getpeername(): Address {
    checkedOf(this, 'getpeername', binding.getpeername(this.fileno(), name));
    return unpack(name) ?? '';
  }

  /** How many bytes the socket object itself holds: always 0, since the kernel keeps what was received. */
  pending(): number {
    return 0;
  }

  /**
   * The present state of the connection as flags of poll(2): POLLERR, POLLHUP, POLLRDHUP (the peer sends no
   * more; Linux), POLLNVAL once closed; 0 when nothing is wrong.
   */
  state(): number {
    return this.fileno() < 0 ? POLLNVAL : state_of(this.fileno());
  }

  /** How many bytes a receive would find now (FIONREAD); 0 where the system does not count them. */
  unread(): number {
    return unread_of(this.fileno());
  }

  /** Makes calls block or not; a new socket does not block. A blocking call holds up the whole thread. */
  setblocking(blocking: boolean): void {
    checkedOf(this, 'fcntl', binding.set_blocking(this.fileno(), blocking ? 1 : 0));
  }

  /** Whether calls block: false, unless `setblocking(true)` was called. */
  getblocking(): boolean {
    return checkedOf(this, 'fcntl', binding.get_blocking(this.fileno())) === 1;
  }
}

function made(family: number, type: number, proto: number): number {
  int32('socket', 'family', family);
  int32('socket', 'type', type);
  return checked('socket', binding.socket(family, type, proto));
}

function receiveFrom(fd: number, into: Memory, length: number, flags = 0) {
  return binding.recvfrom(fd, into, length, flags, name);
}

/** A stream would fill one buffer after the other, and give empty ones at its end. */
function refuseStream(socket: Socket, call: string): void {
  const isStream = socket.type === SOCK_STREAM || socket.type === SOCK_SEQPACKET;
  if (!isStream || socket.fileno() < 0) return;
  throw OSError.of(socket, failure(call, -errno.EOPNOTSUPP, null, 'it is for datagrams'));
}
