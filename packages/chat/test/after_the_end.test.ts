/** Every way of sending, after every way of ending: refused, said once, and nothing else comes of it. */
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send, type Socket } from '@asyncore/core';
import {
  AF_INET,
  close,
  SHUT_WR,
  SO_RCVTIMEO,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket as socket,
} from '@asyncore/socket';
import { afterEach, describe, expect, it } from 'vitest';
import { b, onEveryPoller, Stage } from './support.js';

const said: string[] = [];
const log_info = (message: unknown, type = 'info') => said.push(`${type}: ${message}`);
const handle_error = (error: unknown) => said.push(`error ${error}`);
const open: { close(): void }[] = [];
afterEach(() => {
  said.length = 0;
  for (const each of open.splice(0)) each.close();
});

/** Its recv waits, five seconds at most: what never comes is a failure. */
function patient(sock: Socket): void {
  sock.setblocking(true);
  sock.setsockopt(SOL_SOCKET, SO_RCVTIMEO, new BigInt64Array([5n, 0n]));
}

/** Says what it is told. It ends with its peer. */
class Plain extends dispatcher {
  override log_info = log_info;
  override handle_error = handle_error;
  override handle_read(): void {
    const data = this.recv(100);
    if (data.length > 0) said.push(`read ${data}`);
  }
  override handle_write(): void {
    if (this.send(b('')) !== 0) said.push('sent');
  }
  override handle_close(): void {
    said.push('close');
    this.close();
  }
}

class Sender extends dispatcher_with_send {
  override log_info = log_info;
  override handle_error = handle_error;
  override handle_read = Plain.prototype.handle_read;
  override handle_close = Plain.prototype.handle_close;
}

class Chat extends async_chat {
  override log_info = log_info;
  override handle_error = handle_error;
  override collect_incoming_data(data: Buffer): void {
    said.push(`read ${data}`);
  }
  override handle_close = Plain.prototype.handle_close;
}

/** What is queued goes out by its own send. */
class OwnSend extends Chat {
  override send(data: Uint8Array): number {
    return super.send(data);
  }
}

type Any = Plain & Sender & Chat;
type Call = (channel: Any) => unknown;

/** Methods of the socket that a closed one fails by itself, as all of them. */
const ofSocket: Record<string, Call> = {
  sendto: (c) => c.sendto(b('late'), c.addr as [string, number]),
  sendmsg: (c) => c.sendmsg([b('late')]),
  send_fds: (c) => c.send_fds([b('late')], [0]),
};
const queued: Record<string, Call> = {
  push: (c) => c.push(b('late')),
  push_with_producer: (c) => c.push_with_producer([b('late')]),
};
const send: Record<string, Call> = { send: (c) => c.send(b('late')) };

const ends: Record<string, Call> = {
  close: (c) => c.close(),
  close_when_done: (c) => c.close_when_done(),
  detach: (c) => close(c.detach()),
  shutdown: (c) => c.shutdown(SHUT_WR),
};

const kinds = {
  dispatcher: [Plain, { ...send, ...ofSocket }],
  dispatcher_with_send: [Sender, { ...send, ...ofSocket }],
  async_chat: [Chat, { ...send, ...queued, ...ofSocket }],
  'async_chat with a send of its own': [OwnSend, { ...send, ...queued, ...ofSocket }],
} as const;

const table = Object.entries(kinds).flatMap(([kind, [make, ways]]) =>
  Object.entries(ends)
    .filter(([end]) => end !== 'close_when_done' || kind !== 'dispatcher')
    .flatMap(([end, ends]) =>
      Object.entries(ways).map(([way, call]) => [way, end, kind, { make, call, ends }] as const),
    ),
);

/** What two calls give: 0 or false or nothing. A closed socket's own methods fail with EBADF. */
function gives(channel: Any, call: Call): unknown[] {
  return [1, 2].map(() => {
    try {
      return Number(call(channel) ?? 0);
    } catch (error) {
      return (error as NodeJS.ErrnoException).code;
    }
  });
}

