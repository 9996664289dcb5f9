import { spawn } from 'node:child_process';
import { once } from 'node:events';
import net from 'node:net';
import { Duplex, Readable, Writable } from 'node:stream';
import { setImmediate as turn } from 'node:timers/promises';
import { type socket_stream, stream_channel } from '@asyncore/stream';
import { describe, expect, it } from 'vitest';
import { all, destroyed, own, pair, serving } from './support.js';

/** Answers each line in capitals. */
class Lines extends stream_channel {
  lines: string[] = [];
  said: string[] = [];
  #heard = () => {};

  constructor(stream: Duplex) {
    super(stream);
    this.set_terminator('\n');
  }

  say(what: string): void {
    this.said.push(what);
    this.#heard();
  }

  async until(what: string): Promise<void> {
    while (!this.said.includes(what)) {
      await new Promise<void>((resolve) => {
        this.#heard = resolve;
      });
    }
  }

  override collect_incoming_data(data: Buffer): void {
    this._collect_incoming_data(data);
  }

  override found_terminator(): void {
    const line = String(this._get_data());
    this.lines.push(line);
    if (line === 'quit') this.close_when_done();
    else this.push(Buffer.from(`${line.toUpperCase()}\n`));
    this.say(line);
  }

  override handle_close(): void {
    this.say(`close ${(this.close_reason as NodeJS.ErrnoException | null)?.code ?? ''}`.trim());
    this.close();
  }

  override handle_error(error: unknown): void {
    this.say(`error ${(error as Error).message}`);
    this.close();
  }

  override log_info(message: unknown): void {
    this.say(`log ${message}`);
  }
}

/** A stream whose other end the test holds. */
function loopback(options = {}): [ours: Duplex, theirs: Duplex] {
  const ends: Duplex[] = [];
  const made = (other: () => Duplex) =>
    new Duplex({
      read() {},
      write(chunk, _, done) {
        other().push(chunk);
        done();
      },
      final(done) {
        other().push(null);
        done();
      },
      ...options,
    });
  ends.push(
    made(() => ends[1]),
    made(() => ends[0]),
  );
  return [destroyed(ends[0]), destroyed(ends[1])];
}

describe.each<[string, () => Promise<[Duplex, Duplex]>]>([
  ['any Duplex', async () => loopback({ allowHalfOpen: true })],
  ['a socket_stream', () => pair({ allowHalfOpen: true })],
  [
    'a net.Socket',
    async () => {
      const { port, next } = serving({ allowHalfOpen: true });
      const socket = destroyed(net.connect({ port, host: '127.0.0.1', allowHalfOpen: true }));
      return [socket, await next()];
    },
  ],
])('over %s', (_, make) => {
  it('speaks its protocol, and ends it', async () => {
    const [ours, theirs] = await make();
    const channel = new Lines(ours);
    theirs.write('hel');
    theirs.write('lo\nwor');
    theirs.write('ld\nquit\n');
    expect(String(await all(theirs))).toBe('HELLO\nWORLD\n');
    theirs.end();
    await channel.until('close');
    expect(channel.lines).toEqual(['hello', 'world', 'quit']);
    expect(ours.destroyed).toBe(true);
  });

  it('answers what came before the peer’s end', async () => {
    const [ours, theirs] = await make();
    const channel = new Lines(ours);
    theirs.end('last\n');
    expect(String(await all(theirs))).toBe('LAST\n');
    await channel.until('close');
  });

  it('sends 5 MB in order', async () => {
    const [ours, theirs] = await make();
    const channel = new Lines(ours);
    const bytes = Buffer.alloc(5 << 20);
    for (let i = 0; i < bytes.length; i += 4096) bytes.writeUInt32LE(i, i);
    for (let i = 0; i < bytes.length; i += 100_000) channel.push(bytes.subarray(i, i + 100_000));
    channel.close_when_done();
    expect((await all(theirs)).equals(bytes)).toBe(true);
  });

  it('close destroys the stream and takes its listeners away', async () => {
    const [ours, theirs] = await make();
    const names = () => ours.eventNames().reduce((sum, name) => sum + ours.listenerCount(name), 0);
    const before = names();
    const channel = new Lines(ours);
    theirs.resume();
    await turn();
    channel.close();
    expect(ours.destroyed).toBe(true);
    await once(ours, 'close');
    expect(names()).toBeLessThanOrEqual(before);
    expect(channel.said).toEqual([]);
  });
});

