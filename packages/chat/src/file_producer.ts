import { type file_options, file_range } from '@asyncore/core';

/** What is read in one piece where sendfile(2) cannot send it, in bytes. */
const PIECE = 65536;

/**
 * A producer of a file or a part of it. `push_with_producer` sends it by sendfile(2), without the bytes
 * passing through the program, in order with what is pushed around it. Where that cannot be it reads
 * and sends: on TLS and other transports, on systems without it, for pipes and the files of /proc and /sys. Either
 * way the disk is waited for: a slow one holds up the whole loop.
 *
 * How much is sent is settled when it is made, so that a length may be announced: what is appended to
 * the file meanwhile is left out. If the file fails or is cut short while it is sent, `handle_error` is
 * told and the channel closes, with that error as its `close_reason`.
 *
 * A file opened here, or given with `closefd`, is closed when it is sent, when the channel closes and
 * when it is refused; one that is never pushed needs `return()`. Any other descriptor stays the caller's,
 * who must keep it open until then.
 */
export class file_producer {
  /** @hidden */
  readonly _range: file_range;
  /** How many bytes it sends; null where only reading tells, as of a pipe or of a file of /proc or /sys. */
  readonly length: number | null;
  readonly #start: number;

  /**
   * `file` is a path, or the descriptor of an open file, whose position does not count. From `start`
   * (default 0) to before `end` (default: its end), as with `slice`; `end` may lie beyond the file's.
   *
   * @throws OSError (ENOENT, EACCES, EISDIR, EMFILE and so on) when it cannot be opened, ESPIPE for the
   * path of a pipe or a terminal, and for a `start` in one, EAGAIN for one that does not block; TypeError or
   * RangeError for wrong arguments
   */
  constructor(file: string | Uint8Array | number, options: file_options = {}) {
    this._range = new file_range(file, options);
    this.length = this._range.isKnown ? this._range.left : null;
    this.#start = this._range.position;
  }

  /** How many bytes the kernel has taken so far; where the file has to be read, how many were read. */
  get sent(): number {
    return this._range.position - this.#start;
  }

  /**
   * The next piece, of 64 KiB at most; an empty one at the end.
   *
   * @throws OSError when reading fails, EIO when the file has become shorter; it is closed then
   */
  more(): Buffer {
    try {
      const piece = this._range.read(PIECE);
      if (piece.length === 0) this.return();
      return piece;
    } catch (error) {
      this.return();
      throw error;
    }
  }

  /** Ends it before its end, and closes the file if it is its own to close. */
  return(): void {
    this._range.close();
  }
}
