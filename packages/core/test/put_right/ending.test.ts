/** Ends that come from an unexpected side: a signal in a predicate, a socket closed by others. */
// In a process of its own: it counts descriptors.
import { execFileSync } from 'node:child_process';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { dispatcher, dispatcher_with_send, ExitNow, loop } from '@asyncore/core';
import {
  close,
  dup,
  epoll,
  errno,
  kqueue,
  OSError,
  poll,
  select,
  socketpair,
} from '@asyncore/socket';
import { describe, expect, it, vi } from 'vitest';
import { onEveryPoller } from '../support.js';

onEveryPoller((use_poll) => {
  it('a signal that ends the loop inside a predicate closes no channel', async () => {
    const map = new Map();
    const aborter = new AbortController();
    const peers = [socketpair(), socketpair()];
    const told: string[] = [];
    let asked = 0;
    class Asked extends dispatcher {
      readable() {
        asked += 1;
        if (asked === 4) aborter.abort(new Error('stop'));
        return asked >= 3;
      }
      handle_close() {
        told.push('close');
      }
    }
    for (const [sock] of peers) new Asked(sock, map);
    const again = setInterval(() => {}, 1);
    await expect(loop({ map, use_poll, signal: aborter.signal })).rejects.toThrow('stop');
    clearInterval(again);
    expect([told, map.size]).toEqual([[], 2]);
    for (const sock of peers.flat()) sock.close();
  });

  it('a loop that ends when it asks after a pass leaves alone one begun since', async () => {
    const map = new Map();
    const aborter = new AbortController();
    const [[sock, peer], [lost, far]] = [socketpair(), socketpair()];
    const channel = new dispatcher(sock, map);
    const closed = new dispatcher(lost, map);
    let next: Promise<void> | undefined;
    closed.handle_close = () => {
      aborter.abort(new Error('stop'));
      closed.close();
      next = loop({ map, use_poll });
    };
    channel.handle_read = () => {
      channel.recv(1);
      closeSync(lost.fileno()); // by others, so that nobody tells the loop
      closed.handle_write = () => {}; // the kernel is to be told, and refuses
    };
    peer.send(Buffer.from('x'));
    const { signal } = aborter;
    await expect(loop({ map, use_poll, signal, count: 1 })).rejects.toThrow('stop');
    setTimeout(() => channel.close(), 5); // it waits by then
    await next;
    expect(Object.hasOwn(map, 'set')).toBe(false);
    for (const each of [peer, far]) each.close();
  });

  it.each(['its channels are gone', 'a handler ends it'])(
    'a queue that the system does not close cleanly leaves no loop pending when %s',
    async (how) => {
      const map = new Map();
      const [sock, peer] = socketpair();
      const channel = new dispatcher(sock, map);
      const close_queue = epoll.prototype.close;
      vi.spyOn(epoll.prototype, 'close').mockImplementation(function (this: epoll) {
        close_queue.call(this);
        throw new OSError('close', errno.EIO);
      });
      channel.handle_read = () => {
        if (how === 'a handler ends it') throw new ExitNow('by a handler');
        channel.close();
      };
      peer.send(Buffer.from('x'));
      const reason = how === 'a handler ends it' ? 'by a handler' : 'close EIO';
      await expect(loop({ map, use_poll })).rejects.toThrow(reason);
      vi.restoreAllMocks();
      channel.close();
      await loop({ map, use_poll });
      peer.close();
    },
  );

  describe('a descriptor that the kernel does not take out of its queue', () => {
    /** The next one that is to go stays. */
    const refuseOnce = () => {
      for (const { prototype } of [epoll, kqueue]) {
        vi.spyOn(prototype, 'unregister').mockImplementationOnce(() => {
          throw new OSError('epoll_ctl', errno.ENOMEM);
        });
      }
    };

    it('is closed with its channel', async () => {
      const map = new Map();
      const [sock, peer] = socketpair();
      const channel = new dispatcher(sock, map);
      channel.handle_read = () => {
        refuseOnce();
        channel.close();
      };
      peer.send(Buffer.from('x'));
      await loop({ map, use_poll });
      vi.restoreAllMocks();
      expect([sock.fileno(), map.size]).toEqual([-1, 0]);
      peer.close();
    });

    it.each(['stays in the map', 'has left it'])(
      'and whose channel %s wakes nobody',
      async (how) => {
        const map = new Map();
        const waits = [select, poll, epoll, kqueue].map(({ prototype }) =>
          vi.spyOn(prototype, 'wait'),
        );
        const [[sock, peer], [other, far]] = [socketpair(), socketpair()];
        const channel = new dispatcher(sock, map);
        channel.handle_error = (error) => {
          throw error;
        };
        channel.handle_expt = () => {};
        new dispatcher(other, map);
        const aborter = new AbortController();
        setTimeout(() => {
          refuseOnce();
          if (how === 'has left it') channel.del_channel();
          else channel.readable = channel.writable = () => false;
          peer.send(Buffer.from('x'));
        }, 5);
        setTimeout(() => aborter.abort(new Error('end')), 100);
        await expect(loop({ map, use_poll, signal: aborter.signal })).rejects.toThrow('end');
        expect(waits.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThan(20);
        vi.restoreAllMocks();
        for (const each of [sock, peer, other, far]) each.close();
      },
    );
  });

  it('a queue that the system does not close cleanly rejects the loop, which has ended', async () => {
    const map = new Map();
    const [sock, peer] = socketpair();
    const channel = new dispatcher(sock, map);
    for (const { prototype } of [epoll, kqueue]) {
      const { close } = prototype;
      vi.spyOn(prototype, 'close').mockImplementation(function (this: epoll & kqueue) {
        close.call(this);
        throw new OSError('close', errno.EBADF);
      });
    }
    setTimeout(() => channel.close(), 5);
    await expect(loop({ map, use_poll })).rejects.toThrow('close EBADF');
    vi.restoreAllMocks();
    expect([map.size, Object.hasOwn(map, 'set')]).toEqual([0, false]);
    peer.close();
  });

  it('a socket closed by others while a duplicate lives does not set the loop spinning', async () => {
    const map = new Map();
    const waits = [select, poll, epoll].map(({ prototype }) => vi.spyOn(prototype, 'wait'));
    const [sock, peer] = socketpair();
    const [other, far] = socketpair();
    const aborter = new AbortController();
    const channel = new dispatcher(sock, map);
    channel.handle_read = () => {};
    new dispatcher(other, map);
    let copy = -1;
    setTimeout(() => {
      copy = dup(sock.fileno());
      sock.close();
      peer.send(Buffer.from('x'));
    }, 5);
    setTimeout(() => aborter.abort(new Error('end')), 100);
    await expect(loop({ map, use_poll, signal: aborter.signal })).rejects.toThrow('end');
    expect(waits.reduce((sum, { mock }) => sum + mock.calls.length, 0)).toBeLessThan(20);
    vi.restoreAllMocks();
    close(copy);
    for (const each of [peer, other, far]) each.close();
  });
});

it('a channel that closes itself is not told that its peer was gone when the rest was sent', () => {
  const [sock, peer] = socketpair();
  const channel = new dispatcher_with_send(sock, new Map());
  const handle_close = vi.spyOn(channel, 'handle_close');
  channel.send(Buffer.alloc(4 << 20));
  peer.close();
  channel.close();
  expect(handle_close).not.toHaveBeenCalled();
});

it('a loop that finds no descriptor for its watcher leaves none behind', () => {
  const core = fileURLToPath(new URL('../../dist/index.js', import.meta.url));
  const socket = fileURLToPath(new URL('../../../socket/dist/index.js', import.meta.url));
  const program = `
    import { dispatcher, loop } from '${core}';
    import { close, dup, socketpair } from '${socket}';
    import { readdirSync } from 'node:fs';
    const count = () => readdirSync('/proc/self/fd').length;
    const map = new Map();
    const [sock, peer] = socketpair();
    new dispatcher(sock, map);
    await loop({ map, count: 1, timeout: 0 });
    const before = count();
    const held = [];
    try { for (;;) held.push(dup(0)); } catch {}
    close(held.pop());
    const code = await loop({ map, count: 1, timeout: 0 }).catch(({ code }) => code);
    for (const fd of held) close(fd);
    console.log(code, count() - before, peer.fileno() > 0);
    process.exit();`;
  const node = `ulimit -n 256; exec "$0" --input-type=module --eval "$1"`;
  const output = execFileSync('sh', ['-c', node, process.execPath, program], {
    encoding: 'utf8',
  });
  expect(output).toBe('EMFILE 0 true\n');
});
