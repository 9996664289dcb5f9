/** What docs/porting-from-python.md shows, and what it lists. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send, poll, socket_map } from '@asyncore/core';
import { file_dispatcher } from '@asyncore/file';
import { Socket, socketpair } from '@asyncore/socket';
import { NO_REFEREE, referee } from '@asyncore/test-support/python';
import { onEveryPoller, Stage } from '@asyncore/test-support/stage';
import { describe, expect, it, onTestFinished, vi } from 'vitest';
import { Lines } from './porting/attributes.js';
import { Channel } from './porting/errors.js';
import { Reports } from './porting/later.js';
import { Queue } from './porting/queue.js';
import { inet_aton, select, sendall } from './porting/sockets.js';
import { withLoop } from './porting/thread.js';
import { printing } from './printing.js';

function pair(): [Socket, Socket] {
  const both = socketpair();
  for (const sock of both) onTestFinished(() => sock.close());
  return both;
}

onEveryPoller((use_poll) => {
  it('what a class says instead of attributes holds', async () => {
    const [ours, theirs] = pair();
    const stage = new Stage(use_poll);
    const chat = new Lines(ours, stage.map);
    expect([chat.registered, chat.ac_in_buffer_size]).toEqual([true, 4096]);
    theirs.send(Buffer.from('spam,eggs\n'));
    while (theirs.fileno() >= 0) {
      await stage.passes(1);
      try {
        expect(String(theirs.recv(100))).toBe('spam\neggs');
        break;
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
    }
  });

  it('what takes time is answered in order, and a channel that closes leaves no timer', async () => {
    const [ours, theirs] = pair();
    const stage = new Stage(use_poll);
    const lookUp = async (name: string) => {
      await new Promise(setImmediate);
      return name.length > 1 ? [...name] : [`<${name}>`];
    };
    const channel = new Reports(ours, lookUp, stage.map);
    const close = vi.spyOn(channel, 'close_when_done');
    theirs.send(Buffer.from('ab\ncd\n'));
    let text = '';
    while (!text.includes('d: <d>\n')) {
      await stage.passes(1);
      try {
        text += theirs.recv(100);
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error;
      }
    }
    expect(text).toBe('a: <a>\nb: <b>\nc: <c>\nd: <d>\n');
    theirs.send(Buffer.from('ef\n'));
    channel.close();
    await stage.passes();
    expect(close).not.toHaveBeenCalled();
  });

  it('a predicate that asks for the length is not asked to write nothing', async () => {
    const [ours, theirs] = pair();
    const stage = new Stage(use_poll);
    const channel = new Queue(ours, stage.map);
    const writes = vi.spyOn(channel, 'handle_write');
    await stage.passes();
    expect(writes).not.toHaveBeenCalled();
    channel.queue.push(Buffer.from('spam'));
    await stage.passes();
    expect(String(theirs.recv(10))).toBe('spam');
    expect(writes).toHaveBeenCalledTimes(1);
    expect(channel.isKnown()).toBe(false);
    channel.known.spam = 1;
    expect(channel.isKnown()).toBe(true);
  });
});

it('Ctrl-C leaves the loop as KeyboardInterrupt does', async () => {
  const program = fileURLToPath(new URL('porting/ctrl_c.mjs', import.meta.url));
  const child = spawn(process.execPath, [program]);
  const exited = once(child, 'exit');
  const printed = printing(child);
  await printed('serving\n');
  child.kill('SIGINT');
  expect(await printed('closed\n')).toBe('serving\ninterrupted\nclosed\n');
  expect(await exited).toEqual([0, null]);
});

it('the loop runs while the program goes on, and ends with its channels', async () => {
  const [ours, theirs] = pair();
  const chat = new Lines(ours);
  await withLoop(async () => {
    theirs.send(Buffer.from('spam,eggs\n'));
    await vi.waitFor(() => expect(String(theirs.recv(100))).toBe('spam\neggs'));
  });
  expect([chat.connected, socket_map.size]).toEqual([false, 0]);
});

describe('what socket and select have in Python', () => {
  it('select.select', () => {
    const [a, b] = pair();
    expect(select([a, b], [a], 0)).toEqual([[], [a]]);
    b.send(Buffer.from('spam'));
    expect(select([a, b], [], 1)).toEqual([[a], []]);
    a.close();
    expect(select([b], [b], 1)).toEqual([[b], [b]]);
  });

  it('sendall', () => {
    const [a, b] = pair();
    sendall(a, Buffer.from('spam'), 1);
    expect(String(b.recv(100))).toBe('spam');
    expect(() => sendall(a, Buffer.alloc(10_000_000), 0)).toThrow('timed out');
  });

  it('inet_aton', () => {
    expect(inet_aton('127.0.0.1')).toEqual(Buffer.of(127, 0, 0, 1));
    expect(() => inet_aton('127.1')).toThrow('illegal IP address');
  });
});

it('compact_traceback names the class', () => {
  class Spam extends TypeError {}
  const [ours] = pair();
  const channel = new Channel(ours, new Map());
  const logged = vi.spyOn(channel, 'log_info').mockImplementation(() => {});
  channel.handle_error(new Spam('eggs'));
  expect(logged.mock.calls[0][0]).toMatch(/^\(Spam:Error: eggs|^\(Spam:TypeError: eggs/);
});

it('a private name is not there while super() runs, where Python would have it', () => {
  class Early extends async_chat {
    #names = new Set<string>();

    add_channel(...args: Parameters<async_chat['add_channel']>) {
      super.add_channel(...args);
      this.#names.add('spam');
    }
  }
  const [ours] = pair();
  expect(() => new Early(ours, new Map())).toThrow(TypeError);
});

it('socket_map[fd] = channel puts nothing into the map', () => {
  const map = new Map<number, dispatcher>();
  Object.assign(map, { 99: new dispatcher() });
  expect(map.size).toBe(0);
  expect(() => poll(0, map)).toThrow('map[99] = … puts nothing into a Map: map.set(99, …) does');
});

// ---- reserved names ----

const document = fileURLToPath(new URL('../../../docs/porting-from-python.md', import.meta.url));
const REFEREE = `
import warnings, json; warnings.simplefilter('ignore')
import asynchat, asyncore
classes = [asyncore.dispatcher, asyncore.dispatcher_with_send, asyncore.file_dispatcher, asynchat.async_chat]
names = set(dir(asyncore.dispatcher())) | set(dir(asynchat.async_chat())) | set(dir(asyncore.dispatcher_with_send()))
print(json.dumps(sorted(names | {name for each in classes for name in dir(each)})))`;

/** Names of `value` and its class that a subclass could meet, but for those of every object. */
function namesOf(value: object): string[] {
  const names = Object.getOwnPropertyNames(value);
  for (
    let at = Object.getPrototypeOf(value);
    at !== Object.prototype;
    at = Object.getPrototypeOf(at)
  ) {
    names.push(...Object.getOwnPropertyNames(at));
  }
  return names.filter((name) => name !== 'constructor');
}

const python = referee('asynchat') ?? '';
const unable = python ? '' : ` (${NO_REFEREE})`;

it.skipIf(unable !== '')(
  `the guide lists the names of channels that asyncore does not have${unable}`,
  () => {
    const { stdout } = spawnSync(python, ['-c', REFEREE], { encoding: 'utf8' });
    const known = new Set<string>(JSON.parse(stdout));
    const ofSockets = new Set(namesOf(Object.create(Socket.prototype)));
    const channels = [new dispatcher(), new dispatcher_with_send(), new async_chat()];
    const all = [...channels, Object.create(file_dispatcher.prototype)].flatMap(namesOf);
    const ours = [...new Set(all)].filter((name) => !known.has(name));
    const isNew = (name: string) => !ofSockets.has(name);
    const [, list = ''] =
      /<!-- reserved -->\n(.*?)\n\n/s.exec(readFileSync(document, 'utf8')) ?? [];
    const listed = Array.from(list.matchAll(/`(\w+)`/g), ([, name]) => name);
    expect(listed.sort()).toEqual(ours.filter(isNew).sort());
  },
);
