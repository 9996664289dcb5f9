/** What goes over one data connection, for one command, which it answers when it is over: once. */
import type { file_producer } from '@asyncore/chat';
import type { DataChannel } from './data_channel.js';
import { LineEnds } from './line_ends.js';
import type { OpenFile } from './open_file.js';
import { failure } from './replies.js';

export const DONE = '226 done';
export const BROKEN = '426 the data connection has broken';
const CANNOT_OPEN = '425 there is no data connection';

/** Is told the answer, when it is over. */
export type Answer = (reply: string) => void;

export abstract class Transfer {
  /** Whether the client sends. */
  abstract readonly receives: boolean;
  /** How many bytes have gone through the connection. */
  abstract readonly moved: number;
  #channel: DataChannel | null = null;
  #isOver = false;
  readonly file: OpenFile | null;
  readonly #answer: Answer;

  constructor(file: OpenFile | null, answer: Answer) {
    this.file = file;
    this.#answer = answer;
  }

  /** It has its connection, on which the handshakes may be still to come. */
  use(channel: DataChannel): void {
    this.#channel = channel;
    if (this.#isOver) channel.close();
  }

  /** The connection is ready. */
  start(): void {
    if (!this.#isOver && this.#channel) this.begin(this.#channel);
  }

  protected abstract begin(channel: DataChannel): void;

  /** What came; a promise while there should be no more. */
  abstract take(data: Buffer): Promise<void>;

  /** Everything has come. */
  abstract finish(): Promise<void>;

  /** The connection is gone, because of `error` if that is not null. */
  abstract lost(error: unknown): void;

  /** There will be no connection. */
  fail(): void {
    this.end(CANNOT_OPEN);
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** It is over, in whatever state it is. The first who says so gives the answer. */
  end(reply: string): void {
    if (this.#isOver) return;
    this.#isOver = true;
    this.#channel?.close(); // before the file, which it may be sending
    this.file?.close();
    this.#answer(reply);
  }
}

type Pieces = Iterable<Buffer> | AsyncIterable<Buffer>;

/** Something goes to the client. */
abstract class Sending extends Transfer {
  readonly receives = false;
  protected abstract readonly hasAll: boolean;

  protected begin(channel: DataChannel): void {
    this.push(channel);
    channel.close_when_done();
  }

  protected abstract push(channel: DataChannel): void;

  async take(): Promise<void> {}

  async finish(): Promise<void> {}

  /** After everything was sent the client ends too, or has had its time to. */
  lost(error: unknown): void {
    this.end(error === null && this.hasAll ? DONE : BROKEN);
  }
}

/**
 * The bytes of a file as they are: by sendfile(2), as pyftpdlib does; for TLS they are read. A slow disk holds
 * up the whole server.
 */
export class SendingFile extends Sending {
  readonly #bytes: file_producer;

  constructor(file: OpenFile, at: number, answer: Answer) {
    super(file, answer);
    this.#bytes = file.producer(at);
  }

  get moved(): number {
    return this.#bytes.sent;
  }

  protected get hasAll(): boolean {
    const { sent, length } = this.#bytes;
    return sent === (length ?? sent);
  }

  protected push(channel: DataChannel): void {
    channel.push_with_producer(this.#bytes);
  }
}

/** What `pieces` gives. */
export class SendingPieces extends Sending {
  moved = 0;
  protected hasAll = false;
  readonly #pieces: Pieces;

  constructor(file: OpenFile | null, pieces: Pieces, answer: Answer) {
    super(file, answer);
    this.#pieces = pieces;
  }

  protected push(channel: DataChannel): void {
    channel.push_with_producer(this.#counted());
  }

  /** Medusa's producers say NOT_DONE_YET while the disk is at work; a generator awaits it. */
  async *#counted(): AsyncGenerator<Buffer> {
    try {
      for await (const piece of this.#pieces) {
        yield piece;
        this.moved += piece.length;
      }
      this.hasAll = true;
    } catch (error) {
      this.end(failure(error));
    }
  }
}

/** What the client sends goes into `file`, from `at` on. */
export class Receiving extends Transfer {
  readonly receives = true;
  moved = 0;
  readonly #file: OpenFile;
  readonly #lineEnds: LineEnds | null;
  #at: number;

  constructor(file: OpenFile, at: number, isText: boolean, answer: Answer) {
    super(file, answer);
    this.#file = file;
    this.#at = at;
    this.#lineEnds = isText ? new LineEnds() : null;
  }

  protected begin(): void {
    try {
      this.#file.cut(this.#at);
    } catch (error) {
      this.end(failure(error));
    }
  }

  async take(data: Buffer): Promise<void> {
    this.moved += data.length;
    await this.#write(this.#lineEnds?.take(data) ?? data);
  }

  async #write(data: Buffer): Promise<void> {
    const at = this.#at;
    this.#at += data.length;
    try {
      if (!this.isOver) await this.#file.write(data, at);
    } catch (error) {
      this.end(failure(error));
    }
  }

  /** Only now is it done: 226 means that all of it is on the disk. */
  async finish(): Promise<void> {
    await this.#write(this.#lineEnds?.rest() ?? Buffer.alloc(0));
    try {
      if (!this.isOver) await this.#file.sync();
    } catch (error) {
      this.end(failure(error));
    }
    this.end(DONE);
  }

  /** What came stays there, so that the client can go on from it. */
  lost(): void {
    this.end(BROKEN);
  }
}