it('a program’s standard input and output are a stream too', async () => {
  const cat = spawn('cat');
  const channel = new Lines(Duplex.from({ readable: cat.stdout, writable: cat.stdin }));
  channel.push(Buffer.from('a line\n'));
  await channel.until('a line');
  channel.close();
  own({ close: () => cat.kill() });
});

it('a paused stream is resumed', async () => {
  const [ours, theirs] = loopback();
  ours.pause();
  theirs.write('x\n');
  await new Lines(ours).until('x');
});

it('does not read on while a handler is asynchronous, nor hold more than the stream does', async () => {
  const [ours, theirs] = await pair();
  let resume = () => {};
  class Slow extends Lines {
    override async found_terminator() {
      this._get_data();
      await new Promise<void>((resolve) => {
        resume = resolve;
        this.say('waits');
      });
    }
  }
  const channel = new Slow(ours);
  const line = Buffer.alloc(100_000, 'x');
  line[line.length - 1] = 10;
  for (let i = 0; i < 50; i++) theirs.write(line);
  await channel.until('waits');
  for (let i = 0; i < 20; i++) await turn();
  expect((ours as socket_stream).bytesRead).toBeLessThan(1 << 20);
  resume();
});

describe('errors', () => {
  it('an error of the stream goes to handle_error', async () => {
    const [ours] = loopback();
    const channel = new Lines(ours);
    ours.destroy(new Error('of the stream'));
    await channel.until('error of the stream');
  });

  it('one that says that the peer is gone goes to handle_close', async () => {
    const [ours] = loopback();
    const channel = new Lines(ours);
    ours.destroy(Object.assign(new Error('gone'), { code: 'ECONNRESET' }));
    await channel.until('close ECONNRESET');
  });

  it('a stream that is destroyed before its end is no end', async () => {
    const [ours] = loopback();
    const channel = new Lines(ours);
    ours.destroy();
    await channel.until('close ECONNRESET');
  });

  it.each<[string, (stream: Duplex) => Promise<unknown>, string]>([
    ['has ended', (stream) => all(stream), 'close'],
    ['is destroyed', async (stream) => stream.destroy(), 'close ECONNRESET'],
  ])('a stream that %s is over at once', async (_, end, told) => {
    const [ours, theirs] = loopback({ allowHalfOpen: true });
    theirs.end();
    await end(ours);
    await new Lines(ours).until(told);
  });

  it('what a handler throws goes to handle_error', async () => {
    const [ours, theirs] = loopback();
    const channel = new Lines(ours);
    channel.found_terminator = () => {
      throw new Error('of a handler');
    };
    theirs.write('x\n');
    await channel.until('error of a handler');
  });

  it.each<[string, unknown]>([
    ['objects', new Duplex({ objectMode: true, read() {}, write() {} })],
    ['strings', new Duplex({ read() {}, write() {} }).setEncoding('utf8')],
    ['a Readable', Readable.from([])],
    ['a Writable', new Writable({ write() {} })],
    ['nothing', undefined],
  ])('throws at the call for %s', (_, stream) => {
    expect(() => new stream_channel(stream as Duplex)).toThrow(TypeError);
  });
});

describe('time', () => {
  it('timeout comes when nothing happens', async () => {
    const [ours] = loopback();
    const channel = new Lines(ours);
    channel.timeout = 0.05;
    channel._changed();
    await channel.until('close ETIMEDOUT');
  });

  it('an end that the peer does not answer is over after linger_time', async () => {
    const [ours, theirs] = loopback({ allowHalfOpen: true });
    const channel = new Lines(ours);
    channel.linger_time = 0.05;
    theirs.write('quit\n');
    await channel.until('close');
    expect(ours.destroyed).toBe(true);
  });

  it('call_later is cancelled by close', async () => {
    const [ours] = loopback();
    const channel = new Lines(ours);
    channel.call_later(0.01, () => channel.say('late'));
    channel.close();
    // Longer than the timer: it would have called by then.
    await new Promise((resolve) => setTimeout(resolve, 30));
    expect(channel.said).toEqual([]);
  });
});
