import type { Socket, Transport } from '@asyncore/socket';
import { announce_changes } from '../announced.js';
import { endpoint } from '../endpoint.js';
import { bytes } from '../output/bytes.js';
import type { Output } from '../output/output.js';
import { dispatcher } from './dispatcher.js';

/**
 * A dispatcher with simple buffered output: `send` takes everything, and what the kernel does not
 * take at once goes out when there is room.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.dispatcher_with_send
 */
export class dispatcher_with_send<S extends Transport = Socket> extends dispatcher<S> {
  override _output(): Output {
    return this[endpoint].makeOutput();
  }

  /** What is still to be sent. Reading it joins the chunks. */
  get out_buffer(): Buffer {
    return Buffer.concat(this[endpoint].output?.queue.all() ?? []);
  }

  /** Assigning replaces it; a TypeError for what is not bytes. */
  set out_buffer(data: Uint8Array) {
    const chunk = bytes(data);
    const output = this._output();
    output.discard();
    output.queue.push(chunk);
    this._changed();
  }

  /** Tries once to send what is waiting. */
  initiate_send(): void {
    this[endpoint].output?.send();
  }

  override handle_write(): void {
    this.initiate_send();
  }

  override writable(): boolean {
    const { output, awaitsConnection } = this[endpoint];
    return this.connected ? output?.wantsRoom === true : awaitsConnection;
  }

  /**
   * Queues `data`, which must not be changed until it is sent, and gives its length. It goes out with
   * all else that a handler sends when that returns, at once when sent from elsewhere, and no later
   * than `close`. On a socket that keeps message borders it is a message of its own. After `close`,
   * `close_when_done` or `shutdown` it is refused with a line in the log, and 0 comes back.
   *
   * @throws TypeError for what is not bytes
   */
  override send(data: Uint8Array): number {
    if (this.debug) this.log_info(`sending ${data}`);
    const chunk = bytes(data);
    const output = this._output();
    if (output.refuses('send', chunk.length)) return 0;
    const { isWaiting } = output;
    output.queue.push(chunk);
    output.given(isWaiting);
    return chunk.length;
  }

  /**
   * Closes the channel once everything is sent and the peer has ended too, or `linger_time` is over.
   * What is sent after this is refused, and logged.
   */
  close_when_done(): void {
    this.closing = true;
    this._output().closeWhenOut();
  }
}

announce_changes(dispatcher_with_send.prototype, 'writable');
