/** What a file_dispatcher can be made of. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream } from 'node:fs';
import { open } from 'node:fs/promises';
import { connect, createServer, Socket as NetSocket, type Server, type ServerOpts } from 'node:net';
import { PassThrough } from 'node:stream';
import { ReadStream } from 'node:tty';
import { file_dispatcher, file_wrapper } from '@asyncore/file';
import * as socket from '@asyncore/socket';
import { describe, expect, it, onTestFinished } from 'vitest';
import {
  collectUntil,
  fileWith,
  hasPython,
  onEveryPoller,
  pipe,
  pty,
  Recorder,
  Stage,
  withPython,
} from './support.js';

const SPAM = Buffer.from('spam');

/** A child that is over with the test. */
function child(script: string) {
  const started = spawn('sh', ['-c', script], { stdio: ['pipe', 'pipe', 'inherit'] });
  onTestFinished(() => void started.kill());
  return started;
}

/** The two ends of a connection of node:net. */
async function connection(
  options: ServerOpts = {},
): Promise<[accepted: NetSocket, client: NetSocket]> {
  const server: Server = createServer(options).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as { port: number }).port); // not a pipe
  const [accepted] = (await once(server, 'connection')) as [NetSocket];
  await once(client, 'ready');
  server.close();
  onTestFinished(() => void accepted.destroy());
  onTestFinished(() => void client.destroy());
  return [accepted, client];
}

