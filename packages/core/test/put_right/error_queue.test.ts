/** Datagram sockets that queue what became of what they sent (IP_RECVERR): one peer's fate is not the server's. */
import { dispatcher, poll, poll2 } from '@asyncore/core';
import {
  type Address,
  AF_INET,
  AF_INET6,
  IP_RECVERR,
  IPPROTO_IP,
  IPPROTO_IPV6,
  IPV6_RECVERR,
  MSG_ERRQUEUE,
  SO_ERROR,
  SOCK_DGRAM,
  SOL_SOCKET,
  Socket,
} from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it, vi } from 'vitest';
import { countPasses, free, onEveryPoller, own, Stage } from '../support.js';

const question = Buffer.from('?');

/** Echoes datagrams; says which errors it meets. */
class Server extends dispatcher {
  constructor(
    readonly stage: Stage,
    family: number,
  ) {
    super(null, stage.map);
    this.create_socket(family, SOCK_DGRAM);
    if (family === AF_INET6) this.setsockopt(IPPROTO_IPV6, IPV6_RECVERR ?? 0, 1);
    else this.setsockopt(IPPROTO_IP, IP_RECVERR ?? 0, 1);
    this.bind(free(family));
  }

  override writable(): boolean {
    return false;
  }

  override handle_read(): void {
    try {
      const [data, from] = this.recvfrom(100);
      this.sendto(data, from as Address); // a client's, which is bound
      this.stage.say('answered');
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'ECONNREFUSED') throw error;
      this.refused();
    }
  }

  refused(): void {
    this.stage.say('refused');
  }

  override handle_error(error: unknown): void {
    this.stage.say(`error ${(error as Error).message}`);
  }
}

/** Reads every error from the queue. */
class Reading extends Server {
  override refused(): void {
    this.recvmsg(100, 512, MSG_ERRQUEUE);
    this.stage.say('read an error');
  }
}

/** Addresses where nobody is any more. */
function dead(family: number, count: number): Address[] {
  return Array.from({ length: count }, () => {
    const sock = new Socket(family, SOCK_DGRAM);
    sock.bind(free(family));
    const address = sock.getsockname();
    sock.close();
    return address;
  });
}

function lose(server: Server, family: number, count: number): void {
  for (const address of dead(family, count)) {
    for (let sent = 0; sent === 0; ) {
      try {
        sent = server.sendto(question, address);
      } catch {
        // of the one before
      }
    }
  }
}

const unable = IP_RECVERR === undefined ? ' (runs on Linux)' : '';

describe.skipIf(unable !== '')(`errors that are queued${unable}`, () => {
  describe.each([
    ['inet', AF_INET],
    ['inet6', AF_INET6],
  ])('%s', (_, family) => {
    const needs = 'needs ::1: ip -6 address add ::1 dev lo';
    const client = () => own(new Socket(family, SOCK_DGRAM));

    onEveryPoller((use_poll) => {
      it('left in the queue, do not make the server deaf, nor the loop spin', async (context) => {
        context.skip(family === AF_INET6 && !hasInet6(), needs);
        const stage = new Stage(use_poll);
        const server = new Server(stage, family);
        lose(server, family, 1);
        await stage.until('refused');
        for (let i = 1; i <= 3; i++) {
          client().sendto(question, server.getsockname());
          await stage.until(() => stage.count('answered') === i);
        }
        await stage.passes();
        const passes = countPasses();
        expect(await stage.isIdle()).toBe(true);
        expect(passes()).toBeLessThan(20);
        expect(stage.trace.filter((line) => line.startsWith('error'))).toEqual([]);
      });

      it('several datagrams at once are all read while an error stays', async (context) => {
        context.skip(family === AF_INET6 && !hasInet6(), needs);
        const stage = new Stage(use_poll);
        const server = new Server(stage, family);
        lose(server, family, 1);
        await stage.until('refused');
        setTimeout(() => {
          for (let i = 0; i < 20; i++) client().sendto(question, server.getsockname());
        }, 5);
        await stage.until(() => stage.count('answered') === 20);
      });

      it('that come later are told too', async (context) => {
        context.skip(family === AF_INET6 && !hasInet6(), needs);
        const stage = new Stage(use_poll);
        const server = new Server(stage, family);
        lose(server, family, 1);
        await stage.until('refused');
        await stage.passes();
        const before = stage.count('refused');
        setTimeout(() => setImmediate(() => lose(server, family, 1)), 5); // when the loop waits
        await stage.until(() => stage.count('refused') > before);
      });

      it('are the program’s to read, one by one', async (context) => {
        context.skip(family === AF_INET6 && !hasInet6(), needs);
        const stage = new Stage(use_poll);
        const server = new Reading(stage, family);
        const asked = vi.spyOn(server.socket as Socket, 'getsockopt'); // it was just created
        lose(server, family, 3);
        await stage.until(() => stage.count('read an error') === 3);
        client().sendto(question, server.getsockname());
        await stage.until('answered');
        expect(asked.mock.calls).not.toContainEqual([SOL_SOCKET, SO_ERROR]);
        expect(stage.trace.filter((line) => line.startsWith('error'))).toEqual([]);
      });

      it('of a channel without handle_read stay the program’s', async (context) => {
        context.skip(family === AF_INET6 && !hasInet6(), needs);
        const stage = new Stage(use_poll);
        const server = new Server(stage, family);
        server.handle_read = dispatcher.prototype.handle_read;
        server.log_info = () => stage.say('unhandled');
        lose(server, family, 1);
        await stage.until('unhandled');
        await stage.passes();
        expect(() => server.recvfrom(100)).toThrow('ECONNREFUSED');
        expect(stage.count('unhandled')).toBe(1);
      });
    });

    it.each([
      ['poll', poll],
      ['poll2', poll2],
    ])('%s serves a server whose errors are left', (_, pass) => {
      const stage = new Stage();
      const server = new Server(stage, family);
      lose(server, family, 1);
      pass(1, stage.map);
      for (let i = 1; i <= 3; i++) {
        client().sendto(question, server.getsockname());
        pass(1, stage.map);
      }
      expect(stage.count('answered')).toBe(3);
    });
  });
});
