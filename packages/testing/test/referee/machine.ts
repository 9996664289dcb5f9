/** Runs small programs of system calls on a binding, and says what each call answered and what poll saw. */
import { type Binding, native } from '@asyncore/socket/kernel';
import { errorName } from '../../dist/kernel/numbers.js';

const { constants: C, errors: E } = native;

/** What to do, for which socket (by a letter), and a number that goes with it. */
export type Step = readonly [call: string, who: string, number: number];

const FLAGS = ['POLLIN', 'POLLPRI', 'POLLOUT', 'POLLERR', 'POLLHUP', 'POLLNVAL', 'POLLRDHUP'];
const ASKED = C.POLLIN | C.POLLOUT | C.POLLPRI | C.POLLRDHUP;

function shownMask(mask: number): string {
  return (
    FLAGS.filter((flag) => mask & C[flag])
      .map((flag) => flag.slice(4))
      .join('|') || '0'
  );
}

function shown(result: number): string {
  return result < 0 ? errorName(-result) : String(result);
}

/** A binding and the sockets of one program. */
export class Machine {
  readonly #binding: Binding;
  /** Lets arrive what is on its way. */
  readonly #settle: () => void;
  readonly #sockets = new Map<string, number>();
  readonly #address = new Uint8Array(native.address_size);
  #listening = new Uint8Array(native.address_size);

  constructor(binding: Binding, settle: () => void) {
    this.#binding = binding;
    this.#settle = settle;
  }

  /** What the call answered, and the mask of every socket after it. */
  run([call, who, number]: Step): string {
    const result = this.#call(call, who, number);
    this.#settle();
    const masks = [...this.#sockets].map(([name, fd]) => {
      const pairs = Int32Array.of(fd, ASKED);
      this.#binding.poll(pairs, 1, 0);
      return `${name}:${shownMask(pairs[1])}`;
    });
    return `${result} [${masks.join(' ')}]`;
  }

  end(): void {
    for (const fd of this.#sockets.values()) this.#binding.close(fd);
    this.#settle();
  }

  #new(who: string): number {
    const fd = this.#binding.socket(C.AF_INET, C.SOCK_STREAM, 0);
    this.#sockets.set(who, fd);
    this.#noDelay(fd);
    return fd;
  }

  /** Without it Nagle's algorithm holds back what a simulated kernel sends at once. */
  #noDelay(fd: number): void {
    this.#binding.setsockopt(fd, C.IPPROTO_TCP, C.TCP_NODELAY, Int32Array.of(1));
  }

  #call(call: string, who: string, number: number): string {
    const b = this.#binding;
    const fd = this.#sockets.get(who) ?? -1;
    switch (call) {
      case 'listener': {
        const listener = this.#new(who);
        native.address_pack(this.#address, C.AF_INET, '127.0.0.1', 0, 0, 0);
        b.bind(listener, this.#address);
        b.listen(listener, 128);
        b.getsockname(listener, this.#listening);
        return 'made';
      }
      case 'socket':
        this.#new(who);
        return 'made';
      case 'pair': {
        const pair = new Int32Array(2);
        const result = b.socketpair(C.AF_UNIX, number, 0, pair);
        this.#sockets.set('a', pair[0]).set('A', pair[1]);
        return shown(result);
      }
      case 'pipe': {
        const pair = new Int32Array(2);
        const result = b.pipe(pair);
        for (const end of pair) b.set_blocking(end, 0);
        this.#sockets.set('a', pair[0]).set('A', pair[1]);
        return shown(result);
      }
      case 'udp':
        for (const name of ['a', 'A']) {
          const one = b.socket(C.AF_INET, C.SOCK_DGRAM, 0);
          this.#sockets.set(name, one);
          native.address_pack(this.#address, C.AF_INET, '127.0.0.1', 0, 0, 0);
          b.bind(one, this.#address);
        }
        return 'made';
      case 'meet': {
        const other = this.#sockets.get(who === 'a' ? 'A' : 'a') ?? -1;
        if (other < 0) return 'nobody is there';
        const address = new Uint8Array(native.address_size);
        b.getsockname(other, address);
        return shown(b.connect(fd, address));
      }
      case 'connect':
        return shown(b.connect(fd, this.#listening));
      case 'refused':
        native.address_pack(this.#address, C.AF_INET, '127.0.0.1', 1, 0, 0);
        return shown(b.connect(fd, this.#address));
      case 'accept': {
        const given = b.accept(this.#sockets.get('L') ?? -1, this.#address);
        if (given < 0) return shown(given);
        this.#sockets.set(who, given);
        this.#noDelay(given);
        return 'made';
      }
      case 'send':
        return shown(b.send(fd, Buffer.alloc(number, who), 0));
      case 'write':
        return shown(b.write(fd, Buffer.alloc(number, who)));
      case 'read': {
        const into = Buffer.alloc(number);
        const count = b.read(fd, into, number);
        return count < 0
          ? shown(count)
          : `${count} ${into.toString('latin1', 0, Math.min(count, 3))}`;
      }
      case 'sendfile': {
        const file = b.open(Buffer.from(import.meta.filename), 0);
        const count = b.sendfile(fd, file, number, number);
        b.close(file);
        return shown(count);
      }
      case 'send_many': {
        const messages = [number, 1, number].map((length) => Buffer.alloc(length, who));
        return shown(b.sendmmsg?.(fd, messages, 0, null) ?? -E.ENOSYS);
      }
      case 'recv_many': {
        const into = Buffer.alloc(4 * number);
        const lengths = new Int32Array(4);
        const addresses = new Uint8Array(4 * native.address_size);
        const count = b.recvmmsg?.(fd, into, number, 4, 0, addresses, lengths) ?? -E.ENOSYS;
        if (count < 0) return shown(count);
        const texts = Array.from(lengths.subarray(0, count), (length, i) =>
          into.toString('latin1', i * number, i * number + Math.min(length, 3)),
        );
        return `${[...lengths.subarray(0, count)]} ${texts}`;
      }
      case 'urgent':
        return shown(b.send(fd, Buffer.alloc(number, who), C.MSG_OOB));
      case 'recv':
      case 'peek':
      case 'recv_urgent': {
        const flags = { recv: 0, peek: C.MSG_PEEK, recv_urgent: C.MSG_OOB }[call];
        const into = Buffer.alloc(number);
        const count = b.recv(fd, into, number, flags);
        return count < 0
          ? shown(count)
          : `${count} ${into.toString('latin1', 0, Math.min(count, 3))}`;
      }
      case 'shutdown':
        return shown(b.shutdown(fd, number % 3));
      case 'linger':
        return shown(b.setsockopt(fd, C.SOL_SOCKET, C.SO_LINGER, Int32Array.of(1, 0)));
      case 'inline':
        return shown(b.setsockopt(fd, C.SOL_SOCKET, C.SO_OOBINLINE, Int32Array.of(1)));
      case 'error': {
        const value = new Uint8Array(4);
        const length = b.getsockopt(fd, C.SOL_SOCKET, C.SO_ERROR, value);
        return length < 0 ? shown(length) : errorName(new Int32Array(value.buffer)[0]);
      }
      case 'peername':
        return shown(b.getpeername(fd, this.#address));
      case 'unread':
        return shown(b.unread(fd));
      case 'dup': {
        const copy = b.dup(fd);
        if (copy < 0) return shown(copy);
        this.#sockets.set(`${who}'`, copy);
        return 'made';
      }
      case 'close':
        this.#sockets.delete(who);
        return shown(fd < 0 ? -E.EBADF : b.close(fd));
      default:
        throw new Error(`no call ${call}`);
    }
  }
}
