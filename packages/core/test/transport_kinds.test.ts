/** What only some kinds of transport do; what all of them do is in the files that streams.ts lists. */
import { dispatcher_with_send, type Transport } from '@asyncore/core';
import { POLLHUP, POLLRDHUP } from '@asyncore/socket';
import { as, Wanting } from '@asyncore/test-support/transport_kinds';
import { expect, it } from 'vitest';
import { connection, onEveryPoller, Stage } from './support.js';

class Channel extends dispatcher_with_send<Transport> {
  readSize = 10;
  received = '';
  constructor(
    readonly stage: Stage,
    sock: Transport,
  ) {
    super(sock, stage.map);
  }
  override handle_read(): void {
    const data = this.recv(this.readSize);
    this.received += data;
    if (data.length > 0) this.stage.say(`${this.received.length}`);
  }
  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }
  override handle_error(error: unknown): void {
    this.stage.say(String(error));
    this.close();
  }
}

onEveryPoller((use_poll) => {
  it('the kernel is told what the transport wants, and not what the channel does', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const sock = as(Wanting, ours);
    new Channel(stage, sock);
    // Nothing has come, so only room to write can have led to its recv.
    await stage.passes(3);
    expect(sock.hasGreeted).toBe(true);
    theirs.send(Buffer.from('hello'));
    await stage.until('5');
    expect(await stage.isIdle()).toBe(true);
  });

  it('one that ends without the kernel saying so is believed', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    let changed = () => {};
    let state = 0;
    Object.assign(ours, {
      state: () => state,
      watch: (call: () => void) => {
        changed = call;
      },
    });
    new Channel(stage, ours);
    await stage.passes(3);
    expect(stage.trace).toEqual([]);
    setTimeout(() => {
      state = POLLHUP | (POLLRDHUP ?? 0);
      changed();
    }, 5);
    await stage.until('close');
    expect(stage.trace).toEqual(['close']);
  });

  it('one that holds more of itself is read', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    let changed = () => {};
    let held = '';
    Object.assign(ours, {
      pending: () => held.length,
      unread: () => held.length,
      recv: (size: number) => {
        const data = Buffer.from(held.slice(0, size));
        held = held.slice(size);
        return data;
      },
      watch: (call: () => void) => {
        changed = call;
      },
    });
    new Channel(stage, ours);
    setTimeout(() => {
      held = 'y'.repeat(25);
      changed();
    }, 5);
    await stage.until('25');
    expect(stage.trace).toEqual(['10', '20', '25']);
  });
});
