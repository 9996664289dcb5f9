/** Many datagrams in one system call: recvmmsg, sendmmsg, and a queue of messages. */
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
  socketpair,
} from '@asyncore/socket';
import { native, use_binding } from '@asyncore/socket/kernel';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { afterEach, describe, expect, it } from 'vitest';
import { free, onEveryPoller, own, Sender, Stage } from './support.js';

const inet6 = 'inet6 (runs where ::1 is up: ip -6 address add ::1 dev lo)';
const families: [name: string, family: number, works: boolean][] = [
  ['inet', AF_INET, true],
  [hasInet6() ? 'inet6' : inet6, AF_INET6, hasInet6()],
  ['unix', AF_UNIX, true],
];
const onLinux = process.platform === 'linux';
const texts = Array.from({ length: 100 }, (_, i) => `message ${i}`);

afterEach(() => {
  use_binding(native);
});

/** How many calls of each of these the channels have made. */
function counted() {
  const calls = { send: 0, sendmmsg: 0, recvmmsg: 0 };
  use_binding({
    ...native,
    send(...args) {
      calls.send += 1;
      return native.send(...args);
    },
    sendmmsg(...args) {
      calls.sendmmsg += 1;
      return native.sendmmsg?.(...args) ?? -native.errors.ENOSYS;
    },
    recvmmsg(...args) {
      calls.recvmmsg += 1;
      return native.recvmmsg?.(...args) ?? -native.errors.ENOSYS;
    },
  });
  return calls;
}

class Echo extends dispatcher {
  constructor(
    readonly stage: Stage,
    family: number,
  ) {
    super(null, stage.map);
    this.create_socket(family, SOCK_DGRAM);
    this.bind(free(family));
  }

  override handle_read(): void {
    const datagrams = this.recvmmsg(64, 8192);
    expect(this.sendmmsg(datagrams)).toBe(datagrams.length);
  }

  override handle_error(error: unknown): void {
    this.stage.say(`error: ${error}`);
  }
}

describe.each(families)('%s', (_, family, works) => {
  describe.skipIf(!works)('datagrams', () => {
    onEveryPoller((use_poll) => {
      it('come and go many at a time, each answer to its sender, in order', async () => {
        const stage = new Stage(use_poll);
        const server = new Echo(stage, family);
        const clients = [1, 2].map(() => {
          const client = own(new Socket(family, SOCK_DGRAM));
          client.bind(free(family));
          return client;
        });
        const got: string[][] = [[], []];
        for (let sent = 0; sent < texts.length; sent += 5) {
          for (const text of texts.slice(sent, sent + 5)) {
            for (const client of clients) client.sendto(Buffer.from(text), server.getsockname());
          }
          while (got.some((list) => list.length < sent + 5)) {
            await stage.passes(1);
            for (const [i, client] of clients.entries()) {
              if (client.unread() > 0) {
                got[i].push(...client.recvmmsg(64, 100).map(([data]) => `${data}`));
              }
            }
          }
        }
        expect(got).toEqual([texts, texts]);
        expect(stage.trace).toEqual([]);
        server.close();
      });

      it('a handler that asks for more than there are is told nothing', async () => {
        const stage = new Stage(use_poll);
        const server = new Echo(stage, family);
        server.handle_read = () => {
          stage.say(`${server.recvmmsg(64, 100)[0][0]}`);
          server.recvmmsg(64, 100);
        };
        const client = own(new Socket(family, SOCK_DGRAM));
        client.sendto(Buffer.from('only'), server.getsockname());
        await stage.until('only');
        expect([await stage.isIdle(), stage.trace]).toEqual([true, ['only']]);
        server.close();
      });
    });
  });
});

onEveryPoller((use_poll) => {
  const title = onLinux ? '' : ' (runs on Linux)';

  it.skipIf(!onLinux)(`what a handler sends leaves in one system call${title}`, async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
    own(theirs);
    const channel = new Sender(stage, ours);
    const few = texts.slice(0, 8);
    channel.handle_read = () => {
      channel.recv(100);
      for (const text of few) channel.send(Buffer.from(text));
      stage.say('sent');
    };
    theirs.send(Buffer.from('go'));
    const calls = counted();
    await stage.until('sent');
    expect(calls).toMatchObject({ send: 0, sendmmsg: 1 });
    expect(theirs.recvmmsg(64, 100).map(([data]) => `${data}`)).toEqual(few);
    channel.close();
  });

  it('what is sent by sendmmsg comes after what was sent before', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
    own(theirs);
    const channel = new Sender(stage, ours);
    channel.handle_read = () => {
      channel.recv(100);
      channel.send(Buffer.from('one'));
      channel.sendmmsg([[Buffer.from('two')], [Buffer.from('three')]]);
      stage.say('sent');
    };
    theirs.send(Buffer.from('go'));
    await stage.until('sent');
    expect([1, 2, 3].map(() => `${theirs.recv(100)}`)).toEqual(['one', 'two', 'three']);
    channel.close();
  });

  it('one that is too long is told once, wherever it is among many', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
    own(theirs);
    const channel = new Sender(stage, ours);
    channel.setsockopt(SOL_SOCKET, SO_SNDBUF, 8192);
    channel.handle_error = (error) => stage.say(String((error as { code: string }).code));
    channel.handle_read = () => {
      channel.recv(100);
      for (const text of ['a', 'b', 'x'.repeat(250_000), 'c', 'd']) {
        channel.send(Buffer.from(text));
      }
      stage.say('sent');
    };
    theirs.send(Buffer.from('go'));
    await stage.until('sent');
    await stage.passes(3);
    const got = theirs.recvmmsg(64, 100).map(([data]) => `${data}`);
    while (got.at(-1) !== 'd') got.push(`${theirs.recv(100)}`);
    expect([got, stage.count('EMSGSIZE')]).toEqual([['a', 'b', 'c', 'd'], 1]);
    channel.close();
  });

  it('what the peer has no room for waits for it, without a turn of the loop', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
    own(theirs);
    const channel = new Sender(stage, ours);
    channel.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096);
    for (const text of texts) channel.send(Buffer.from(text));
    await stage.passes(2);
    expect(channel.out_buffer.length).toBeGreaterThan(0);
    expect(await stage.isIdle()).toBe(true);
    const got: string[] = [];
    while (got.length < texts.length) {
      if (theirs.unread() > 0) got.push(...theirs.recvmmsg(3, 100).map(([data]) => `${data}`));
      else await stage.passes(1);
    }
    expect(got).toEqual(texts);
    channel.close();
  });
});

it('a subclass that hands on chunks itself gets each message', () => {
  const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
  own(theirs);
  const seen: number[] = [];
  class Own extends dispatcher_with_send {
    override _send_chunks(chunks: readonly Uint8Array[]): number {
      seen.push(chunks.length);
      return super._send_chunks(chunks);
    }
  }
  const channel = own(new Own(ours, new Map()));
  channel.connected = false;
  for (const text of ['one', 'two']) channel.send(Buffer.from(text));
  channel.connected = true;
  channel.initiate_send();
  expect(seen).toEqual([1, 1]);
});

it('so does a socket with a send of its own', () => {
  const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
  own(theirs);
  const seen: string[] = [];
  ours.send = (data) => {
    seen.push(String(data));
    return data.byteLength;
  };
  const channel = own(new dispatcher_with_send(ours, new Map()));
  channel.connected = false;
  for (const text of ['one', 'two']) channel.send(Buffer.from(text));
  channel.connected = true;
  channel.initiate_send();
  expect(seen).toEqual(['one', 'two']);
});
