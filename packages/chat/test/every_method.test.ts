/**
 * Each public method, called where a program may come to call it: it answers or throws an error that says
 * what to do, ends no loop, and output that was given before it is not lost unless the channel closes it.
 */
import { async_chat } from '@asyncore/chat';
import { dispatcher_with_send, ExitNow } from '@asyncore/core';
import { AF_INET, SHUT_WR, SO_KEEPALIVE, SOL_SOCKET, type Socket } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { accepted, b, listening, onEveryPoller, Stage } from './support.js';

type Both = async_chat & dispatcher_with_send;
type Call = (channel: Both) => unknown;

/** Those that give up what waits, each in its own way. */
const ends: Record<string, Call> = {
  close: (c) => c.close(),
  handle_close: (c) => c.handle_close(),
  handle_close_event: (c) => c.handle_close_event(),
  create_socket: (c) => c.create_socket(AF_INET),
  set_socket: (c) => c.set_socket(fresh()),
  detach: (c) => c.detach(),
  discard_buffers: (c) => c.discard_buffers?.(),
};

const calls: Record<string, Call> = {
  ...ends,
  add_channel: (c) => c.add_channel(),
  bind: (c) => c.bind(['127.0.0.1', 0]),
  close_when_done: (c) => c.close_when_done(),
  fileno: (c) => c.fileno(),
  get_terminator: (c) => c.get_terminator?.(),
  getpeername: (c) => c.getpeername(),
  getsockname: (c) => c.getsockname(),
  getsockopt: (c) => c.getsockopt(SOL_SOCKET, SO_KEEPALIVE),
  handle_read: (c) => c.handle_read(),
  handle_write: (c) => c.handle_write(),
  handle_expt_event: (c) => c.handle_expt_event(),
  initiate_send: (c) => c.initiate_send(),
  push: (c) => (c.push ?? c.send).call(c, b('!')),
  push_with_producer: (c) => c.push_with_producer?.({ more: () => null }),
  readable: (c) => c.readable(),
  writable: (c) => c.writable(),
  recv: (c) => c.recv(10),
  recv_into: (c) => c.recv_into(Buffer.alloc(10)),
  recvfrom: (c) => c.recvfrom(10),
  sendmsg: (c) => c.sendmsg([b('!')]),
  send: (c) => c.send(b('!')),
  set_keep_alive: (c) => c.set_keep_alive(),
  set_reuse_addr: (c) => c.set_reuse_addr(),
  set_terminator: (c) => c.set_terminator?.('\n'),
  setblocking: (c) => c.setblocking(false),
  shutdown: (c) => c.shutdown(SHUT_WR),
  toString: (c: Both) => c.toString(),
};

const spare: Socket[] = [];
function fresh(): Socket {
  const [ours, theirs] = new Stage().pair();
  spare.push(theirs);
  return ours;
}

class Chat extends async_chat {
  said: unknown[] = [];
  override linger_time = 0.02;
  override collect_incoming_data(): void {}
  override found_terminator(): void {}
  override handle_connect(): void {}
  override log_info(): void {}
  override handle_error(error: unknown): void {
    this.said.push(error);
  }
}

class Sender extends dispatcher_with_send {
  said: unknown[] = [];
  override linger_time = 0.02;
  override handle_read(): void {
    this.recv(100);
  }
  override handle_connect(): void {}
  override log_info(): void {}
  override handle_error(error: unknown): void {
    this.said.push(error);
  }
}

function give(channel: Both, text: string): void {
  if (channel instanceof async_chat) channel.push(b(text));
  else (channel as dispatcher_with_send).send(b(text));
}

/** Calls it, and sees to it that what it throws, if it does, is an error with a message. */
function attempt(call: Call, channel: Both): void {
  try {
    call(channel);
  } catch (error) {
    expect(error).toBeInstanceOf(Error);
    expect(error).not.toBeInstanceOf(ExitNow);
    expect((error as NodeJS.ErrnoException).code).toMatch(/^E[A-Z]+$/);
  }
}

describe.each([
  ['async_chat', Chat],
  ['dispatcher_with_send', Sender],
])('%s', (_, kind) => {
  onEveryPoller((use_poll) => {
    const names = Object.keys(calls);
    const make = (stage: Stage, sock: Socket | null = null) =>
      new kind(sock, stage.map) as unknown as Both & { said: unknown[] };

    it.each(names)('%s in a handler with output waiting loses none of it', async (name) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = stage.pair();
      const channel = make(stage, ours);
      let isDone = false;
      const { handle_read } = channel;
      channel.handle_read = () => {
        channel.handle_read = handle_read;
        channel.recv(100);
        give(channel, 'before');
        attempt(calls[name], channel);
        isDone = true;
      };
      theirs.send(b('?'));
      await stage.until(() => isDone);
      await stage.passes(2);
      if (name !== 'discard_buffers') {
        theirs.setblocking(true);
        expect(String(theirs.recv(6))).toBe('before');
      }
      theirs.close();
    });

    it.each(names)('%s after close ends no loop, and keeps nothing', async (name) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = stage.pair();
      const channel = make(stage, ours);
      channel.close();
      attempt(calls[name], channel);
      await stage.passes(3);
      if (!/_socket/.test(name)) {
        expect([stage.map.size, channel._output()?.unsent]).toEqual([0, 0]);
        expect(channel.connected).toBe(false);
      }
      theirs.close();
    });

    it.each(names)(
      '%s while connecting lets the attempt go on, unless it ends it',
      async (name) => {
        const stage = new Stage(use_poll);
        const door = listening();
        const channel = make(stage);
        channel.create_socket(AF_INET);
        channel.connect(door.getsockname());
        give(channel, 'before');
        attempt(calls[name], channel);
        await stage.passes(5, 0.01);
        if (!(name in ends)) {
          const [theirs] = accepted(door);
          theirs.setblocking(true);
          expect(String(theirs.recv(6))).toBe('before');
          theirs.close();
        }
        door.close();
      },
    );

    it.each(names)('%s while a promise of handle_read is pending ends no loop', async (name) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = stage.pair();
      const channel = make(stage, ours);
      let go = () => {};
      let isCalled = false;
      const { handle_read } = channel;
      channel.handle_read = async () => {
        isCalled = true;
        channel.handle_read = handle_read;
        await new Promise<void>((resolve) => {
          go = resolve;
        });
      };
      theirs.send(b('?'));
      await stage.until(() => isCalled);
      give(channel, 'before');
      attempt(calls[name], channel);
      go();
      await stage.passes(3);
      if (name !== 'discard_buffers') {
        theirs.setblocking(true);
        expect(String(theirs.recv(6))).toBe('before');
      }
      theirs.close();
      for (const socket of spare.splice(0)) socket.close();
    });
  });
});
