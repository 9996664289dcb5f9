/** O_NONBLOCK belongs to the open file, which others share: it is put back. */
import { spawnSync } from 'node:child_process';
import { constants } from 'node:fs';
import { Worker } from 'node:worker_threads';
import { dispatcher_with_send } from '@asyncore/core';
import { file_dispatcher, file_wrapper } from '@asyncore/file';
import {
  close as closeDescriptor,
  dup,
  get_blocking,
  set_blocking,
  socketpair,
} from '@asyncore/socket';
import { holdBelow } from '@asyncore/test-support/hold_below';
import { describe, expect, it } from 'vitest';
import { collectUntil, fileWith, openFile, own, pipe, Stage } from './support.js';

const channel = (fd: number) => new file_dispatcher(fd, new Stage().map);
const exitListeners = () => process.listenerCount('exit');

it('is non-blocking while the channel is open, and blocking again afterwards', () => {
  const [reading] = pipe();
  const a = channel(reading);
  expect(get_blocking(reading)).toBe(false);
  a.close();
  expect(get_blocking(reading)).toBe(true);
  a.close();
});

it('that was non-blocking stays so', () => {
  const [reading] = pipe();
  set_blocking(reading, false);
  channel(reading).close();
  expect(get_blocking(reading)).toBe(false);
});

it('a dispatcher around a file_wrapper puts it back as well', () => {
  const [, writing] = pipe();
  const a = new dispatcher_with_send<file_wrapper>(new file_wrapper(writing), new Stage().map);
  expect(get_blocking(writing)).toBe(false);
  a.close();
  expect(get_blocking(writing)).toBe(true);
});

it('a file_wrapper alone leaves it, and puts back what its setblocking has changed', () => {
  const [reading] = pipe();
  const wrapper = new file_wrapper(reading);
  expect(get_blocking(reading)).toBe(true);
  wrapper.setblocking(false);
  wrapper.setblocking(false);
  expect(get_blocking(reading)).toBe(false);
  wrapper.setblocking(true);
  expect(get_blocking(reading)).toBe(true);
  wrapper.setblocking(false);
  wrapper.close();
  expect(get_blocking(reading)).toBe(true);
});

it('one that is given away is put back too', () => {
  const [reading] = pipe();
  const wrapper = new file_wrapper(reading);
  wrapper.setblocking(false);
  own(wrapper.detach());
  expect(get_blocking(reading)).toBe(true);
});

it.each<[string, (channel: file_dispatcher) => void]>([
  ['detach', (channel) => own(channel.detach())],
  ['detach of its file_wrapper', (channel) => own(channel.socket?.detach() ?? -1)],
  ['set_file with another', (channel) => channel.set_file(pipe()[0])],
  [
    'set_file with its own and close',
    (channel) => {
      channel.set_file(channel);
      channel.close();
    },
  ],
  [
    'del_channel and close',
    (channel) => {
      channel.del_channel();
      channel.close();
    },
  ],
])('%s of a channel puts it back', (_, end) => {
  const [reading] = pipe();
  const channel = new file_dispatcher(reading, new Map());
  expect(get_blocking(reading)).toBe(false);
  end(channel);
  expect(get_blocking(reading)).toBe(true);
  channel.close();
});

describe('several channels on one open file', () => {
  it('keep it non-blocking until the last is closed', () => {
    const [reading] = pipe();
    const twin = own(dup(reading));
    const channels = [channel(reading), channel(twin), channel(reading)];
    for (const each of channels) {
      expect(get_blocking(reading)).toBe(false);
      each.close();
    }
    expect(get_blocking(reading)).toBe(true);
  });

  it('keep it so when somebody has made it blocking in between', () => {
    const [reading] = pipe();
    const first = channel(reading);
    set_blocking(reading, true);
    const second = channel(reading);
    first.close();
    expect(get_blocking(reading)).toBe(false);
    second.close();
    expect(get_blocking(reading)).toBe(true);
  });

  it('do not count when they are of one file, but opened by themselves', () => {
    const path = fileWith('');
    const [first, second] = [openFile(path), openFile(path)];
    const other = channel(second);
    channel(first).close();
    expect([first, second].map(get_blocking)).toEqual([true, false]);
    other.close();
    expect(get_blocking(second)).toBe(true);
  });

  it('do not count when they are the two ends of a pipe', () => {
    const [reading, writing] = pipe();
    const writer = channel(writing);
    channel(reading).close();
    expect([reading, writing].map(get_blocking)).toEqual([true, false]);
    writer.close();
    expect(get_blocking(writing)).toBe(true);
  });

  it('may be of a file that was non-blocking before', () => {
    const path = fileWith('');
    const first = openFile(path);
    const blocking = channel(first);
    const other = openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);
    const second = channel(other);
    expect([first, other].map(get_blocking)).toEqual([false, false]);
    second.close();
    blocking.close();
    expect([first, other].map(get_blocking)).toEqual([true, false]);
  });
});

