/** What is thrown when a promise is broken. */
export class Broken extends Error {}

export function broken(what: string): never {
  throw new Broken(what);
}

function byteAt(stream: number, place: number): number {
  return (stream * 31 + place * 7 + (place >> 8) * 13) & 0xff;
}

/** The bytes that go one way over one connection: each has its value, so that a wrong one is seen. */
export class Stream {
  sent = 0;
  got = 0;

  constructor(readonly id: number) {}

  next(size: number): Buffer {
    const bytes = Buffer.allocUnsafe(size);
    for (let i = 0; i < size; i++) bytes[i] = byteAt(this.id, this.sent + i);
    return bytes;
  }

  arrived(data: Uint8Array, where: string): void {
    for (const [i, byte] of data.entries()) {
      if (byte === byteAt(this.id, this.got + i)) continue;
      broken(`byte ${this.got + i} of stream ${this.id} is wrong at ${where}`);
    }
    this.got += data.length;
    if (this.got > this.sent) {
      broken(`${where} got ${this.got} bytes of stream ${this.id}, ${this.sent} were sent`);
    }
  }
}

/** Both ways of one connection, `up` to the server. */
export interface Pair {
  readonly up: Stream;
  readonly down: Stream;
}
