import { async_chat } from '@asyncore/chat';
import type { channel_map } from '@asyncore/core';

export class Lines extends async_chat {
  // Constants are fields, as in Python.
  ac_in_buffer_size = 4096;
  separator = ',';
  /** Set by add_channel, which super(sock) calls: a field of the usual kind would reset it. */
  declare registered?: boolean;

  constructor(sock: Lines['socket'], map?: channel_map) {
    super(sock, map);
    this.set_terminator('\n'); // or in the class, as in Python: terminator = '\n'
  }

  add_channel(map: channel_map | null = null) {
    super.add_channel(map);
    this.registered = true;
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    this.push(Buffer.from(String(this._get_data()).split(this.separator).join('\n')));
  }
}
