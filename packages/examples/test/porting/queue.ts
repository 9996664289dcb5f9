import { type channel_map, dispatcher, type Socket } from '@asyncore/core';

export class Queue extends dispatcher {
  queue: Buffer[] = [];
  known: Record<string, number> = {};

  constructor(sock: Socket, map?: channel_map) {
    super(sock, map);
  }

  writable() {
    return this.queue.length > 0; // Python: return self.queue
  }

  handle_write() {
    const message = this.queue.shift();
    if (message !== undefined) this.send(message);
  }

  isKnown() {
    return Object.keys(this.known).length > 0; // Python: if self.known
  }
}
