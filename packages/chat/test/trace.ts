import { type encoded_terminator, terminator_matcher } from '@asyncore/chat';

export type Event = string;

/** Writes down what a matcher tells, and does in `found_terminator` and elsewhere what a test wants. */
export class trace {
  max_incoming = 0;
  /** `data:…` in latin1, `found`, `overflow`. */
  readonly events: Event[] = [];
  readonly pieces: Buffer[] = [];
  readonly matcher = new terminator_matcher(this);
  on_data: (data: string) => void = () => {};
  on_found: () => void = () => {};
  on_overflow: () => void = () => {};

  constructor(terminator: encoded_terminator = null) {
    this.matcher.terminator = terminator;
  }

  collect_incoming_data(data: Buffer): void {
    this.events.push(`data:${data.toString('latin1')}`);
    this.pieces.push(data);
    this.on_data(data.toString('latin1'));
  }

  found_terminator(): void {
    this.events.push('found');
    this.on_found();
  }

  handle_overflow(): void {
    this.events.push('overflow');
    this.on_overflow();
  }

  feed(...chunks: string[]): this {
    for (const chunk of chunks) this.matcher.feed(Buffer.from(chunk, 'latin1'));
    return this;
  }

  /** The events with what was collected in several calls joined: what must not depend on the cuts. */
  get joined(): Event[] {
    const joined: Event[] = [];
    for (const event of this.events) {
      const last = joined.length - 1;
      if (event.startsWith('data:') && joined[last]?.startsWith('data:')) {
        joined[last] += event.slice('data:'.length);
      } else {
        joined.push(event);
      }
    }
    return joined;
  }
}

/** A text whole, cut in two at every place, and byte by byte. */
export function chunkings(text: string): string[][] {
  const halves = [...text].map((_, at) => [text.slice(0, at), text.slice(at)]);
  return [[text], ...halves, [...text]];
}

/** Bytes of a latin1 string. */
export function b(text: string): Buffer {
  return Buffer.from(text, 'latin1');
}
