import { type Binding, type Memory, native } from '@asyncore/socket/kernel';
import { bytesOf } from './byte_queue.js';
import { descriptorsIn, giveFiles } from './control_messages.js';
import { Datagram } from './datagram.js';
import { DiskFile } from './disk_file.js';
import type { Kernel } from './kernel.js';
import { type Name, pack, unpack } from './names.js';
import { C, E, notSimulated } from './numbers.js';
import type { OpenFile } from './open_file.js';
import { readInt, writeInt } from './options.js';
import { Pipe } from './pipe.js';
import { FD_SETSIZE, poller_calls } from './poller_calls.js';
import { type Received, SocketFile } from './socket_file.js';
import { Tcp } from './tcp.js';
import { traced } from './traced.js';
import { UnixSocket } from './unix_socket.js';

const SMALLEST_SEND_BUFFER = 4608;
const SMALLEST_RECEIVE_BUFFER = 2304;
/** How many bytes one sendfile reads at most. */
const MOST_OF_A_FILE = 1 << 20;

/**
 * The numbers of files. They differ in every kernel, so that what the packages remember of a file of one
 * kernel is not taken for a file of another.
 */
let inodes = 0n;

/** The functions by which the packages reach a kernel. */
export function calls(kernel: Kernel): Binding {
  const inode = new WeakMap<OpenFile, bigint>();

  const isSocket = (fd: number): SocketFile | number => {
    const file = kernel.file(fd);
    if (file instanceof SocketFile) return file;
    return file === undefined ? -E.EBADF : -E.ENOTSOCK;
  };

  /** Calls `attempt` again while it would have to wait, if the descriptor is blocking. */
  const waiting = (file: OpenFile, flags: number, attempt: () => number): number => {
    let result = attempt();
    if (result === -E.EAGAIN) kernel.asked();
    if (!file.blocking || flags & (C.MSG_DONTWAIT ?? 0)) return result;
    while (result === -E.EAGAIN) {
      advance(kernel);
      result = attempt();
    }
    return result;
  };

  const received = (): Received => ({ from: null, flags: 0, files: [] });

  const receive = (
    fd: number,
    into: Memory,
    length: number,
    flags: number,
    about: Received,
  ): number => {
    const socket = isSocket(fd);
    if (typeof socket === 'number') return socket;
    return waiting(socket, flags, () => socket.receive(bytesOf(into), length, flags, about));
  };

  const send = (
    fd: number,
    views: readonly ArrayBufferView[],
    flags: number,
    to: Name | null,
    files: OpenFile[] = [],
  ): number => {
    const socket = isSocket(fd);
    if (typeof socket === 'number') return socket;
    const length = views.reduce((sum, { byteLength }) => sum + byteLength, 0);
    return waiting(socket, flags, () => socket.send(views, length, flags, to, files));
  };

  const binding: Binding = {
    ...native,
    fd_setsize: FD_SETSIZE,
    ...poller_calls(kernel),

    async lookup(host, family) {
      await new Promise<void>((resolve) => kernel.in(kernel.world.latency('DNS'), resolve));
      const found = kernel.world.lookup(host, family);
      if (found.length > 0) return found;
      const error = new Error(`getaddrinfo ENOTFOUND ${host}`);
      throw Object.assign(error, { errno: -3008, code: 'ENOTFOUND', syscall: 'getaddrinfo' });
    },

    // ---- sockets ----

    socket(family, type, proto) {
      return kernel.give(newSocket(kernel, family, type, proto));
    },
    socketpair(family, type, proto, pair) {
      if (family !== C.AF_UNIX) return -E.EOPNOTSUPP;
      const one = new UnixSocket(kernel, family, type, proto);
      const other = new UnixSocket(kernel, family, type, proto);
      one.join(other);
      return givePair(kernel, one, other, pair);
    },
    bind(fd, address) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      const name = inFamily(socket, unpack(address));
      return name === null ? -E.EAFNOSUPPORT : socket.bind(name);
    },
    listen(fd, backlog) {
      const socket = isSocket(fd);
      return typeof socket === 'number' ? socket : socket.listen(backlog);
    },
    accept(fd, address) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      let newcomer = socket.waiting();
      if (newcomer === -E.EAGAIN && socket.blocking) {
        kernel.wait(-1, () => socket.mask());
        newcomer = socket.waiting();
      }
      if (newcomer === -E.EAGAIN) kernel.asked();
      if (typeof newcomer === 'number') return newcomer;
      const given = kernel.give(newcomer);
      if (given < 0) return given;
      newcomer.blocking = false;
      socket.accepted(newcomer);
      pack(address, newcomer.remote && newcomer.seen(newcomer.remote));
      return given;
    },
    connect(fd, address) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      const name = inFamily(socket, unpack(address));
      if (name === null) return -E.EAFNOSUPPORT;
      kernel.asked();
      const result = socket.connect(name);
      if (result !== -E.EINPROGRESS || !socket.blocking) return result;
      kernel.wait(-1, () => socket.mask() & (C.POLLOUT | C.POLLHUP));
      return -socket.takeError();
    },
    recv: (fd, into, length, flags = 0) => receive(fd, into, length, flags, received()),
    recvfrom(fd, into, length, flags, address) {
      const about = received();
      const result = receive(fd, into, length, flags, about);
      if (result >= 0) pack(address, about.from && seen(kernel.file(fd), about.from));
      return result;
    },
    send: (fd, data, flags = 0) => send(fd, [data], flags, null),
    sendto(fd, data, flags, address) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      return send(fd, [data], flags, addressee(socket, address));
    },
    sendmsg(fd, buffers, flags, address, control) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      const files: OpenFile[] = [];
      for (const number of control === null ? [] : descriptorsIn(control)) {
        const file = kernel.file(number);
        if (file === undefined) return -E.EBADF;
        files.push(file);
      }
      return send(fd, buffers, flags, address && addressee(socket, address), files);
    },
    recvmsg(fd, into, length, flags, address, control, out) {
      const about = received();
      const result = receive(fd, into, length, flags, about);
      if (result < 0) return result;
      pack(address, about.from && seen(kernel.file(fd), about.from));
      out[1] = 0;
      if (about.files.length > 0) {
        const written = giveFiles(kernel, about.files, control);
        if (written.isCut) about.flags |= C.MSG_CTRUNC;
        out[1] = written.length;
      }
      out[0] = about.flags;
      return result;
    },
    recvmmsg(fd, into, size, count, flags, addresses, lengths) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      if (socket.error !== 0) return -socket.takeError(); // of streams too, before what they hold
      for (let i = 0; i < count; i++) {
        const about = received();
        const memory = bytesOf(into).subarray(i * size, (i + 1) * size);
        const waits = i === 0 ? flags : flags | (C.MSG_DONTWAIT ?? 0);
        const result = receive(fd, memory, size, waits, about);
        if (result < 0 && i === 0) return result;
        if (result < 0) {
          if (result !== -E.EAGAIN) socket.error = -result; // for the next call
          return i;
        }
        lengths[i] = result;
        const start = i * native.address_size;
        pack(
          addresses.subarray(start, start + native.address_size),
          about.from && seen(socket, about.from),
        );
      }
      return count;
    },
    sendmmsg(fd, buffers, flags, addresses) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      for (const [i, buffer] of buffers.entries()) {
        if (i > 0) kernel.land(); // that nobody receives there may be known by now
        const start = i * native.address_size;
        const to = addresses?.subarray(start, start + native.address_size);
        const result = send(fd, [buffer], flags, to ? addressee(socket, to) : null);
        if (result < 0) return i > 0 ? i : result;
      }
      return buffers.length;
    },
    shutdown(fd, how) {
      const socket = isSocket(fd);
      return typeof socket === 'number' ? socket : socket.shutdown(how);
    },
    getsockopt(fd, level, option, value) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      const known = level === C.SOL_SOCKET ? answer(socket, option) : null;
      return known === null ? socket.options.get(level, option, value) : writeInt(value, known);
    },
    setsockopt(fd, level, option, value) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      if (level === C.SOL_SOCKET && option === C.SO_SNDBUF) {
        socket.sendRoom = Math.max(SMALLEST_SEND_BUFFER, 2 * readInt(value));
        socket.changed();
        return 0;
      }
      if (level === C.SOL_SOCKET && option === C.SO_RCVBUF) {
        socket.receiveRoom = Math.max(SMALLEST_RECEIVE_BUFFER, 2 * readInt(value));
        return 0;
      }
      if (level === C.SOL_SOCKET && option === C.SO_LINGER && socket instanceof Tcp) {
        socket.resetsOnClose = readInt(value) !== 0 && readInt(value, 1) === 0;
      }
      socket.options.set(level, option, value);
      return 0;
    },
    getsockname(fd, address) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      pack(address, socket.local === null ? socket.unnamed : socket.seen(socket.local));
      return 0;
    },
    getpeername(fd, address) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      if (!socket.isConnected || socket.remote === null) return -E.ENOTCONN;
      pack(address, socket.seen(socket.remote));
      return 0;
    },
    getpeercred(fd, cred) {
      const socket = isSocket(fd);
      if (typeof socket === 'number') return socket;
      if (socket.family === C.AF_UNIX) {
        cred[0] = process.pid;
        cred[1] = process.getuid?.() ?? 0;
        cred[2] = process.getgid?.() ?? 0;
      } else {
        cred.set([0, -1, -1]);
      }
      return 0;
    },

    // ---- descriptors ----

    dup(fd) {
      const file = kernel.file(fd);
      return file === undefined ? -E.EBADF : kernel.give(file);
    },
    read(fd, into, length) {
      const file = kernel.file(fd);
      if (file === undefined) return -E.EBADF;
      return waiting(file, 0, () => file.read(bytesOf(into), length));
    },
    write(fd, data) {
      const file = kernel.file(fd);
      if (file === undefined) return -E.EBADF;
      return waiting(file, 0, () => file.write(data));
    },
    pipe(pair) {
      const [reading, writing] = Pipe.pair(kernel);
      return givePair(kernel, reading, writing, pair);
    },
    close: (fd) => kernel.close(fd),
    own: (fd) => (kernel.file(fd) === undefined ? -E.EBADF : 0),
    disown: () => 0,
    get_blocking(fd) {
      const file = kernel.file(fd);
      return file === undefined ? -E.EBADF : Number(file.blocking);
    },
    set_blocking(fd, blocking) {
      const file = kernel.file(fd);
      if (file === undefined) return -E.EBADF;
      file.blocking = blocking !== 0;
      return 0;
    },
    unread(fd) {
      const file = kernel.file(fd);
      return file === undefined ? -E.EBADF : file.unread();
    },
    fstat(fd) {
      const file = kernel.file(fd);
      if (file === undefined) {
        const error = new Error('EBADF: bad file descriptor, fstat');
        throw Object.assign(error, { errno: -E.EBADF, code: 'EBADF', syscall: 'fstat' });
      }
      const ino = inode.get(file) ?? ++inodes;
      inode.set(file, ino);
      const size = file instanceof DiskFile ? file.size() : 0n;
      const isFile = () => file instanceof DiskFile;
      return { dev: -1n, ino, size, isFile, isDirectory: () => false };
    },

    // ---- files, which are those of the system ----

    open(path, flags) {
      const real = native.open(path, flags);
      if (real < 0) return real;
      const file = new DiskFile(real);
      const given = kernel.give(file);
      if (given < 0) file.released();
      return given;
    },
    pread(fd, into, length, offset) {
      const file = kernel.file(fd);
      if (file === undefined) return -E.EBADF;
      return file instanceof DiskFile ? file.readAt(into, length, offset) : -E.ESPIPE;
    },
    sendfile(fd, from, offset, count) {
      const file = kernel.file(from);
      const socket = isSocket(fd);
      if (file === undefined || socket === -E.EBADF) return -E.EBADF;
      if (typeof socket === 'number' || !(file instanceof DiskFile)) return -E.EINVAL;
      const room = Buffer.allocUnsafe(Math.min(count, MOST_OF_A_FILE));
      const length = file.readAt(room, room.length, offset);
      return length <= 0 ? length : send(fd, [room.subarray(0, length)], 0, null);
    },
  };
  return kernel.world.note === null ? binding : traced(binding, kernel);
}