onEveryPoller((use_poll) => {
  it.each(table)('%s after %s of a %s is refused, said once, and loses nothing', async (...row) => {
    const [way, end, , { make, call, ends }] = row;
    const stage = new Stage(use_poll);
    const [ours, theirs] = stage.pair();
    open.push(theirs);
    const channel = new make(ours as Socket, stage.map) as unknown as Any;
    const isGone = end === 'close' || end === 'detach';
    const fails = isGone && way in ofSocket;
    (channel.push ?? channel.send).call(channel, b('before'));
    let given: unknown[] = [];
    const { handle_read } = channel;
    channel.handle_read = () => {
      channel.handle_read = handle_read;
      channel.recv(1);
      ends(channel);
      given = gives(channel, call);
    };
    theirs.send(b('!'));
    await stage.until(() => given.length > 0);
    expect(given).toEqual(fails ? ['EBADF', 'EBADF'] : [0, 0]);
    gives(channel, call); // outside of a handler too

    const refused = expect.stringMatching(`^error: ${way} after ${end} is refused: <`);
    expect(said).toEqual(fails ? [] : [refused]);
    if (!isGone) await stage.passes(5);
    if (end === 'shutdown') {
      theirs.send(b('still read'));
      await stage.until(() => said.includes('read still read'));
    }
    patient(theirs);
    expect([theirs.recv(100), theirs.recv(100)].join('|')).toBe('before|');
    theirs.close();
    if (stage.map.size > 0) await stage.loop();
    expect(said.filter((line) => line === 'close')).toHaveLength(isGone ? 0 : 1);
  });

  it('a plain dispatcher that has shut down is woken for writing no more', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = stage.pair();
    open.push(theirs);
    const channel = new Plain(ours, stage.map);
    let writes = 0;
    channel.handle_write = () => {
      writes += 1;
      channel.send(b('late'));
    };
    channel.shutdown(SHUT_WR);
    await stage.passes(20);
    expect([writes, channel.connected]).toEqual([0, true]);
  });

  it('a new connection sends again', async () => {
    const stage = new Stage(use_poll);
    for (const Kind of [Plain, Sender, Chat]) {
      const channel = new Kind(null, stage.map);
      for (const end of Object.values(ends).filter((each) => each !== ends.close_when_done)) {
        const [ours, theirs] = stage.pair();
        open.push(theirs);
        channel.set_socket(ours);
        channel.connected = true;
        expect(channel.send(b('on time'))).toBe(7);
        end(channel as Any);
        patient(theirs);
        expect(String(theirs.recv(100))).toBe('on time');
      }
      channel.close();
    }
  });

  // What was taken before the end is not refused, though the queue goes out by the socket's own call after it.
  it('close_when_done closes a datagram socket that has no peer, whatever was pushed', async () => {
    const stage = new Stage(use_poll);
    const channel = new Chat(null, stage.map);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    let isEnded = false;
    channel.push(b('to nobody'));
    channel.push_with_producer({
      more: () => b('more'),
      return: () => {
        isEnded = true;
      },
    });
    channel.close_when_done();
    await stage.loop();
    expect([said, isEnded]).toEqual([['close'], true]);
  });

  it.each([
    ['sendto', (c: Chat, data: Uint8Array) => c.sendto(data, c.addr as [string, number])],
    [
      'sendmsg',
      (c: Chat, data: Uint8Array) => c.sendmsg([data], [], 0, c.addr as [string, number]),
    ],
  ])('a chat whose send is made of %s sends by it what was pushed', async (_, by) => {
    const stage = new Stage(use_poll);
    const theirs = new socket(AF_INET, SOCK_DGRAM);
    open.push(theirs);
    theirs.bind(['127.0.0.1', 0]);
    const channel = new (class extends Chat {
      override send(data: Uint8Array): number {
        return by(this, data);
      }
    })(null, stage.map);
    channel.create_socket(AF_INET, SOCK_DGRAM);
    channel.addr = theirs.getsockname();
    channel.connected = true;
    channel.push(b('one'));
    channel.push(b('two'));
    channel.close_when_done();
    patient(theirs);
    expect([theirs.recv(100), theirs.recv(100)].join('|')).toBe('one|two');
    await stage.loop();
    expect(said).toEqual(['close']);
  });
});

describe('wrong data', () => {
  it.each(['close', 'shutdown'])('throws a TypeError after %s too', (end) => {
    const [ours, theirs] = new Stage().pair();
    open.push(theirs);
    const channel = new Plain(ours, new Map());
    open.push(channel);
    ends[end](channel as unknown as Any);
    expect(() => channel.send('text' as unknown as Uint8Array)).toThrow(TypeError);
  });
});
