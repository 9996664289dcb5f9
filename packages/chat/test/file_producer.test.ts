/** file_producer: a file on its way out, by sendfile(2) where that can be, else read and sent. */
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import {
  appendFileSync,
  closeSync,
  fstatSync,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { Socket as NetSocket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { file_producer } from '@asyncore/chat';
import { type bytes_message, loop, type Socket } from '@asyncore/core';
import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  errno,
  OSError,
  pipe,
  SO_SNDBUF,
  SOCK_DGRAM,
  SOCK_STREAM,
  SOL_SOCKET,
  Socket as SocketClass,
  set_blocking,
  socketpair,
  write,
} from '@asyncore/socket';
import { binding } from '@asyncore/socket/kernel';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { afterAll, describe, expect, it } from 'vitest';
import { b, Chat, onEveryPoller, Peer, Stage } from './support.js';

const folder = mkdtempSync(join(tmpdir(), 'asyncore files ü '));
afterAll(() => rmSync(folder, { recursive: true }));

const large = randomBytes(5_000_000);
let files = 0;

function fileOf(content: Uint8Array | string): string {
  const path = join(folder, `file ${files++}`);
  writeFileSync(path, content);
  return path;
}

const isOpen = (fd: number) => {
  try {
    fstatSync(fd);
    return true;
  } catch {
    return false;
  }
};

/** Whether it says that it is larger than what is in it. */
function isOverstated(path: string): boolean {
  try {
    return readFileSync(path).length < statSync(path).size;
  } catch {
    return false;
  }
}

/** The number of the next descriptor, which is larger where one was left open. */
function openDescriptors(): number {
  const fd = openSync('/dev/null', 'r');
  closeSync(fd);
  return fd;
}

function pairOf(family: number): [Socket, Socket] {
  if (family === AF_UNIX) return socketpair(AF_UNIX, SOCK_STREAM);
  using door = new SocketClass(family);
  door.bind([family === AF_INET ? '127.0.0.1' : '::1', 0]);
  door.listen();
  const ours = new SocketClass(family);
  ours.setblocking(true);
  ours.connect(door.getsockname());
  ours.setblocking(false);
  door.setblocking(true);
  return [ours, door.accept()[0]];
}

function chatOn(
  stage: Stage,
  family = AF_INET,
  Kind: typeof Chat = Chat,
): [chat: Chat, peer: Peer, ours: Socket] {
  const [ours, theirs] = pairOf(family);
  theirs.setblocking(false);
  return [new Kind(stage, '\n', ours), new Peer(stage, theirs), ours];
}

/** How many bytes went by sendfile. */
function countFiles(socket: Socket): { bytes: number; calls: number; most: number } {
  const counted = { bytes: 0, calls: 0, most: 0 };
  const { sendfile } = socket;
  socket.sendfile = (...args) => {
    counted.calls += 1;
    const sent = sendfile.apply(socket, args);
    counted.bytes += sent;
    counted.most = Math.max(counted.most, sent);
    return sent;
  };
  return counted;
}

/** A transport that has no sendfile. */
function withoutSendfile(socket: Socket): void {
  Object.defineProperty(socket, 'sendfile', { value: undefined });
}

const families: [string, number][] = [
  ['inet', AF_INET],
  ['inet6', AF_INET6],
  ['unix', AF_UNIX],
];

onEveryPoller((use_poll) => {
  describe.each(families)('%s', (name, family) => {
    const isThere = name !== 'inet6' || hasInet6();
    const why = isThere ? '' : ' (runs where ::1 can be bound)';

    it.skipIf(!isThere)(`sends a file in order with what is around it${why}`, async () => {
      const stage = new Stage(use_poll);
      const [chat, peer, ours] = chatOn(stage, family);
      const counted = countFiles(ours);
      chat.push(b('before'));
      const file = new file_producer(fileOf(large));
      expect(file.length).toBe(large.length);
      chat.push_with_producer(file);
      chat.push(b('between'));
      chat.push_with_producer(new file_producer(fileOf(large), { start: 1000, end: 200_000 }));
      chat.push(b('after'));
      chat.close_when_done();
      await stage.until(() => peer.ended);
      const part = large.subarray(1000, 200_000);
      const all = Buffer.concat([b('before'), large, b('between'), part, b('after')]);
      expect(Buffer.concat(peer.chunks).equals(all)).toBe(true);
      expect(counted.bytes).toBe(large.length + part.length);
    });
  });

  it('reads and sends where the transport has no sendfile', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer, ours] = chatOn(stage);
    withoutSendfile(ours);
    chat.push(b('<'));
    chat.push_with_producer(new file_producer(fileOf(large)));
    chat.push(b('>'));
    chat.close_when_done();
    await stage.until(() => peer.ended);
    expect(Buffer.concat(peer.chunks).equals(Buffer.concat([b('<'), large, b('>')]))).toBe(true);
  });

  it.each(['ENOSYS', 'EINVAL', 'ESPIPE', 'EOPNOTSUPP', 'EIO'])(
    'reads and sends from where sendfile has failed with %s',
    async (code) => {
      const stage = new Stage(use_poll);
      const [chat, peer, ours] = chatOn(stage);
      const { sendfile } = ours;
      let calls = 0;
      ours.sendfile = (...args) => {
        if (calls++ === 2) throw new OSError('sendfile', errno[code]);
        return sendfile.apply(ours, args);
      };
      chat.push_with_producer(new file_producer(fileOf(large)));
      chat.push(b('>'));
      chat.close_when_done();
      await stage.until(() => peer.ended);
      expect(Buffer.concat(peer.chunks).equals(Buffer.concat([large, b('>')]))).toBe(true);
      const errors = chat.said.filter((line) => line !== 'close');
      expect([calls, errors]).toEqual([3, []]);
    },
  );

  it('a send of the subclass sees every byte', async () => {
    let seen = 0;
    class Counting extends Chat {
      override send(data: Uint8Array): number {
        const sent = super.send(data);
        seen += sent;
        return sent;
      }
    }
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage, AF_INET, Counting);
    chat.push_with_producer(new file_producer(fileOf(large)));
    await stage.until(() => peer.length === large.length);
    expect(seen).toBe(large.length);
  });

  it.each([
    ['by sendfile', () => {}],
    ['by reading', withoutSendfile],
  ])(
    'tells how much has been sent %s, and still does when the channel is closed',
    async (_, set) => {
      const stage = new Stage(use_poll);
      const [chat, peer, ours] = chatOn(stage);
      set(ours);
      const part = { start: 1000, end: 4_000_000 };
      const [first, second] = [0, 1].map(() => new file_producer(fileOf(large), part));
      chat.push_with_producer(first);
      chat.push_with_producer(second);
      expect([first.sent < 3_999_000, second.sent]).toEqual([true, 0]);
      await stage.until(() => first.sent === first.length && second.sent > 0);
      const { sent } = second;
      chat.close();
      await stage.until(() => peer.ended);
      expect([first.sent, second.sent >= sent]).toEqual([3_999_000, true]);
      expect(peer.length).toBeGreaterThan(3_999_000);
    },
  );

  it('a large file does not keep others waiting', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer, ours] = chatOn(stage);
    const [other, otherPeer] = chatOn(stage);
    const counted = countFiles(ours);
    chat.push_with_producer(new file_producer(fileOf(Buffer.alloc(20_000_000))));
    expect(counted.bytes).toBeLessThanOrEqual(1 << 20);
    otherPeer.say('hello\n');
    await stage.until(() => other.contents.length > 0);
    expect(peer.length).toBeLessThan(20_000_000);
    await stage.until(() => peer.length === 20_000_000);
    expect(counted.most).toBeLessThanOrEqual(1 << 20);
  });

  it('what is appended meanwhile is no part of it', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    const path = fileOf('0123456789');
    const file = new file_producer(path);
    appendFileSync(path, 'more');
    chat.push_with_producer(file);
    chat.push(b('|'));
    await stage.until(() => peer.text.includes('|'));
    expect(peer.text).toBe('0123456789|');
  });

  it('a file cut short while it is sent closes the channel, and what is behind it is not sent', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer, ours] = chatOn(stage);
    ours.setsockopt(SOL_SOCKET, SO_SNDBUF, 4096);
    peer.isReading = false;
    const path = fileOf(large);
    const file = new file_producer(path);
    const { fd } = file._range;
    chat.push_with_producer(file);
    chat.push(b('never sent'));
    await stage.passes(5);
    truncateSync(path, 100);
    peer.isReading = true;
    await stage.until(() => peer.ended);
    expect(chat.said[0]).toMatch(
      /^error read EIO .*file \d+: the file has lost its last \d+ bytes$/,
    );
    expect(peer.text).not.toContain('never sent');
    expect(chat.close_reason).toHaveProperty('code', 'EIO');
    expect(isOpen(fd)).toBe(false);
  });

  it('a connection that handle_error begins is not ended with the file', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = stage.pair();
    class Again extends Chat {
      override handle_error(): void {
        this.close();
        this.create_socket();
        this.set_socket(ours);
        this.connected = true;
        this.push(b('new'));
      }
    }
    const [first, firstPeer] = stage.pair();
    const chat = new Again(stage, null, first);
    const path = fileOf(large);
    const file = new file_producer(path);
    truncateSync(path, 100);
    chat.push_with_producer(file);
    const peer = new Peer(stage, theirs);
    await stage.until(() => peer.text === 'new');
    firstPeer.close();
    expect([chat.connected, chat.said]).toEqual([true, []]);
  });

  it('closes the channel even where handle_error does not', async () => {
    const told: unknown[] = [];
    class Patient extends Chat {
      override handle_error(error: unknown): void {
        told.push(error);
        this.push(b('sorry'));
      }
    }
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage, AF_INET, Patient);
    const path = fileOf('0123456789');
    const file = new file_producer(path);
    truncateSync(path, 3);
    chat.push_with_producer(file);
    chat.push(b('never sent'));
    await stage.until(() => peer.ended);
    expect(told).toEqual([expect.objectContaining({ code: 'EIO' })]);
    expect([chat.said, chat.connected, peer.text]).toEqual([['close'], false, '012']);
  });

  it('a descriptor that its owner has closed is an error of the file, not a lost peer', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    const fd = openSync(fileOf('data'), 'r');
    const file = new file_producer(fd);
    closeSync(fd);
    chat.push_with_producer(file);
    await stage.until(() => peer.ended);
    expect(chat.said).toEqual(['error pread EBADF']);
  });

  it('a peer that goes in the middle closes the file and the channel', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    peer.isReading = false;
    const file = new file_producer(fileOf(Buffer.alloc(20_000_000)));
    const { fd } = file._range;
    chat.push_with_producer(file);
    await stage.passes(3);
    peer.close();
    await stage.until(() => chat.said.includes('close'));
    expect([isOpen(fd), chat.said]).toEqual([false, ['close']]);
  });

  it('a file makes progress, and a peer that takes none of it is timed out', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    peer.isReading = false;
    chat.timeout = 0.2;
    const file = new file_producer(fileOf(Buffer.alloc(20_000_000)));
    const { fd } = file._range;
    chat.push_with_producer(file);
    await stage.until(() => chat.said.includes('close'));
    expect(chat.close_reason).toHaveProperty('code', 'ETIMEDOUT');
    expect(isOpen(fd)).toBe(false);
  });

  it('waits for room without turning', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    peer.isReading = false;
    chat.push_with_producer(new file_producer(fileOf(Buffer.alloc(20_000_000))));
    await stage.passes(30);
    expect(await stage.isIdle()).toBe(true);
  });

  it('its bytes do not count as pushed, those behind it do', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    chat.ac_out_high_water = 1000;
    peer.isReading = false;
    chat.push_with_producer(new file_producer(fileOf(Buffer.alloc(20_000_000))));
    expect(chat.push(Buffer.alloc(1000))).toBe(true);
    expect(chat.push(Buffer.alloc(1))).toBe(false);
    peer.isReading = true;
    await stage.until(() => chat.said.includes('drain'));
    await stage.until(() => peer.length === 20_001_001);
  });

  it.skipIf(process.platform !== 'linux')(
    `sends files of /proc, whose length is not known${process.platform === 'linux' ? '' : ' (runs on Linux)'}`,
    async () => {
      const stage = new Stage(use_poll);
      const [chat, peer] = chatOn(stage);
      const file = new file_producer('/proc/self/limits');
      expect(file.length).toBe(null);
      chat.push_with_producer(file);
      chat.push(b('|'));
      await stage.until(() => peer.text.includes('|'));
      expect(peer.text).toBe(`${readFileSync('/proc/self/limits', 'latin1')}|`);
    },
  );

  const small = ['/sys/class/net/lo/mtu', '/sys/kernel/profiling'].find(isOverstated);
  it.skipIf(small === undefined)(
    `sends a file that holds fewer bytes than it says${small === undefined ? ' (runs on Linux with /sys mounted)' : ''}`,
    async () => {
      const path = small as string;
      const stage = new Stage(use_poll);
      const [chat, peer] = chatOn(stage);
      const file = new file_producer(path);
      expect(file.length).toBe(null);
      chat.push_with_producer(file);
      chat.push(b('|'));
      chat.close_when_done();
      await stage.until(() => peer.ended);
      const errors = chat.said.filter((line) => line !== 'close');
      expect([peer.text, errors]).toEqual([`${readFileSync(path, 'latin1')}|`, []]);
    },
  );

  it('sends a pipe until its end', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    const [reading, writing] = pipe();
    write(writing, b('through the pipe'));
    closeSync(writing);
    const file = new file_producer(reading, { closefd: true });
    expect(file.length).toBe(null);
    chat.push_with_producer(file);
    chat.close_when_done();
    await stage.until(() => peer.ended);
    expect([peer.text, isOpen(reading)]).toEqual(['through the pipe', false]);
  });

  it('a pipe that does not block is refused, and goes as a stream', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = chatOn(stage);
    const [reading, writing] = pipe();
    set_blocking(reading, false);
    write(writing, b('first '));
    const refused = () => new file_producer(reading, { closefd: true });
    expect(refused).toThrow('read EAGAIN: one that does not block cannot be waited for');
    expect(isOpen(reading)).toBe(true);
    chat.push_with_producer(new NetSocket({ fd: reading, writable: false }));
    chat.close_when_done();
    await stage.until(() => peer.text === 'first ');
    write(writing, b('last'));
    closeSync(writing);
    await stage.until(() => peer.ended);
    expect(peer.text).toBe('first last');
  });

  it.each([
    ['class', false, 0],
    ['class, counted for a subscriber', true, 0],
    ['plain', false, 12],
    ['plain, counted for a subscriber', true, 12],
  ])('a send of the socket’s own sees every byte: %s', async (kind, counts, by_sendfile) => {
    class Upper extends SocketClass {
      override send(data: Uint8Array): number {
        return super.send(b(Buffer.from(data).toString('latin1').toUpperCase()));
      }
    }
    let told = 0;
    const listener = (message: unknown) => {
      told += (message as bytes_message).bytes;
    };
    if (counts) subscribe('asyncore:channel:send', listener);
    const stage = new Stage(use_poll);
    const [near, far] = socketpair(AF_UNIX, SOCK_STREAM);
    if (kind.startsWith('class')) Object.setPrototypeOf(near, Upper.prototype);
    const chat = new Chat(stage, null, near);
    const peer = new Peer(stage, far);
    let sent = 0;
    const { sendfile } = binding;
    binding.sendfile = (...args) => {
      const count = sendfile(...args);
      sent += Math.max(count, 0);
      return count;
    };
    chat.push_with_producer(new file_producer(fileOf('of the file\n')));
    chat.close_when_done();
    try {
      await stage.until(() => peer.ended);
    } finally {
      binding.sendfile = sendfile;
      unsubscribe('asyncore:channel:send', listener);
    }
    const text = 'of the file\n';
    const isPlain = by_sendfile > 0;
    expect([peer.text, sent]).toEqual([isPlain ? text : text.toUpperCase(), by_sendfile]);
    expect(told).toBe(counts ? text.length : 0);
  });

  it('datagrams get pieces of it, each a message', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = socketpair(AF_UNIX, SOCK_DGRAM);
    const chat = new Chat(stage, null, ours);
    const peer = new Peer(stage, theirs);
    const counted = countFiles(ours);
    chat.push_with_producer(new file_producer(fileOf(large.subarray(0, 100_000))));
    await stage.until(() => peer.length === 100_000);
    expect(peer.chunks.map(({ length }) => length)).toEqual([65536, 34464]);
    expect(counted.calls).toBe(0);
  });
});