/** Makes the next event happen while a call waits. */
function advance(kernel: Kernel): void {
  if (kernel.next === Infinity) {
    throw new Error('simulated network: a call that blocks waits for ever');
  }
  kernel.now = Math.max(kernel.now, kernel.next);
  kernel.land();
}

function newSocket(kernel: Kernel, family: number, type: number, protocol: number): SocketFile {
  const isInet = family === C.AF_INET || family === C.AF_INET6;
  if (isInet && type === C.SOCK_STREAM) return new Tcp(kernel, family, type, protocol);
  if (isInet && type === C.SOCK_DGRAM) return new Datagram(kernel, family, type, protocol);
  if (family === C.AF_UNIX) return new UnixSocket(kernel, family, type, protocol);
  throw notSimulated(`a socket of family ${family} and type ${type} is`);
}

function givePair(kernel: Kernel, one: OpenFile, other: OpenFile, pair: Int32Array): number {
  const first = kernel.give(one);
  if (first < 0) return first;
  const second = kernel.give(other);
  if (second < 0) {
    kernel.close(first);
    return second;
  }
  pair[0] = first;
  pair[1] = second;
  return 0;
}

/** `name` in the form that the network uses; null if a socket of this family cannot use it. */
function inFamily(socket: SocketFile, name: Name): Name | null {
  if (name.family === socket.family) {
    const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/.exec(name.host);
    return mapped ? { ...name, host: mapped[1] } : name;
  }
  return null;
}

function addressee(socket: SocketFile, address: Uint8Array): Name | null {
  return inFamily(socket, unpack(address));
}

function seen(file: OpenFile | undefined, name: Name): Name {
  return file instanceof SocketFile ? file.seen(name) : name;
}

/** The answers of those SOL_SOCKET options that do more than keep a value. */
function answer(socket: SocketFile, option: number): number | null {
  switch (option) {
    case C.SO_ERROR:
      return socket.takeError();
    case C.SO_TYPE:
      return socket.type;
    case C.SO_DOMAIN:
      return socket.family;
    case C.SO_PROTOCOL:
      if (socket instanceof Tcp) return C.IPPROTO_TCP;
      return socket instanceof Datagram ? C.IPPROTO_UDP : 0;
    case C.SO_ACCEPTCONN:
      return Number(socket.isListening);
    case C.SO_SNDBUF:
      return socket.sendRoom;
    case C.SO_RCVBUF:
      return socket.receiveRoom;
    default:
      return null;
  }
}
