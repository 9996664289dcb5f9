import { spawn } from 'node:child_process';
import { constants, readFileSync } from 'node:fs';
import { dispatcher, dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import { file_dispatcher, file_wrapper } from '@asyncore/file';
import * as socket from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import {
  close,
  fifo,
  fileWith,
  fromPython,
  hasPython,
  onEveryPoller,
  openFile,
  own,
  pipe,
  pty,
  Recorder,
  Stage,
  unused,
  withPython,
} from './support.js';

const SPAM = Buffer.from('spam');

/** Sends `output` as there is room. */
class Writer extends Recorder {
  output = Buffer.alloc(0);

  override readable(): boolean {
    return false;
  }

  override writable(): boolean {
    return this.output.length > 0;
  }

  override handle_write(): void {
    this.output = this.output.subarray(this.send(this.output));
    if (this.output.length === 0) this.stage.say('sent');
  }
}

onEveryPoller((use_poll) => {
  describe('any descriptor', () => {
    it('is connected from the start, without a handle_connect', async () => {
      const stage = new Stage(use_poll);
      const [reading] = pipe();
      const channel = new Recorder(stage, reading);
      expect([channel.connected, channel.connecting, channel.accepting]).toEqual([
        true,
        false,
        false,
      ]);
      expect(stage.map.get(channel.fileno())).toBe(channel);
      await stage.passes();
      expect(stage.trace).toEqual([]);
    });

    it('is waited for without spinning', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      new Recorder(stage, reading);
      expect(await stage.isIdle()).toBe(true);
      socket.write(writing, SPAM);
      await stage.until('read 4');
      expect(await stage.isIdle()).toBe(true);
    });

    it('goes on working when the original is closed', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Recorder(stage, reading);
      close(reading);
      socket.write(writing, SPAM);
      await stage.until('read 4');
      expect(channel.received).toEqual(SPAM);
    });

    it('tells nothing once closed, though the original is open', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const other = new Recorder(stage, pipe()[0]);
      const channel = new Recorder(stage, reading);
      await stage.passes(1);
      channel.close();
      socket.write(writing, SPAM);
      expect(await stage.isIdle()).toBe(true);
      expect([...stage.map.values()]).toEqual([other]);
      expect(stage.trace).toEqual([]);
      expect(socket.read(reading, 10)).toEqual(SPAM);
    });

    it('tells nothing more of this pass once closed in a handler', async () => {
      const stage = new Stage(use_poll);
      const [a, b] = socket.socketpair();
      const channel = new Recorder(stage, a);
      channel.handle_write = () => stage.say('write');
      channel.handle_read = () => channel.close();
      b.send(SPAM);
      a.close();
      await stage.loop();
      b.close();
      expect(stage.trace.filter((line) => line !== 'write')).toEqual([]);
      expect(channel.connected).toBe(false);
    });

    it('ignores what would block', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Recorder(stage, reading);
      channel.handle_read = () => {
        stage.say(String(channel.recv(100)));
        channel.recv(100);
      };
      socket.write(writing, SPAM);
      await stage.until('spam');
      expect(stage.trace).toEqual(['spam']);
      expect(channel.connected).toBe(true);
    });

    it('closes quietly when somebody else has closed its descriptor', () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, 0);
      socket.close(channel.fileno());
      channel.close();
      expect(stage.map.size).toBe(0);
    });

    it('may have async handlers, whose errors go to handle_error', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Recorder(stage, reading);
      channel.handle_read = async () => {
        channel.recv(100);
        throw new Error('spam');
      };
      socket.write(writing, SPAM);
      await stage.until('error spam');
    });
  });

  describe('a pipe', () => {
    it.each([65536, 1000, 7])(
      'gives all there is before its end, %d bytes at a time',
      async (size) => {
        const stage = new Stage(use_poll);
        const [reading, writing] = pipe();
        const channel = new Recorder(stage, reading);
        const data = Buffer.from(Array.from({ length: 60_000 }, (_, i) => i % 251));
        let received = Buffer.alloc(0);
        channel.handle_read = () => {
          received = Buffer.concat([received, channel.recv(size)]);
        };
        expect(socket.write(writing, data)).toBe(data.length);
        close(writing);
        await stage.loop();
        expect(stage.trace).toEqual(['close']);
        expect(received.equals(data)).toBe(true);
      },
    );

    it('calls handle_eof at its end, and handle_close since nobody can write to it', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Recorder(stage, reading);
      channel.handle_eof = () => stage.say('eof');
      channel.handle_close = () => stage.say('close');
      socket.write(writing, SPAM);
      close(writing);
      await stage.until('close');
      expect(await stage.isIdle()).toBe(true);
      expect(stage.trace).toEqual(['read 4', 'eof', 'close']);
    });

    it('that nobody reads any more closes the writer', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Writer(stage, writing);
      channel.output = Buffer.alloc(1 << 20);
      await stage.passes(3);
      const sent = (1 << 20) - channel.output.length;
      expect(sent).toBeGreaterThan(0);
      expect(sent).toBeLessThan(1 << 20);
      expect(await stage.isIdle()).toBe(true);
      close(reading); // with all of that unread
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('tells a writer without handle_read that its reader is gone', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new file_dispatcher(writing, stage.map);
      channel.handle_close = () => {
        stage.say('close');
        channel.close();
      };
      channel.send(SPAM);
      await stage.passes(1);
      close(reading);
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('takes what dispatcher_with_send has queued', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const writer = new dispatcher_with_send<file_wrapper>(new file_wrapper(writing), stage.map);
      const reader = new Recorder(stage, reading);
      const data = Buffer.from(Array.from({ length: 300_000 }, (_, i) => i % 251));
      writer.send(data.subarray(0, 100_000));
      writer.send(data.subarray(100_000));
      await stage.loop({ timeout: 0, count: 100 });
      expect(reader.received.equals(data)).toBe(true);
      writer.close();
      expect([socket.get_blocking(reading), socket.get_blocking(writing)]).toEqual([false, true]);
    });
  });

  describe('a regular file', () => {
    it('is read to its end', async () => {
      const stage = new Stage(use_poll);
      const text = 'It’s only resting.\n'.repeat(10_000);
      const channel = new Recorder(stage, openFile(fileWith(text)));
      await stage.loop();
      expect(stage.trace).toEqual([
        'read 65536',
        'read 65536',
        'read 65536',
        'read 13392',
        'close',
      ]);
      expect(String(channel.received)).toBe(text);
    });

    it('is written', async () => {
      const stage = new Stage(use_poll);
      const path = unused();
      const channel = new Writer(stage, openFile(path, 'w'));
      channel.output = SPAM;
      await stage.until('sent');
      expect(stage.trace).toEqual(['sent']);
      expect(readFileSync(path)).toEqual(SPAM);
    });

    it('lets others have their turn', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      new Recorder(stage, reading);
      const endless = new Recorder(stage, openFile('/dev/zero'));
      endless.handle_read = () => void endless.recv(10);
      await stage.passes();
      setImmediate(() => socket.write(writing, SPAM));
      await stage.until('read 4');
    });

    it('whose reader ignores the end does not spin', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, openFile(fileWith('spam')));
      channel.handle_eof = () => stage.say('eof');
      await stage.until('eof');
      expect(await stage.isIdle()).toBe(true);
      expect(stage.trace).toEqual(['read 4', 'eof']);
    });

    it('that nobody reads does not spin', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, openFile(fileWith('spam')));
      channel.handle_read = dispatcher.prototype.handle_read;
      await stage.until('warning: unhandled read event');
      expect(await stage.isIdle()).toBe(true);
      expect(stage.trace).toEqual(['warning: unhandled read event']);
    });

    it('is not waited for while it is not readable', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, openFile(fileWith('spam')));
      channel.readable = () => false;
      expect(await stage.isIdle()).toBe(true);
      channel.readable = () => true;
      await stage.until('close');
      expect(stage.trace).toEqual(['read 4', 'close']);
    });

    it('is /dev/null too', async () => {
      const stage = new Stage(use_poll);
      new Recorder(stage, openFile('/dev/null'));
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });
  });

  describe('a FIFO', () => {
    const open = (path: string) => openFile(path, constants.O_RDONLY | constants.O_NONBLOCK);

    it('waits for somebody who writes, and closes when the last is gone', async () => {
      const stage = new Stage(use_poll);
      const path = fifo();
      const channel = new Recorder(stage, open(path));
      expect(await stage.isIdle()).toBe(true);
      const child = spawn('sh', ['-c', `(echo one; echo two) > ${path}`], { stdio: 'ignore' });
      await stage.loop();
      expect(String(channel.received)).toBe('one\ntwo\n');
      expect(stage.trace.at(-1)).toBe('close');
      expect(child.pid).toBeGreaterThan(0);
    });

    it('may be opened again by set_file for the next who writes', async () => {
      const stage = new Stage(use_poll);
      const path = fifo();
      const channel = new Recorder(stage, open(path));
      channel.handle_eof = () => {
        stage.say(`end of ${channel.received}`);
        channel.set_file(open(path));
      };
      for (const text of ['one', 'three']) {
        const writing = openFile(path, 'w');
        socket.write(writing, Buffer.from(text));
        close(writing);
        await stage.until(`end of ${text}`);
        channel.received = Buffer.alloc(0);
      }
      expect(await stage.isIdle()).toBe(true);
      expect(stage.trace).toEqual(['read 3', 'end of one', 'read 5', 'end of three']);
    });
  });

  it('a child answers through its pipes', async () => {
    const stage = new Stage(use_poll);
    const [input, toChild] = pipe();
    const [fromChild, output] = pipe();
    spawn('cat', { stdio: [input, output, 'inherit'] });
    const reader = new Recorder(stage, fromChild);
    const writer = new Writer(stage, toChild);
    for (const fd of [input, toChild, fromChild, output]) close(fd);
    const data = Buffer.from(Array.from({ length: 500_000 }, (_, i) => i % 251));
    writer.output = data;
    await stage.until('sent');
    writer.close();
    await stage.loop();
    expect(stage.trace.at(-1)).toBe('close');
    expect(reader.received.equals(data)).toBe(true);
  });

  describe.skipIf(!hasPython)(`what only Python can make${withPython}`, () => {
    it('an eventfd counts', async () => {
      const stage = new Stage(use_poll);
      const [fd] = fromPython('[os.eventfd(0)]');
      const channel = new Recorder(stage, fd);
      expect(await stage.isIdle()).toBe(true);
      const two = Buffer.alloc(8);
      two.writeBigUInt64LE(2n);
      channel.send(two);
      await stage.until('read 8');
      expect(channel.received).toEqual(two);
    });

    it('a process descriptor tells when the process has ended', async () => {
      const stage = new Stage(use_poll);
      const child = spawn('cat', { stdio: ['pipe', 'ignore', 'inherit'] });
      const [fd] = fromPython(`[os.pidfd_open(${child.pid})]`);
      const channel = new Recorder(stage, fd);
      channel.handle_read = () => {
        stage.say('ended');
        channel.close();
      };
      expect(await stage.isIdle()).toBe(true);
      child.stdin?.end();
      await stage.until('ended');
    });

    it('a pseudo-terminal carries bytes both ways', async () => {
      const stage = new Stage(use_poll);
      const [master, slave] = pty();
      const near = new Recorder(stage, master);
      const far = new Recorder(stage, slave);
      near.send(Buffer.from('question'));
      await stage.until('read 8');
      far.send(Buffer.from('answer'));
      await stage.until('read 6');
      expect([String(far.received), String(near.received)]).toEqual(['question', 'answer']);
    });

    it('a pseudo-terminal comes to its end when its other side is closed', async () => {
      const stage = new Stage(use_poll);
      const [master, slave] = pty();
      const channel = new Recorder(stage, master);
      channel.handle_eof = () => {
        stage.say('eof');
        channel.handle_close_event();
      };
      socket.write(slave, SPAM);
      close(slave);
      await stage.loop();
      expect(stage.trace).toEqual(['read 4', 'eof', 'close']);
      expect(channel.received).toEqual(SPAM);
    });

    it('a terminal that was hung up closes whoever reads it', async () => {
      const stage = new Stage(use_poll);
      const [master, slave] = pty();
      new Recorder(stage, slave);
      close(master);
      await stage.loop();
      expect(stage.trace).toEqual(['close']);
    });

    it('a terminal that was hung up closes whoever writes to it', async () => {
      const stage = new Stage(use_poll);
      const [master, slave] = pty();
      const channel = new Writer(stage, slave);
      close(master);
      channel.output = SPAM;
      await stage.loop();
      expect(stage.trace.at(-1)).toBe('close');
      expect(stage.trace.join()).not.toContain('error');
    });
  });

  describe('set_file', () => {
    it('takes another file and lets the one before go', async () => {
      const stage = new Stage(use_poll);
      const [first, toFirst] = pipe();
      const [second, toSecond] = pipe();
      const channel = new Recorder(stage, first);
      const before = channel.fileno();
      channel.set_file(second);
      expect([...stage.map.entries()]).toEqual([[channel.fileno(), channel]]);
      expect(() => socket.get_blocking(before)).toThrow('EBADF');
      expect([first, second].map(socket.get_blocking)).toEqual([true, false]);
      socket.write(toFirst, Buffer.from('first'));
      socket.write(toSecond, SPAM);
      await stage.until('read 4');
      await stage.passes();
      expect(stage.trace).toEqual(['read 4']);
    });

    it('may be called by a handler', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, openFile(fileWith('first')));
      channel.handle_eof = () => {
        channel.handle_eof = file_dispatcher.prototype.handle_eof;
        channel.set_file(openFile(fileWith('second!')));
      };
      await stage.loop();
      expect(stage.trace).toEqual(['read 5', 'read 7', 'close']);
    });

    it('keeps the file it has when the other cannot be taken', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Recorder(stage, reading);
      expect(() => channel.set_file(-1)).toThrow('dup EBADF');
      expect(() => channel.set_file(openFile('/tmp'))).toThrow('directory');
      socket.write(writing, SPAM);
      await stage.until('read 4');
    });

    it('goes on after a call of what only a socket has', async () => {
      const stage = new Stage(use_poll);
      const [reading, writing] = pipe();
      const channel = new Recorder(stage, reading);
      expect(() => channel.connect(['127.0.0.1', 7])).toThrow(
        new TypeError('connect: a file_wrapper has no connect_ex'),
      );
      expect(() => channel.shutdown(socket.SHUT_WR)).toThrow('shutdown: a file_wrapper has no');
      expect(channel.connected).toBe(true);
      socket.write(writing, SPAM);
      await stage.until('read 4');
    });

    it('opens again a channel that was closed', async () => {
      const stage = new Stage(use_poll);
      const channel = new Recorder(stage, openFile(fileWith('first')));
      await stage.loop();
      channel.set_file(openFile(fileWith('second!')));
      await stage.loop();
      expect(stage.trace).toEqual(['read 5', 'close', 'read 7', 'close']);
    });
  });
});

it.each([
  ['poll', poll],
  ['poll2', poll2],
] as const)('%s does a pass', (_, pass) => {
  const stage = new Stage();
  const [reading, writing] = pipe();
  new Recorder(stage, reading);
  new Recorder(stage, openFile(fileWith('It’s')));
  pass(0, stage.map);
  socket.write(writing, Buffer.from('not dead'));
  pass(0, stage.map);
  expect(stage.trace).toEqual(['read 6', 'read 8', 'close']);
});

describe('what cannot be waited on', () => {
  const openFiles = () => socket.dup(0); // the lowest number that is free

  it.each([
    ['a directory', 0, 'file_dispatcher: fd is a directory, which cannot be waited on'],
    ['a place only (O_PATH)', 0o10000000, 'file_dispatcher: fd cannot be waited on'],
  ])('%s is refused, and nothing is left open', (what, flags, message) => {
    const stage = new Stage();
    const fd = openFile(what === 'a directory' ? '/tmp' : fileWith(''), flags);
    const before = own(openFiles());
    close(before);
    expect(() => new Recorder(stage, fd)).toThrow(message);
    expect(own(openFiles())).toBe(before);
    expect(stage.map.size).toBe(0);
  });
});
