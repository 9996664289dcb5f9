/** A listener with max_connections leaves the rest in the backlog until there is room. */
import { type dispatcher, poll2 } from '@asyncore/core';
import { type Address, Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import { listening, onEveryFamily, onEveryPoller, own, Recorder, reset, Stage } from './support.js';

class Server extends Recorder {
  override max_connections = 2;
  readonly accepted: Socket[] = [];

  override handle_accepted(sock: Socket, _address: Address): void {
    this.accepted.push(own(sock));
    this.stage.say('accepted');
  }
}

function clients(server: dispatcher, count: number): Socket[] {
  return Array.from({ length: count }, () => {
    const socket = own(new Socket(server.socket?.family));
    socket.connect_ex(server.getsockname());
    return socket;
  });
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it('accepts so many, waits without spinning, and goes on as they close', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Server(stage), family);
      clients(server, 5);
      await stage.until(() => server.accepted.length === 2);
      expect(await stage.isIdle()).toBe(true);
      server.accepted[0].close();
      await stage.until(() => server.accepted.length === 3);
      for (const socket of server.accepted) socket.close();
      await stage.until(() => server.accepted.length === 5);
      expect(await stage.isIdle()).toBe(true);
      expect(server.accepted.filter((socket) => socket.fileno() >= 0).length).toBe(2);
    });
  });
});

onEveryPoller((use_poll) => {
  it('counts connections that are closed by their channel', async () => {
    const stage = new Stage(use_poll);
    const server = listening(new Server(stage));
    server.handle_accepted = (sock) => {
      new Recorder(stage, sock);
      stage.say('accepted');
    };
    const waiting = clients(server, 4);
    await stage.until(() => stage.count('accepted') === 2);
    reset(waiting[0]);
    await stage.until(() => stage.count('accepted') === 3);
  });

  it('counts connections that handle_accepted refuses, or fails on', async () => {
    const stage = new Stage(use_poll);
    const server = listening(new Server(stage));
    server.handle_accepted = (sock) => {
      stage.say('accepted');
      if (stage.trace.length % 2) sock.close();
      else throw new Error('spam');
    };
    server.handle_error = () => {};
    clients(server, 5);
    await stage.until(() => stage.count('accepted') === 5);
  });

  it('counts what a handle_accept of its own accepts', async () => {
    const stage = new Stage(use_poll);
    const server = listening(new Server(stage));
    server.handle_accept = () => {
      for (let pair = server.accept(); pair !== null; pair = server.accept()) {
        server.handle_accepted(...pair);
      }
    };
    clients(server, 5);
    await stage.until(() => server.accepted.length === 2);
    expect([server.accept(), await stage.isIdle()]).toEqual([null, true]);
  });

  it('counts also where the program waits for a release itself', async () => {
    const stage = new Stage(use_poll);
    const server = listening(new Server(stage));
    server.handle_accepted = (sock) => {
      sock.on_release(() => stage.say('released'));
      setImmediate(() => sock.close());
    };
    clients(server, 5);
    await stage.until(() => stage.count('released') === 5);
  });

  it('does not count what an accept of its own gives, unless it is a Socket', async () => {
    const stage = new Stage(use_poll);
    const server = listening(new Server(stage));
    const socket = server.socket as Socket; // it is listening
    const { accept } = Socket.prototype;
    socket.accept = () => {
      const [sock, address] = accept.call(socket);
      own(sock);
      return [{ fileno: () => sock.fileno() } as Socket, address]; // some other kind
    };
    server.handle_accepted = () => stage.say('accepted');
    clients(server, 3);
    await stage.until(() => stage.count('accepted') === 3);
    expect(server.accepting).toBe(true);
  });

  it('a full listener makes no progress, and needs none', async () => {
    const stage = new Stage(use_poll);
    const server = listening(new Server(stage));
    server.handle_timeout = () => stage.say('timeout');
    clients(server, 2);
    await stage.until(() => server.accepted.length === 2);
    server.timeout = 0.01;
    await stage.loop({ timeout: 0.05, count: 1 });
    expect(stage.trace).not.toContain('timeout');
    server.accepted[0].close();
    await stage.until('timeout');
  });
});

it('works in synchronous passes', () => {
  const stage = new Stage();
  const server = listening(new Server(stage));
  clients(server, 5);
  for (let i = 0; i < 5; i++) poll2(0.01, stage.map);
  expect(server.accepted.length).toBe(2);
  for (const socket of server.accepted) socket.close();
  poll2(2, stage.map);
  expect(server.accepted.length).toBe(4);
});