onEveryPoller((use_poll) => {
  it('an object with fileno()', async () => {
    const stage = new Stage(use_poll);
    const [a, b] = socket.socketpair();
    new Recorder(stage, a);
    a.close();
    b.send(SPAM);
    await stage.until('read 4');
    b.close();
  });

  it('another channel, or a file_wrapper', async () => {
    const stage = new Stage(use_poll);
    const [reading, writing] = pipe();
    using wrapper = new file_wrapper(reading);
    const first = new Recorder(stage, wrapper);
    const second = new Recorder(stage, first);
    first.close();
    socket.write(writing, SPAM);
    await stage.until('read 4');
    expect(second.received).toEqual(SPAM);
  });

  it('a FileHandle of fs/promises', async () => {
    const stage = new Stage(use_poll);
    await using file = await open(fileWith('spam'));
    new Recorder(stage, file);
    await stage.loop();
    expect(stage.trace).toEqual(['read 4', 'close']);
  });

  it('a stream of node:fs that is open', async () => {
    const stage = new Stage(use_poll);
    const stream = createReadStream(fileWith('spam'));
    await once(stream, 'open');
    new Recorder(stage, stream);
    await stage.loop();
    stream.destroy();
    expect(stage.trace).toEqual(['read 4', 'close']);
  });

  describe.skipIf(!hasPython)(`a terminal${withPython}`, () => {
    it('a stream of node:tty', async () => {
      const stage = new Stage(use_poll);
      const [master, slave] = pty();
      const stream = new ReadStream(slave);
      onTestFinished(() => void stream.destroy());
      const channel = new Recorder(stage, stream);
      socket.write(master, SPAM);
      await stage.until('read 4');
      expect(channel.received).toEqual(SPAM);
    });
  });

  it('the streams of a child, from which nothing is lost, also after it has ended', async () => {
    const stage = new Stage(use_poll);
    const { stdin, stdout } = child('head -c 2000000 /dev/zero; cat; echo end');
    const reader = new Recorder(stage, stdout);
    const writer = new Recorder(stage, stdin);
    stdin.destroy(); // so that the child comes to the end of its input when the writer closes
    writer.readable = () => false;
    expect(writer.send(SPAM)).toBe(4);
    writer.close();
    await stage.loop();
    expect(reader.received.length).toBe(2_000_008);
    expect(String(reader.received.subarray(-8))).toBe('spamend\n');
  });

  it('what a child has left when it ended, though Node then reads its streams out', async () => {
    const stage = new Stage(use_poll);
    const started = child('head -c 50000 /dev/zero');
    const reader = new Recorder(stage, started.stdout);
    await once(started, 'exit');
    for (let turn = 0; turn < 3; turn++) await new Promise((resolve) => setImmediate(resolve));
    await stage.loop();
    expect(reader.received.length).toBe(50_000);
  });

  it('the child’s own close event still comes', async () => {
    const stage = new Stage(use_poll);
    const started = child('echo spam');
    const closed = once(started, 'close');
    started.stdin.end();
    new Recorder(stage, started.stdout);
    await stage.loop();
    await closed;
    expect(stage.trace).toEqual(['read 5', 'close']);
  });

  it('a socket of node:net, which reads on when the channel is closed', async () => {
    const stage = new Stage(use_poll);
    const [accepted, client] = await connection();
    accepted.resume();
    const channel = new Recorder(stage, accepted);
    client.write('spam');
    await stage.until('read 4');
    channel.send(SPAM);
    expect(String(await once(client, 'data'))).toBe('spam');
    channel.close();
    client.write('eggs');
    expect(String(await once(accepted, 'data'))).toBe('eggs');
  });

  it('a stream that wants to read meanwhile does so when the channel is closed', async () => {
    const stage = new Stage(use_poll);
    const [accepted, client] = await connection({ pauseOnConnect: true });
    const channel = new Recorder(stage, accepted);
    accepted.resume();
    client.write('spam');
    await stage.until('read 4');
    channel.close();
    client.write('eggs');
    expect(String(await once(accepted, 'data'))).toBe('eggs');
  });

  it('a stream is nobody else’s until the last of its channels is closed', async () => {
    const stage = new Stage(use_poll);
    const [accepted, client] = await connection();
    const first = new Recorder(stage, accepted);
    const second = new Recorder(stage, accepted);
    first.close();
    accepted.resume();
    client.write('spam');
    await stage.until('read 4');
    second.set_file(accepted);
    client.write('spamspam');
    await stage.until('read 8');
    second.close();
    client.write('eggs');
    expect(String(await once(accepted, 'data'))).toBe('eggs');
  });

  it.each<[string, (channel: Recorder) => void]>([
    ['close', (channel) => channel.close()],
    ['detach', (channel) => socket.close(channel.detach())],
    ['detach of its file_wrapper', (channel) => socket.close(channel.socket?.detach() ?? -1)],
    ['close of its file_wrapper', (channel) => channel.socket?.close()],
    ['set_file with another', (channel) => channel.set_file(pipe()[0])],
    [
      'set_file with itself, and then close',
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
  ])('%s gives a stream back, which reads on', async (_, end) => {
    const [accepted, client] = await connection();
    accepted.resume();
    const stage = new Stage(use_poll);
    const channel = new Recorder(stage, accepted);
    client.write('spam');
    await stage.until('read 4');
    end(channel);
    client.write('eggs');
    expect(String(await once(accepted, 'data'))).toBe('eggs');
  });

  it('a set_file that fails in add_channel gives both streams back', async () => {
    const stage = new Stage(use_poll);
    const [[mine, peer], [other, itsPeer]] = [await connection(), await connection()];
    const channel = new Recorder(stage, mine);
    other.resume();
    channel.add_channel = () => {
      throw new Error('no room');
    };
    expect(() => channel.set_file(other)).toThrow('no room');
    expect(() => channel.set_file(-1)).toThrow('dup EBADF');
    itsPeer.write('eggs');
    expect(String(await once(other, 'data'))).toBe('eggs');
    mine.resume();
    peer.write('spam');
    expect(String(await once(mine, 'data'))).toBe('spam');
  });

  it('a stream that is destroyed meanwhile is left alone', async () => {
    const stage = new Stage(use_poll);
    const [accepted, client] = await connection();
    const channel = new Recorder(stage, accepted);
    accepted.destroy();
    await once(accepted, 'close');
    client.write('spam');
    await stage.until('read 4');
    channel.close();
  });
});

it.each(['in its map', 'without a map, after del_channel'])(
  'a channel that is collected %s gives a stream back',
  async (where) => {
    const [accepted, client] = await connection();
    accepted.resume();
    const warnings: Error[] = [];
    const warned = (warning: Error) => void warnings.push(warning);
    process.on('warning', warned);
    onTestFinished(() => void process.off('warning', warned));
    (() => {
      const channel = new file_dispatcher(accepted, new Map());
      if (where !== 'in its map') channel.del_channel();
    })();
    await collectUntil(() => warnings.length > 0);
    client.write('eggs');
    expect(String(await once(accepted, 'data'))).toBe('eggs');
  },
);

it('not a stream that has already read: that would be lost', async () => {
  const stage = new Stage();
  const [accepted, client] = await connection();
  client.write('spam');
  await once(accepted, 'readable');
  const made = () => new Recorder(stage, accepted);
  expect(made).toThrow('file_dispatcher: fd is a stream that has already read 4 bytes');
  expect(stage.map.size).toBe(0);
  expect(String(accepted.read())).toBe('spam');
  accepted.read(0);
  client.write('eggs');
  expect(String(await once(accepted, 'data'))).toBe('eggs');
});

it.each([
  ['nothing', undefined],
  ['null', null],
  ['a string', '0'],
  ['a fraction', 0.5],
  ['an object without a descriptor', {}],
  ['one whose fileno() gives none', { fileno: () => '0' }],
  ['one whose fd is null', { fd: null }],
  ['a function', () => 0],
  ['a stream without one', new PassThrough()],
  ['a socket that is not connected', new NetSocket()],
])('not %s, with a TypeError that names the argument', (_, fd) => {
  expect(() => new file_dispatcher(fd as never)).toThrow(TypeError);
  expect(() => new file_dispatcher(fd as never)).toThrow(/^file_dispatcher: fd must be /);
});

it('not what is closed, with EBADF', async () => {
  const file = await open(fileWith(''));
  const { fd } = file;
  await file.close();
  const [a, b] = socket.socketpair();
  a.close();
  b.close();
  for (const closed of [-1, fd, file, a, 99_999]) {
    expect(() => new file_dispatcher(closed)).toThrow('dup EBADF');
  }
});
