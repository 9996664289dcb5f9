import type { Stream } from 'node:stream';
import { type Descriptor, wrong } from '@asyncore/socket';

/**
 * Something with a descriptor: the descriptor's number, an object with `fileno()` (a Socket, a file_wrapper)
 * or with `fd` (a FileHandle), or a stream of Node's that has a system descriptor behind it.
 */
export type file_like =
  | number
  | {
      /** Returns the descriptor. */
      fileno(): number;
    }
  | {
      /** The descriptor. */
      readonly fd: number;
    }
  | Stream;

/** What a stream has inside. A net.Socket shows its descriptor nowhere else. */
interface Inner {
  fileno?: unknown;
  fd?: unknown;
  _handle?: { fd?: unknown; reading?: boolean; readStop?(): void } | null;
  _read?: unknown;
}

export function descriptorOf(file: file_like): number {
  const inner = Object(file) as Inner; // it may be anything: nothing is done but to look for these
  let fd: unknown = inner.fd ?? inner._handle?.fd;
  if (typeof file === 'number') fd = file;
  else if ('fileno' in inner && typeof inner.fileno === 'function') fd = inner.fileno();
  if (Number.isInteger(fd)) return fd as number;
  throw wrong.type(
    'file_dispatcher: fd must be a descriptor (an integer), an object with fileno() or fd, ' +
      'or a stream that has a descriptor at this time',
  );
}

/** A stream that can read by itself. */
type Reader = Inner & {
  _read(size: number): void;
  readonly readableLength: number;
  readonly readableHighWaterMark: number;
  readonly destroyed: boolean;
};

interface Loan {
  users: number;
  read: Reader['_read'];
  /** The stream was reading when it was borrowed, or has tried to since. */
  wanted: boolean;
}

const loans = new WeakMap<Reader, Loan>();

/**
 * If `file` is a stream, it stops reading until `duplicate` is closed, detached or collected, so that
 * what there is to read is the dispatcher's. The stream's own pause() is not enough: a child process's
 * stream goes on filling its buffer, and Node resumes it when the child exits.
 */
export function borrow(file: file_like, duplicate: Descriptor): void {
  if (!isReader(file)) return;
  if (file.readableLength > 0) {
    throw new Error(
      `file_dispatcher: fd is a stream that has already read ${file.readableLength} bytes; ` +
        'make the dispatcher before it reads',
    );
  }
  const loan = loans.get(file) ?? lend(file);
  loan.users += 1;
  const weakly = new WeakRef(file); // a listener of the stream's may hold on to the channel
  duplicate.on_release(() => giveBack(weakly.deref()));
}

/** Lets it read on, when nobody else has borrowed it. */
function giveBack(reader: Reader | undefined): void {
  if (reader === undefined) return;
  const loan = loans.get(reader);
  if (loan === undefined || --loan.users > 0) return;
  loans.delete(reader);
  reader._read = loan.read;
  if (loan.wanted && !reader.destroyed) reader._read(reader.readableHighWaterMark);
}

function lend(reader: Reader): Loan {
  const handle = reader._handle;
  const loan = { users: 0, read: reader._read, wanted: handle?.reading === true };
  if (handle && loan.wanted) {
    handle.reading = false;
    handle.readStop?.();
  }
  reader._read = () => {
    loan.wanted = true;
  };
  loans.set(reader, loan);
  return loan;
}

function isReader(file: file_like): file is file_like & Reader {
  return typeof (Object(file) as Inner)._read === 'function' && 'readableLength' in Object(file);
}
