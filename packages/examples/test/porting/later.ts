import { async_chat } from '@asyncore/chat';
import type { channel_map } from '@asyncore/core';

/** Looks something up, which takes time. */
export type LookUp = (name: string) => Promise<string[]>;

export class Reports extends async_chat {
  #lookUp: LookUp;

  constructor(sock: Reports['socket'], lookUp: LookUp, map?: channel_map) {
    super(sock, map);
    this.#lookUp = lookUp; // no method that super() calls may need it
    this.set_terminator('\n');
    this.call_later(600, () => this.close_when_done()); // close() cancels it
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  /** The next line is not parsed before this is done. */
  async found_terminator() {
    const names = await this.#lookUp(String(this._get_data()));
    if (!this.connected) return; // the peer may have gone meanwhile
    this.push_with_producer(this.report(names));
  }

  /** Where medusa's more() says NOT_DONE_YET. */
  async *report(names: string[]) {
    for (const name of names) {
      const found = await this.#lookUp(name);
      yield Buffer.from(`${name}: ${found.join(' ')}\n`);
    }
  }
}