describe('a descriptor', () => {
  const stageAndChat = () => {
    const stage = new Stage();
    return [stage, ...chatOn(stage)] as const;
  };

  it('of a path is closed when it is sent', async () => {
    const [stage, chat, peer] = stageAndChat();
    const file = new file_producer(fileOf('data'));
    const { fd } = file._range;
    chat.push_with_producer(file);
    await stage.until(() => peer.text === 'data');
    await stage.passes(3);
    expect(isOpen(fd)).toBe(false);
  });

  it('that was given stays open, and its position where it was', async () => {
    const [stage, chat, peer] = stageAndChat();
    const fd = openSync(fileOf('0123456789'), 'r');
    chat.push_with_producer(new file_producer(fd, { start: 2, end: 5 }));
    chat.push_with_producer(new file_producer(fd, { start: 8, end: 5000 }));
    await stage.until(() => peer.text === '23489');
    await stage.passes(3);
    expect(readFileSync(fd, 'latin1')).toBe('0123456789');
    closeSync(fd);
  });

  it('given with closefd is closed when the channel closes', () => {
    const [, chat, peer] = stageAndChat();
    peer.isReading = false;
    const fd = openSync(fileOf(Buffer.alloc(20_000_000)), 'r');
    chat.push_with_producer(new file_producer(fd, { closefd: true }));
    chat.push_with_producer(new file_producer(fileOf('data')));
    expect(isOpen(fd)).toBe(true);
    chat.close();
    expect(isOpen(fd)).toBe(false);
  });

  it.each(['close', 'close_when_done', 'discard_buffers'] as const)(
    'of a file pushed around %s is closed',
    (call) => {
      const [, chat] = stageAndChat();
      const before = new file_producer(fileOf(Buffer.alloc(20_000_000)));
      const after = new file_producer(fileOf('data'));
      const fds = [before._range.fd, after._range.fd];
      chat.push_with_producer(before);
      chat[call]();
      chat.push_with_producer(after);
      chat.close();
      expect(fds.map(isOpen)).toEqual([false, false]);
    },
  );

  it('of a file that was never pushed is closed by return', () => {
    const file = new file_producer(fileOf('data'));
    const { fd } = file._range;
    file.return();
    file.return();
    expect([isOpen(fd), file.more().length]).toEqual([false, 0]);
  });

  it('given with closefd to a constructor that throws is still the caller’s', () => {
    const fd = openSync(folder, 'r');
    expect(() => new file_producer(fd, { closefd: true })).toThrow('EISDIR');
    expect(isOpen(fd)).toBe(true);
    closeSync(fd);
  });
});