describe('a descriptor that somebody else has closed', () => {
  it('leaves alone whatever has got its number', () => {
    const a = channel(pipe()[0]);
    const number = a.fileno();
    const held = holdBelow(number);
    closeDescriptor(number);
    const [socket, other] = socketpair();
    expect([socket.fileno(), other.fileno()]).toContain(number);
    a.socket?.detach();
    expect([socket, other].map((each) => each.getblocking())).toEqual([false, false]);
    for (const each of [socket, other, ...held]) each.close();
  });

  it('does not keep a channel that has got its number from being put back', () => {
    const [reading] = pipe();
    const stale = channel(pipe()[0]);
    const held = holdBelow(stale.fileno());
    closeDescriptor(stale.fileno());
    const second = channel(reading);
    expect(second.fileno()).toBe(stale.fileno());
    second.close();
    expect(get_blocking(reading)).toBe(true);
    for (const each of [stale, ...held]) each.close();
  });
});

describe('at exit', () => {
  it('there is one listener for all, and none when all are closed', () => {
    const before = exitListeners();
    const channels = Array.from({ length: 20 }, () => channel(pipe()[0]));
    expect(exitListeners()).toBe(before + 1);
    for (const each of channels) each.close();
    expect(exitListeners()).toBe(before);
  });

  // Descriptor 3, since Node itself looks after 0, 1 and 2.
  it.each([
    ['process.exit()', 'process.exit(7)', 7],
    ['an uncaught exception', 'throw null', 1],
    ['the end of the program', 'socket_map.clear()', 0],
    [
      'a signal with a handler that exits',
      'process.on("SIGINT", process.exit.bind(null, 7)); process.kill(process.pid, "SIGINT"); await loop()',
      7,
    ],
  ])('%s puts it back', (_, end, code) => {
    const [reading] = pipe();
    const program = `
      import { loop, socket_map } from '@asyncore/core';
      import { file_dispatcher } from '@asyncore/file';
      import { get_blocking } from '@asyncore/socket';
      new file_dispatcher(3);
      console.log('blocking', get_blocking(3));
      ${end};`;
    const child = spawnSync(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'ignore', reading],
      encoding: 'utf8',
    });
    expect([child.stdout, child.status]).toEqual(['blocking false\n', code]);
    expect(get_blocking(reading)).toBe(true);
  });

  it('the end of a worker puts it back', async () => {
    const [reading] = pipe();
    const program = `
      import { parentPort } from 'node:worker_threads';
      import { file_dispatcher } from '${import.meta.resolve('@asyncore/file')}';
      import { get_blocking } from '${import.meta.resolve('@asyncore/socket')}';
      new file_dispatcher(${reading});
      parentPort.postMessage(get_blocking(${reading}));
      process.exit();`;
    const url = new URL(`data:text/javascript,${encodeURIComponent(program)}`);
    const worker = new Worker(url);
    const messages: unknown[] = [];
    worker.on('message', (message) => messages.push(message));
    await new Promise((resolve, reject) => worker.on('exit', resolve).on('error', reject));
    expect(messages).toEqual([false]);
    expect(get_blocking(reading)).toBe(true);
  });
});

it('a channel that is collected with its map puts it back', async () => {
  const [reading] = pipe();
  const warnings: Error[] = [];
  const warned = (warning: Error) => void warnings.push(warning);
  process.on('warning', warned);
  (() => new file_dispatcher(reading, new Map()))();
  await collectUntil(() => warnings.length > 0);
  process.off('warning', warned);
  expect(get_blocking(reading)).toBe(true);
});
