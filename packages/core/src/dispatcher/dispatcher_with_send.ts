import type { Socket, Transport } from '@asyncore/socket';
import { announce_changes } from '../announced.js';
import { endpoint } from '../endpoint.js';
import { bytes } from '../output/bytes.js';
import type { Output } from '../output/output.js';
import { dispatcher } from './dispatcher.js';

/**
 * A dispatcher with buffered output: `send` takes everything, and the loop sends what the kernel did not
 * take at once as soon as there is room.
 *
 * https://docs.python.org/3.11/library/asyncore.html#asyncore.dispatcher_with_send
 */
export class dispatcher_with_send<S extends Transport = Socket> extends dispatcher<S> {
  override _output(): Output {
    return this[endpoint].makeOutput();
  }

  /** The bytes that are still to be sent. Reading this attribute joins them into one buffer. */
  get out_buffer(): Buffer {
    return Buffer.concat(this[endpoint].output?.queue.all() ?? []);
  }

  /**
   * Replaces what is still to be sent.
   *
   * @throws TypeError for anything but bytes
   */
  set out_buffer(data: Uint8Array) {
    const chunk = bytes(data);
    const output = this._output();
    output.discard();
    output.queue.push(chunk);
    this._changed();
  }

  /** Sends what is queued, as far as the kernel takes it now. The loop does this by itself. */
  initiate_send(): void {
    this[endpoint].output?.send();
  }

  override handle_write(): void {
    this.initiate_send();
  }

  override writable(): boolean {
    const known = this[endpoint];
    return this.connected ? known.output?.wantsRoom === true : known.awaitsConnection;
  }

  /**
   * Queues `data` and returns its length. The bytes are not copied, so they must not change until they are
   * sent. What a handler sends goes out together when the handler returns; what is sent from elsewhere
   * goes out at once; `close` sends what is left, as far as the kernel takes it. On a datagram or SEQPACKET
   * socket each call is a message of its own. After `close`, `close_when_done` or `shutdown` the channel
   * refuses the data, logs that once and returns 0.
   *
   * @throws TypeError for anything but bytes
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
   * Closes the channel once everything is sent and the peer has ended too, or `linger_time` has passed.
   * What is sent after this is refused and logged. A datagram socket without a peer closes in the
   * next pass, and what was given to `send` before it had one is lost.
   */
  close_when_done(): void {
    this.closing = true;
    this._output().closeWhenOut();
  }
}

announce_changes(dispatcher_with_send.prototype, 'writable');