describe('constructing one', () => {
  it('throws when there is no such file, or it is none', () => {
    const path = join(folder, 'nothing there');
    expect(() => new file_producer(path)).toThrow(`open ENOENT ${path}`);
    expect(() => new file_producer(folder)).toThrow(`open EISDIR ${folder}`);
    expect(() => new file_producer(99_999)).toThrow('EBADF');
    const [reading, writing] = pipe();
    expect(() => new file_producer(reading, { start: 1 })).toThrow('ESPIPE');
    closeSync(reading);
    closeSync(writing);
  });

  it('refuses a named pipe by its path, whether or not somebody writes', () => {
    const path = join(folder, 'a named pipe');
    execFileSync('mkfifo', [path]);
    const message = `open ESPIPE ${path}: a pipe or a terminal has to be given as a descriptor`;
    const before = openDescriptors();
    expect(() => new file_producer(path)).toThrow(message);
    const writing = openSync(path, 'r+');
    expect(() => new file_producer(path)).toThrow(message);
    closeSync(writing);
    expect(openDescriptors()).toBe(before);
  });

  it.each([
    ['a path with NUL', ['a\0b']],
    ['no file', [undefined]],
    ['a start below 0', ['x', { start: -1 }]],
    ['a start that is no number', ['x', { start: '1' }]],
    ['an end that is not whole', ['x', { end: 1.5 }]],
  ])('throws for %s', (_, args) => {
    const make = file_producer as unknown as new (...args: unknown[]) => file_producer;
    expect(() => new make(...args)).toThrow(
      expect.objectContaining({ code: expect.stringMatching(/^ERR_/) }),
    );
  });

  it.each([
    ['an empty file', '', {}, ''],
    ['a start at the end', '0123', { start: 4 }, ''],
    ['a start beyond the end', '0123', { start: 400 }, ''],
    ['an end before the start', '0123', { start: 3, end: 1 }, ''],
    ['an end beyond the file', '0123', { start: 1, end: 1e12 }, '123'],
  ])('takes %s as slice does', (_, content, options, part) => {
    const file = new file_producer(fileOf(content), options);
    expect([file.length, String(file.more()), String(file.more())]).toEqual([
      part.length,
      part,
      '',
    ]);
  });
});

it('a program that sends files leaves nothing behind', async () => {
  const map = new Map();
  const stage = new Stage(undefined, map);
  const [chat, peer] = chatOn(stage);
  for (let i = 0; i < 100; i++) chat.push_with_producer(new file_producer(fileOf(`${i}\n`)));
  chat.close_when_done();
  await stage.until(() => peer.ended);
  peer.close();
  await loop({ map });
  expect(peer.text).toBe(Array.from({ length: 100 }, (_, i) => `${i}\n`).join(''));
});
