/**
 * What @asyncore/core does in each scenario, as a trace: see README.md beside this file.
 * Twin of scenarios.py: the same scenarios in the same order.
 */
import {
  _exception,
  type channel,
  close_all,
  dispatcher,
  dispatcher_with_send,
  ExitNow,
  loop,
  poll,
  poll2,
  read,
  readwrite,
  socket_map,
  write,
} from '@asyncore/core';
import {
  type Address,
  errno,
  MSG_OOB,
  OSError,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  SHUT_RD,
  SHUT_WR,
  SOCK_DGRAM,
  Socket,
} from '@asyncore/socket';
import { Actor, Boom, b, name, Plain, Reader, type Stage } from './stage.js';

export type Scenario = (stage: Stage) => Promise<void> | void;

// connecting and serving

export async function echo(stage: Stage) {
  class server extends Actor {
    handle_accepted(sock: Socket, _addr: Address) {
      this.say('handle_accepted');
      new handler(stage, 'handler', sock);
    }
  }

  class handler extends Reader {
    handle_read() {
      this.say('handle_read');
      const data = this.recv(8192);
      if (data.length > 0) this.send(data);
    }
  }

  class client extends Actor {
    asked = false;

    handle_connect() {
      this.say('handle_connect');
    }

    writable() {
      return !this.asked;
    }

    handle_write() {
      this.say('handle_write');
      this.send(b`hello`);
      this.asked = true;
    }

    handle_read() {
      this.say('handle_read');
      this.recv(8192);
      this.close();
    }
  }

  const listener = new server(stage, 'server').serve();
  new client(stage, 'client').call(listener.socket.getsockname());
  await stage.until(() => stage.map.size === 3);
  await stage.until(() => stage.map.size === 1);
}

export async function connected_in_handle_connect(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect', 'connected', this.connected, 'connecting', this.connecting);
    }

    handle_write() {
      this.say('handle_write', 'connected', this.connected, 'connecting', this.connecting);
    }
  }

  const channel = new client(stage, 'client');
  channel.say('connected', channel.connected, 'connecting', channel.connecting);
  channel.call(stage.listening().getsockname());
  await stage.until(() => channel.connected);
  channel.say('connected', channel.connected, 'connecting', channel.connecting);
  channel.close();
  channel.say('connected', channel.connected, 'connecting', channel.connecting);
}

export async function send_in_handle_connect(stage: Stage) {
  class client extends dispatcher_with_send {
    handle_connect() {
      stage.say('client handle_connect');
      this.send(b`hello`);
    }
  }

  const listener = stage.listening();
  const channel = new client(null, stage.map);
  channel.create_socket(stage.family);
  channel.connect(listener.getsockname());
  await stage.until(() => channel.connected);
  const [peer] = listener.accept();
  stage.hear(peer);
  peer.close();
}

export async function server_speaks_first(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const listener = stage.listening();
  const channel = new client(stage, 'client').call(listener.getsockname());
  stage.arrived(listener, POLLIN);
  const [peer] = listener.accept();
  peer.send(b`welcome`);
  stage.arrived(channel.socket, POLLIN);
  await stage.passes(3);
  peer.close();
  await stage.gone(channel);
}

export async function connection_seen_by_reading(stage: Stage) {
  class client extends Reader {
    writable() {
      return false;
    }

    handle_connect() {
      this.say('handle_connect');
    }
  }

  const listener = stage.listening();
  const channel = new client(stage, 'client').call(listener.getsockname());
  stage.arrived(listener, POLLIN);
  const [peer] = listener.accept();
  peer.send(b`welcome`);
  stage.arrived(channel.socket, POLLIN);
  await stage.passes(2);
  peer.close();
}

export async function sent_before_connected(stage: Stage) {
  const listener = stage.listening();
  const channel = new dispatcher_with_send(null, stage.map);
  channel.create_socket(stage.family);
  channel.connect(listener.getsockname());
  channel.send(b`hello`);
  await stage.until(() => channel.connected && channel.out_buffer.length === 0);
  const [peer] = listener.accept();
  stage.hear(peer);
  peer.close();
}

export async function sent_and_closed_in_handle_read(stage: Stage) {
  class answerer extends dispatcher_with_send {
    handle_read() {
      this.recv(8192);
      this.send(b`hello `);
      this.send(b`and goodbye`);
      this.close();
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new answerer(sock, stage.map);
  peer.send(b`hello`);
  await stage.gone(channel);
  stage.hear(peer);
  stage.hear(peer);
}

export async function two_at_once(stage: Stage) {
  class both extends Actor {
    done = false;

    writable() {
      return !this.done;
    }

    handle_read() {
      this.say('handle_read');
      this.recv(8192);
    }

    handle_write() {
      this.say('handle_write');
      this.done = true;
    }
  }

  for (const channel of ['first', 'second']) {
    const [sock, peer] = stage.pair();
    new both(stage, channel, sock);
    peer.send(b`hello`);
    stage.arrived(sock, POLLIN);
  }
  await stage.passes(3);
}

export function wrapped_sockets(stage: Stage) {
  const [connected] = stage.pair();
  for (const sock of [connected, stage.plain(), stage.bound(), stage.listening()]) {
    const channel = new Actor(stage, 'channel', sock);
    channel.say('connected', channel.connected, 'accepting', channel.accepting);
    channel.say('has addr', channel.addr !== null);
    channel.close();
  }
}

// accepting

export async function many_waiting(stage: Stage) {
  class server extends Actor {
    handle_accepted(sock: Socket, _addr: Address) {
      this.say('handle_accepted');
      sock.close();
    }
  }

  const listener = new server(stage, 'server').serve();
  for (let i = 0; i < 3; i++) stage.peer(listener.socket.getsockname());
  await stage.step(1);
  stage.say('one pass is over');
  await stage.passes(5);
}

export async function own_handle_accept(stage: Stage) {
  class server extends Actor {
    handle_accept() {
      this.say('handle_accept');
      const [sock] = this.accept() as [Socket, Address]; // somebody is waiting
      this.say('accepted');
      sock.close();
    }
  }

  const listener = new server(stage, 'server').serve();
  for (let i = 0; i < 2; i++) {
    stage.peer(listener.socket.getsockname());
    await stage.step(1);
  }
  await stage.passes(2);
}

export function nothing_to_accept(stage: Stage) {
  const listener = new Actor(stage, 'server').serve();
  listener.say('accept', listener.accept());
  listener.handle_accept();
  listener.say('in the map', stage.has(listener));
}

export async function paused_listener(stage: Stage) {
  class server extends Actor {
    paused = true;

    readable() {
      return !this.paused;
    }

    handle_accepted(sock: Socket, _addr: Address) {
      this.say('handle_accepted');
      sock.close();
    }
  }

  const listener = new server(stage, 'server').serve();
  stage.peer(listener.socket.getsockname());
  await stage.passes(2);
  listener.say('resumes');
  listener.paused = false;
  await stage.passes(2);
}

export async function out_of_descriptors(stage: Stage) {
  class exhausted extends Socket {
    tries = 0;

    accept() {
      this.tries += 1;
      if (this.tries === 1) throw new OSError('accept', errno.EMFILE);
      return super.accept();
    }
  }

  class server extends Actor {
    accepted = false;

    handle_accepted(sock: Socket, _addr: Address) {
      this.say('handle_accepted');
      this.accepted = true;
      sock.close();
    }
  }

  const listener = new server(stage, 'server');
  listener.set_socket(new exhausted(stage.family));
  listener.socket.setblocking(false);
  listener.bind(stage.address());
  listener.listen(5);
  stage.peer(listener.socket.getsockname());
  await stage.until(() => listener.accepted || !stage.has(listener));
  listener.say('in the map', stage.has(listener));
}

export async function listener_closed_with_connections_waiting(stage: Stage) {
  class server extends Actor {
    handle_accepted(sock: Socket, _addr: Address) {
      this.say('handle_accepted');
      sock.close();
      this.close();
    }
  }

  const listener = new server(stage, 'server').serve();
  const first = stage.peer(listener.socket.getsockname());
  const second = stage.peer(listener.socket.getsockname());
  await stage.gone(listener);
  await stage.passes(2);
  stage.hear(first);
  stage.hear(second);
}

export async function listener_shut_down(stage: Stage) {
  const listener = new Actor(stage, 'server').serve();
  listener.socket.shutdown(SHUT_RD);
  await stage.gone(listener);
}

// attempts that fail

export async function refused(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }
  }

  const channel = new client(stage, 'client');
  if (await stage.attempt('connect', () => channel.call(stage.bound().getsockname()))) {
    await stage.gone(channel);
  }
  channel.say('in the map', stage.has(channel));
}

export async function refused_seen_by_reading(stage: Stage) {
  class client extends Reader {
    writable() {
      return false;
    }

    handle_connect() {
      this.say('handle_connect');
    }
  }

  const channel = new client(stage, 'client').call(stage.bound().getsockname());
  await stage.gone(channel);
}

export async function refused_and_kept_open(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }

    handle_write() {
      this.say('handle_write');
    }

    handle_error(error: unknown) {
      this.say('handle_error', name(error));
    }
  }

  const channel = new client(stage, 'client').call(stage.bound().getsockname());
  stage.arrived(channel.socket, POLLOUT);
  await stage.passes(4);
  channel.say('in the map', stage.has(channel));
}

export async function refused_then_tried_again(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }

    handle_write() {
      this.say('handle_write');
    }

    handle_error(error: unknown) {
      this.say('handle_error', name(error));
      this.close();
      this.call(listener.getsockname());
    }
  }

  const listener = stage.listening();
  const channel = new client(stage, 'client').call(stage.bound().getsockname());
  await stage.until(() => channel.connected);
}

export async function reset_before_connected(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }
  }

  const listener = stage.listening();
  const channel = new client(stage, 'client').call(listener.getsockname());
  stage.arrived(listener, POLLIN);
  const [peer] = listener.accept();
  stage.reset(peer);
  stage.ended(channel.socket);
  await stage.gone(channel);
}

export async function queue_of_the_listener_full(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const listener = stage.bound();
  listener.listen(0);
  stage.peer(listener.getsockname());
  const channel = new client(stage, 'client');
  await stage.attempt('connect', () => channel.call(listener.getsockname()));
  await stage.passes(2);
  channel.say('connected', channel.connected);
}

export async function address_in_use(stage: Stage) {
  const channel = new Actor(stage, 'server');
  channel.create_socket(stage.family);
  const address = stage.listening().getsockname();
  await stage.attempt('bind', () => channel.bind(address));
  channel.say('in the map', stage.has(channel), 'accepting', channel.accepting);
}

export async function connected_twice(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }
  }

  const address = stage.listening().getsockname();
  const channel = new client(stage, 'client').call(address);
  await stage.until(() => channel.connected);
  await stage.attempt('connect', () => channel.connect(address));
  channel.say('connected', channel.connected, 'connecting', channel.connecting);
}

export async function name_that_fails(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }
  }

  const channel = new client(stage, 'client');
  if (await stage.attempt('connect', () => channel.call(['nowhere.invalid', 80]))) {
    await stage.gone(channel);
  }
  channel.say('in the map', stage.has(channel));
}

export async function neither_connected_nor_connecting(stage: Stage) {
  class client extends Actor {
    handle_read() {
      this.say('handle_read');
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const channel = new client(stage, 'client');
  channel.create_socket(stage.family);
  await stage.passes(3);
  channel.say('in the map', stage.has(channel));
}

// the end of a connection

export async function closed_by_peer(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  peer.close();
  await stage.gone(channel);
  await stage.passes(2);
}

export async function closed_by_peer_after_data(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  channel.size = 8;
  peer.send(b`twenty bytes of data`);
  peer.close();
  stage.ended(sock);
  await stage.gone(channel);
  await stage.passes(2);
}

export async function closed_by_peer_while_writing(stage: Stage) {
  class writer extends Actor {
    handle_read() {
      this.say('handle_read');
      this.recv(8);
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new writer(stage, 'channel', sock);
  peer.send(b`twenty bytes of data`);
  peer.close();
  stage.ended(sock);
  await stage.gone(channel);
  await stage.passes(2);
}

export async function closed_by_peer_before_connected(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const listener = stage.listening();
  const channel = new client(stage, 'client').call(listener.getsockname());
  stage.arrived(listener, POLLIN);
  const [peer] = listener.accept();
  peer.send(b`goodbye`);
  peer.close();
  stage.ended(channel.socket);
  await stage.gone(channel);
}

export function closed_twice(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Actor(stage, 'channel', sock);
  channel.close();
  channel.close();
  stage.hear(peer);
  channel.send(b`hello`);
  channel.recv(8192);
}

export async function reset_while_idle(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  await stage.passes(1);
  stage.reset(peer);
  await stage.gone(channel);
  await stage.passes(2);
}

export async function reset_with_data_waiting(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  channel.size = 8;
  peer.send(b`twenty bytes of data`);
  stage.reset(peer);
  stage.ended(sock);
  await stage.gone(channel);
  await stage.passes(2);
}

export async function reset_seen_by_own_recv(stage: Stage) {
  class channel extends Reader {
    handle_read() {
      this.say('handle_read');
      this.socket.recv(8);
    }
  }

  const [sock, peer] = stage.pair();
  const reader = new channel(stage, 'channel', sock);
  stage.reset(peer);
  await stage.gone(reader);
  await stage.passes(2);
}

export async function timed_out(stage: Stage) {
  class channel extends Reader {
    handle_read() {
      this.say('handle_read');
      throw new OSError('recv', errno.ETIMEDOUT);
    }
  }

  const [sock, peer] = stage.pair();
  const reader = new channel(stage, 'channel', sock);
  peer.send(b`hello`);
  await stage.gone(reader);
}

export function sent_to_nobody(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Actor(stage, 'channel', sock);
  peer.close();
  stage.ended(sock);
  for (let i = 0; i < 3; i++) {
    if (stage.has(channel)) channel.send(b`hello`);
  }
}

export async function half_closed(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  peer.send(b`hello`);
  peer.shutdown(SHUT_WR);
  await stage.gone(channel);
  stage.hear(peer);
}

export async function half_closed_and_answered(stage: Stage) {
  class answerer extends Reader {
    handle_eof() {
      this.say('handle_eof');
      this.send(b`goodbye`);
      this.close();
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new answerer(stage, 'channel', sock);
  peer.send(b`hello`);
  peer.shutdown(SHUT_WR);
  await stage.gone(channel);
  stage.hear(peer);
}

export async function end_of_data_noted(stage: Stage) {
  class noting extends Reader {
    handle_eof() {
      this.say('handle_eof');
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new noting(stage, 'channel', sock);
  channel.size = 8;
  peer.send(b`some data`);
  peer.close();
  stage.ended(sock);
  await stage.passes(5);
  channel.say('in the map', stage.has(channel));
}

export async function half_closed_by_us(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  channel.socket.shutdown(SHUT_WR);
  stage.hear(peer);
  peer.send(b`still here`);
  await stage.until(() => stage.lines[stage.lines.length - 1].startsWith('channel recv'));
  peer.close();
  await stage.gone(channel);
}

export async function close_forgotten(stage: Stage) {
  class forgetful extends Reader {
    handle_close() {
      this.say('handle_close');
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new forgetful(stage, 'channel', sock);
  peer.close();
  stage.ended(sock);
  await stage.passes(3);
  channel.say('in the map', stage.has(channel));
}

export async function closed_behind_its_back(stage: Stage) {
  class killer extends Reader {
    handle_read() {
      super.handle_read();
      victim.socket.close();
    }
  }

  const [sock, peer] = stage.pair();
  const [victim_sock] = stage.pair();
  new killer(stage, 'killer', sock);
  const victim = new Reader(stage, 'victim', victim_sock);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.attempt('loop', () => loop(0, stage.use_poll, stage.map, 3));
  victim.say('in the map', stage.has(victim));
}

export async function left_unread(stage: Stage) {
  class idle extends Reader {
    handle_read() {
      this.say('handle_read');
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new idle(stage, 'channel', sock);
  peer.send(b`hello`);
  peer.close();
  stage.ended(sock);
  await stage.passes(3);
  channel.say('in the map', stage.has(channel));
}

export async function nothing_asked_for(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  channel.size = 0;
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(1);
  channel.say('in the map', stage.has(channel));
}

// out of band

export async function out_of_band(stage: Stage) {
  class channel extends Reader {
    handle_expt() {
      this.say('handle_expt', this.socket.recv(1, MSG_OOB));
    }
  }

  const [sock, peer] = stage.pair();
  new channel(stage, 'channel', sock);
  peer.send(b`!`, MSG_OOB);
  stage.arrived(sock, POLLPRI);
  await stage.passes(3);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(3);
}

export async function out_of_band_and_data(stage: Stage) {
  class channel extends Reader {
    handle_expt() {
      this.say('handle_expt', this.socket.recv(1, MSG_OOB));
    }
  }

  const [sock, peer] = stage.pair();
  new channel(stage, 'channel', sock);
  peer.send(b`before`);
  peer.send(b`!`, MSG_OOB);
  peer.send(b`after`);
  stage.arrived(sock, POLLPRI);
  await stage.passes(4);
}

export async function out_of_band_left_unread(stage: Stage) {
  class channel extends Reader {
    handle_expt() {
      this.say('handle_expt');
    }
  }

  const [sock, peer] = stage.pair();
  new channel(stage, 'channel', sock);
  peer.send(b`!`, MSG_OOB);
  stage.arrived(sock, POLLPRI);
  await stage.passes(5);
}

// exceptions

/** Throws `error` in the handler or predicate called `where`. */
class Troubled extends Actor {
  constructor(
    stage: Stage,
    sock: Socket | null,
    readonly where: string,
    readonly error: new () => Error,
  ) {
    super(stage, 'channel', sock);
  }

  trouble(where: string) {
    this.say(where);
    if (where === this.where) throw new this.error();
  }

  readable() {
    if (this.where === 'readable') this.trouble('readable');
    return true;
  }

  writable() {
    if (this.where === 'writable') this.trouble('writable');
    return !this.connected || this.where === 'handle_write';
  }

  handle_read() {
    this.trouble('handle_read');
    if (this.where === 'handle_error') throw new Boom();
    this.recv(8192);
  }

  handle_write() {
    this.trouble('handle_write');
  }

  handle_connect() {
    this.trouble('handle_connect');
  }

  handle_accept() {
    this.trouble('handle_accept');
    super.handle_accept();
  }

  handle_accepted(sock: Socket, _addr: Address) {
    this.trouble('handle_accepted');
    sock.close();
  }

  handle_expt() {
    this.trouble('handle_expt');
    this.socket.recv(1, MSG_OOB);
  }

  handle_error(error: unknown) {
    if (this.where === 'handle_error') this.trouble('handle_error');
    super.handle_error(error);
  }

  handle_close() {
    this.trouble('handle_close');
    this.close();
  }
}

function raising(error: new () => Error, where: string): Scenario {
  return async (stage) => {
    let channel: Troubled;
    if (where === 'handle_connect') {
      channel = new Troubled(stage, null, where, error);
      const address = stage.listening().getsockname();
      await stage.attempt('connect', () => channel.call(address));
      stage.arrived(channel.socket, POLLOUT);
    } else if (where === 'handle_accept' || where === 'handle_accepted') {
      channel = new Troubled(stage, null, where, error).serve();
      stage.peer(channel.socket.getsockname());
      stage.arrived(channel.socket, POLLIN);
    } else {
      const [sock, peer] = stage.pair();
      channel = new Troubled(stage, sock, where, error);
      if (where === 'handle_read' || where === 'handle_error') {
        peer.send(b`hello`);
        stage.arrived(sock, POLLIN);
      } else if (where === 'handle_expt') {
        peer.send(b`!`, MSG_OOB);
        stage.arrived(sock, POLLPRI);
      } else if (where === 'handle_close') {
        peer.close();
        stage.ended(sock);
      }
    }
    await stage.step(0);
    await stage.step(0);
    channel.say('in the map', stage.has(channel));
  };
}

export const boom_in_readable = raising(Boom, 'readable');
export const boom_in_writable = raising(Boom, 'writable');
export const boom_in_handle_read = raising(Boom, 'handle_read');
export const boom_in_handle_write = raising(Boom, 'handle_write');
export const boom_in_handle_connect = raising(Boom, 'handle_connect');
export const boom_in_handle_accept = raising(Boom, 'handle_accept');
export const boom_in_handle_accepted = raising(Boom, 'handle_accepted');
export const boom_in_handle_expt = raising(Boom, 'handle_expt');
export const boom_in_handle_close = raising(Boom, 'handle_close');
export const boom_in_handle_error = raising(Boom, 'handle_error');

export const exit_in_readable = raising(ExitNow, 'readable');
export const exit_in_writable = raising(ExitNow, 'writable');
export const exit_in_handle_read = raising(ExitNow, 'handle_read');
export const exit_in_handle_write = raising(ExitNow, 'handle_write');
export const exit_in_handle_connect = raising(ExitNow, 'handle_connect');
export const exit_in_handle_accept = raising(ExitNow, 'handle_accept');
export const exit_in_handle_accepted = raising(ExitNow, 'handle_accepted');
export const exit_in_handle_expt = raising(ExitNow, 'handle_expt');
export const exit_in_handle_close = raising(ExitNow, 'handle_close');
export const exit_in_handle_error = raising(ExitNow, 'handle_error');

export async function boom_spares_the_neighbour(stage: Stage) {
  class faulty extends Reader {
    handle_read() {
      this.say('handle_read');
      throw new Boom();
    }
  }

  for (const [kind, channel] of [
    [faulty, 'faulty'],
    [Reader, 'neighbour'],
  ] as const) {
    const [sock, peer] = stage.pair();
    new kind(stage, channel, sock);
    peer.send(b`hello`);
    stage.arrived(sock, POLLIN);
  }
  await stage.passes(2);
}

export async function exit_keeps_the_neighbours_event(stage: Stage) {
  class leaving extends Reader {
    handle_read() {
      super.handle_read();
      throw new ExitNow();
    }
  }

  for (const [kind, channel] of [
    [leaving, 'leaving'],
    [Reader, 'neighbour'],
  ] as const) {
    const [sock, peer] = stage.pair();
    new kind(stage, channel, sock);
    peer.send(b`hello`);
    stage.arrived(sock, POLLIN);
  }
  await stage.step(1);
  await stage.step(1);
}

export async function error_survived(stage: Stage) {
  class tough extends Reader {
    handle_read() {
      super.handle_read();
      throw new Boom();
    }

    handle_error(error: unknown) {
      this.say('handle_error', name(error));
    }
  }

  const [sock, peer] = stage.pair();
  new tough(stage, 'channel', sock);
  for (const data of [b`first`, b`second`]) {
    peer.send(data);
    stage.arrived(sock, POLLIN);
    await stage.passes(1);
  }
}

export async function boom_after_accepting(stage: Stage) {
  class server extends Actor {
    handle_accepted(sock: Socket, _addr: Address) {
      this.say('handle_accepted');
      new Reader(stage, 'accepted', sock);
      throw new Boom();
    }
  }

  const listener = new server(stage, 'server').serve();
  stage.peer(listener.socket.getsockname());
  await stage.step(1);
  stage.say('in the map', ...[...stage.map.values()].map((channel) => (channel as Actor).name));
}

export async function nothing_to_read(stage: Stage) {
  class eager extends Reader {
    handle_read() {
      super.handle_read();
      super.handle_read();
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new eager(stage, 'channel', sock);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(2);
  channel.say('in the map', stage.has(channel));
}

// closing inside a handler

/** Closes itself in the handler called `where`. */
class Quitter extends Actor {
  constructor(
    stage: Stage,
    sock: Socket | null,
    readonly where: string,
  ) {
    super(stage, 'channel', sock);
  }

  quit(where: string) {
    this.say(where);
    if (where === this.where) this.close();
  }

  handle_read() {
    this.quit('handle_read');
  }

  handle_write() {
    this.quit('handle_write');
  }

  handle_connect() {
    this.quit('handle_connect');
  }

  handle_accept() {
    this.quit('handle_accept');
  }

  handle_expt() {
    this.quit('handle_expt');
  }
}

function quitting(where: string): Scenario {
  return async (stage) => {
    let channel: Quitter;
    let peer: Socket | undefined;
    if (where === 'handle_connect') {
      channel = new Quitter(stage, null, where);
      channel.call(stage.listening().getsockname());
    } else if (where === 'handle_accept') {
      channel = new Quitter(stage, null, where).serve();
      peer = stage.peer(channel.socket.getsockname());
    } else {
      const [sock, other] = stage.pair();
      peer = other;
      channel = new Quitter(stage, sock, where);
      if (where === 'handle_read') {
        peer.send(b`hello`);
        stage.arrived(sock, POLLIN);
      }
      if (where === 'handle_expt') {
        peer.send(b`!`, MSG_OOB);
        stage.arrived(sock, POLLPRI);
      }
    }
    await stage.passes(2);
    channel.say('in the map', stage.has(channel));
    if (peer) stage.hear(peer);
  };
}

export const closes_itself_in_handle_read = quitting('handle_read');
export const closes_itself_in_handle_write = quitting('handle_write');
export const closes_itself_in_handle_connect = quitting('handle_connect');
export const closes_itself_in_handle_accept = quitting('handle_accept');
export const closes_itself_in_handle_expt = quitting('handle_expt');

export async function closes_its_neighbour(stage: Stage) {
  class killer extends Reader {
    handle_read() {
      super.handle_read();
      const other = channels[1 - channels.indexOf(this)];
      other.close();
    }
  }

  const channels: killer[] = [];
  const peers: Socket[] = [];
  for (const channel of ['first', 'second']) {
    const [sock, peer] = stage.pair();
    channels.push(new killer(stage, channel, sock));
    peers.push(peer);
    peer.send(b`hello`);
    stage.arrived(sock, POLLIN);
  }
  await stage.passes(2);
  stage.hear(peers[1]);
}

export async function closes_all_in_a_handler(stage: Stage) {
  class last extends Reader {
    handle_read() {
      super.handle_read();
      close_all(stage.map);
    }
  }

  for (const channel of ['first', 'second']) {
    const [sock, peer] = stage.pair();
    new last(stage, channel, sock);
    peer.send(b`hello`);
    stage.arrived(sock, POLLIN);
  }
  await loop(30, stage.use_poll, stage.map);
  stage.say('the loop is over');
}

export async function descriptor_reused(stage: Stage) {
  class killer extends Reader {
    handle_read() {
      super.handle_read();
      const descriptor = victim.socket.fileno();
      stage.next_is(descriptor);
      victim.close();
      const heir = new newcomer(stage, 'newcomer').call(listener.getsockname());
      heir.say("has the victim's descriptor", heir.socket.fileno() === descriptor);
    }
  }

  class newcomer extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const listener = stage.listening();
  const [sock, peer] = stage.pair();
  const [victim_sock, victim_peer] = stage.pair();
  new killer(stage, 'killer', sock);
  const victim = new Reader(stage, 'victim', victim_sock);
  for (const [sender, receiver] of [
    [peer, sock],
    [victim_peer, victim_sock],
  ]) {
    sender.send(b`hello`);
    stage.arrived(receiver, POLLIN);
  }
  await stage.passes(3);
}

export async function opened_in_a_handler(stage: Stage) {
  class opener extends Reader {
    handle_read() {
      super.handle_read();
      const [sock, peer] = stage.pair();
      peer.send(b`hello again`);
      stage.arrived(sock, POLLIN);
      new Reader(stage, 'opened', sock);
    }
  }

  const [sock, peer] = stage.pair();
  new opener(stage, 'opener', sock);
  peer.send(b`hello`);
  await stage.step(1);
  stage.say('one pass is over');
  await stage.passes(2);
}

// output

export async function large_output(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new dispatcher_with_send(sock, stage.map);
  const data = Buffer.alloc(
    251 * 20000,
    Uint8Array.from({ length: 251 }, (_, i) => i),
  );
  channel.send(data);
  stage.say('channel still has output', channel.out_buffer.length > 0);
  const chunks: Buffer[] = [];
  const heard = () => Buffer.concat(chunks);

  function all_heard() {
    try {
      for (let chunk = peer.recv(1 << 20); chunk.length > 0; chunk = peer.recv(1 << 20)) {
        chunks.push(chunk);
      }
    } catch (error) {
      if (name(error) !== 'EAGAIN') throw error;
    }
    return heard().length === data.length;
  }

  await stage.until(all_heard);
  stage.say('peer heard', heard().length, 'the same', heard().equals(data));
  stage.say('channel still has output', channel.out_buffer.length > 0);
  stage.say('channel writable', Boolean(channel.writable()));
}

export function kernel_full(stage: Stage) {
  const [sock] = stage.pair();
  const channel = new Plain(stage, 'channel', sock);
  while (channel.send(Buffer.alloc(1 << 20)) > 0);
  channel.say('sent nothing');
  channel.say('in the map', stage.has(channel));
}

export async function written_until_done(stage: Stage) {
  class writer extends Actor {
    left = 3;

    readable() {
      return false;
    }

    writable() {
      return this.left > 0;
    }

    handle_write() {
      this.say('handle_write');
      this.send(b`line ${this.left}`);
      this.left -= 1;
    }
  }

  const [sock, peer] = stage.pair();
  new writer(stage, 'channel', sock);
  await stage.passes(5);
  stage.hear(peer);
}

export async function writer_whose_peer_left(stage: Stage) {
  class writer extends Actor {
    readable() {
      return false;
    }

    handle_write() {
      this.say('handle_write');
      this.send(b`hello`);
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new writer(stage, 'channel', sock);
  peer.close();
  stage.ended(sock);
  await stage.gone(channel);
}

// asking for less

export async function paused_and_resumed(stage: Stage) {
  class pausing extends Reader {
    paused = true;

    readable() {
      return !this.paused;
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new pausing(stage, 'channel', sock);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(3);
  channel.say('resumes');
  channel.paused = false;
  await stage.passes(2);
  channel.say('pauses');
  channel.paused = true;
  peer.send(b`goodbye`);
  peer.close();
  stage.ended(sock);
  await stage.passes(3);
  channel.say('resumes');
  channel.paused = false;
  await stage.gone(channel);
}

export async function paused_while_writing(stage: Stage) {
  class pausing extends Reader {
    paused = true;

    readable() {
      return !this.paused;
    }

    writable() {
      return this.paused;
    }

    handle_write() {
      this.say('handle_write');
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new pausing(stage, 'channel', sock);
  peer.send(b`goodbye`);
  peer.close();
  stage.ended(sock);
  await stage.passes(3);
  channel.say('resumes');
  channel.paused = false;
  await stage.gone(channel);
}

export async function paused_until_written(stage: Stage) {
  class holding extends Reader {
    passes = 0;

    readable() {
      return false;
    }

    writable() {
      return true;
    }

    handle_write() {
      this.passes += 1;
      this.say('handle_write', this.passes);
      if (this.passes === 3) this.send(b`hello`);
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new holding(stage, 'channel', sock);
  peer.send(b`goodbye`);
  peer.close();
  stage.ended(sock);
  await stage.passes(5);
  channel.say('in the map', stage.has(channel));
}

export async function no_handle_read(stage: Stage) {
  class deaf extends Actor {
    writable() {
      return false;
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new deaf(stage, 'channel', sock);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(4);
  peer.close();
  stage.ended(sock);
  await stage.passes(4);
  channel.say('in the map', stage.has(channel));
}

export async function no_handle_write(stage: Stage) {
  class mute extends Actor {
    handle_read() {
      this.say('handle_read');
      this.recv(8192);
    }
  }

  const [sock, peer] = stage.pair();
  new mute(stage, 'channel', sock);
  await stage.passes(3);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(1);
}

// datagrams

export async function datagrams_echoed(stage: Stage) {
  class server extends Actor {
    writable() {
      return false;
    }

    handle_read() {
      const [data, addr] = this.socket.recvfrom(8192);
      this.say('handle_read', data);
      this.socket.sendto(b`${String(data).toUpperCase()}`, addr as Address); // its sender has one
    }
  }

  const channel = new server(stage, 'server');
  channel.create_socket(stage.family, SOCK_DGRAM);
  channel.bind(stage.address());
  channel.say('connected', channel.connected);
  const peer = stage.bound(SOCK_DGRAM);
  for (const data of [b`first`, b`second`]) {
    peer.sendto(data, channel.socket.getsockname());
    stage.arrived(channel.socket, POLLIN);
    await stage.passes(2);
    stage.hear(peer);
  }
}

export async function datagrams_connected(stage: Stage) {
  class client extends Reader {
    handle_connect() {
      this.say('handle_connect');
    }
  }

  const peer = stage.bound(SOCK_DGRAM);
  const channel = new client(stage, 'client');
  channel.create_socket(stage.family, SOCK_DGRAM);
  channel.bind(stage.address());
  channel.connect(peer.getsockname());
  channel.say('connected', channel.connected);
  channel.send(b`hello`);
  stage.hear(peer);
  for (const data of [b`first`, b`second`]) {
    peer.sendto(data, channel.socket.getsockname());
  }
  stage.arrived(channel.socket, POLLIN);
  await stage.passes(3);
}

export async function empty_datagram(stage: Stage) {
  const [sock, peer] = stage.datagrams();
  const channel = new Reader(stage, 'channel', sock);
  peer.send(b``);
  stage.arrived(sock, POLLIN);
  await stage.passes(2);
  channel.say('in the map', stage.has(channel));
}

export async function refused_datagram(stage: Stage) {
  const [sock, peer] = stage.datagrams();
  const channel = new Reader(stage, 'channel', sock);
  peer.close();
  channel.send(b`anybody?`);
  stage.arrived(sock, POLLERR);
  await stage.passes(2);
  channel.say('in the map', stage.has(channel));
}

export async function datagram_to_nobody(stage: Stage) {
  const [sock, peer] = stage.datagrams();
  const channel = new Reader(stage, 'channel', sock);
  peer.close();
  for (let i = 0; i < 2; i++) {
    await stage.attempt('send', () => channel.send(b`anybody?`));
  }
  channel.say('in the map', stage.has(channel));
}

// the library's own handlers

export async function own_handlers_of_a_client(stage: Stage) {
  class client extends Plain {
    writable() {
      return !this.connected;
    }
  }

  const listener = stage.listening();
  const channel = new client(stage, 'client').call(listener.getsockname());
  await stage.until(() => channel.connected);
  const [peer] = listener.accept();
  peer.send(b`hello`);
  stage.arrived(channel.socket, POLLIN);
  await stage.passes(1);
  channel.recv(8192);
  peer.close();
  stage.ended(channel.socket);
  channel.recv(8192);
  channel.say('in the map', stage.has(channel));
}

export async function own_handlers_of_a_server(stage: Stage) {
  const listener = new Plain(stage, 'server').serve();
  const peer = stage.peer(listener.socket.getsockname());
  await stage.passes(2);
  stage.hear(peer);
}

export async function own_handle_expt(stage: Stage) {
  class client extends Plain {
    writable() {
      return false;
    }
  }

  const [sock, peer] = stage.pair();
  new client(stage, 'channel', sock);
  peer.send(b`!`, MSG_OOB);
  stage.arrived(sock, POLLPRI);
  await stage.passes(1);
}

export async function own_handle_error(stage: Stage) {
  class client extends Plain {
    handle_read() {
      throw new Boom();
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new client(stage, 'channel', sock);
  channel.writable = () => false;
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(1);
  channel.say('in the map', stage.has(channel));
}

export async function form_that_fails(stage: Stage) {
  class client extends Reader {
    handle_read() {
      throw new Boom();
    }

    toString(): string {
      throw new Boom();
    }
  }

  const [sock, peer] = stage.pair();
  const channel = new client(stage, 'channel', sock);
  peer.send(b`hello`);
  await stage.gone(channel);
}

export function messages(stage: Stage) {
  const channel = new dispatcher(null, stage.map);
  stage.printing(() => {
    channel.log('a hit');
    channel.log_info('by default');
    channel.log_info('an error', 'error');
    channel.log_info('a warning', 'warning');
    channel.ignore_log_types = ['error'];
    channel.log_info('another error', 'error');
    channel.log_info('another warning', 'warning');
  });
}

export async function forms(stage: Stage) {
  const listener = new Plain(stage, 'server').serve();
  listener.addr = listener.socket.getsockname();
  stage.show(listener);
  const client = new Plain(stage, 'client');
  stage.show(client);
  client.call(listener.addr);
  stage.show(client);
  await stage.until(() => client.connected);
  stage.show(client);
  client.close();
  stage.show(client);
}

// the map and the loop

/** Has what the loop looks for, and nothing else. */
class Duck implements channel {
  accepting = false;
  wants_to_write = true;

  constructor(
    readonly stage: Stage,
    readonly socket: Socket,
  ) {}

  say(...words: unknown[]) {
    this.stage.say('duck', ...words);
  }

  readable() {
    return true;
  }

  writable() {
    return this.wants_to_write;
  }

  handle_read_event() {
    this.say('handle_read_event', this.socket.recv(8192));
  }

  handle_write_event() {
    this.say('handle_write_event');
    this.wants_to_write = false;
  }

  handle_expt_event() {
    this.say('handle_expt_event', this.socket.recv(1, MSG_OOB));
  }

  handle_close() {
    this.say('handle_close');
    this.stage.map.delete(this.socket.fileno());
  }

  handle_error(error: unknown) {
    this.say('handle_error', name(error));
  }

  close() {
    this.socket.close();
  }
}

export async function duck_in_the_map(stage: Stage) {
  const [sock, peer] = stage.pair();
  stage.map.set(sock.fileno(), new Duck(stage, sock));
  await stage.passes(2);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(1);
  peer.close();
}

export async function duck_with_urgent_data(stage: Stage) {
  const [sock, peer] = stage.pair();
  stage.map.set(sock.fileno(), new Duck(stage, sock));
  await stage.passes(1);
  peer.send(b`!`, MSG_OOB);
  stage.arrived(sock, POLLPRI);
  await stage.passes(1);
}

export async function duck_whose_peer_left(stage: Stage) {
  const [sock, peer] = stage.pair();
  stage.map.set(sock.fileno(), new Duck(stage, sock));
  await stage.passes(1);
  peer.send(b`goodbye`);
  peer.close();
  stage.ended(sock);
  await stage.passes(3);
}

export async function duck_that_throws(stage: Stage) {
  class troubled extends Duck {
    handle_read_event() {
      super.handle_read_event();
      throw new Boom();
    }
  }

  const [sock, peer] = stage.pair();
  stage.map.set(sock.fileno(), new troubled(stage, sock));
  await stage.passes(1);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(2);
}

export function events_by_hand(stage: Stage) {
  class troubled extends Duck {
    handle_expt_event() {
      throw new Boom();
    }
  }

  class disconnected extends Duck {
    handle_read_event() {
      this.socket.getpeername();
    }
  }

  const [sock, peer] = stage.pair();
  let duck = new troubled(stage, sock);
  stage.map.set(sock.fileno(), duck);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  read(duck);
  write(duck);
  _exception(duck);
  peer.send(b`goodbye`);
  stage.arrived(sock, POLLIN);
  readwrite(duck, POLLIN | POLLOUT | POLLPRI);
  readwrite(duck, POLLHUP);
  duck = new disconnected(stage, stage.plain());
  stage.map.set(duck.socket.fileno(), duck);
  read(duck);
  readwrite(duck, POLLIN);
}

export function single_passes(stage: Stage) {
  const one_pass = stage.use_poll === false ? poll : poll2;
  one_pass(0, stage.map);
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  one_pass(0, stage.map);
  peer.send(b`hello`);
  one_pass(1, stage.map);
  peer.close();
  one_pass(1, stage.map);
  channel.say('in the map', stage.has(channel));
}

export async function count_of_passes(stage: Stage) {
  class counter extends Actor {
    passes = 0;

    readable() {
      return false;
    }

    handle_write() {
      this.passes += 1;
      this.say('handle_write', this.passes);
    }
  }

  const [sock] = stage.pair();
  await loop(30, stage.use_poll, stage.map, null);
  stage.say('an empty map ends the loop');
  new counter(stage, 'channel', sock);
  await loop(0, stage.use_poll, stage.map, 0);
  stage.say('no pass');
  await loop(0, stage.use_poll, stage.map, 1);
  stage.say('one pass');
  await loop(30, stage.use_poll, stage.map, 3);
  stage.say('three passes');
}

export async function asked_in_every_pass(stage: Stage) {
  class asked extends Reader {
    readable() {
      this.say('readable');
      return true;
    }

    writable() {
      return false;
    }
  }

  const [sock, peer] = stage.pair();
  new asked(stage, 'channel', sock);
  await stage.passes(2);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(1);
}

export async function map_emptied(stage: Stage) {
  class last extends Reader {
    handle_read() {
      super.handle_read();
      this.close();
    }
  }

  const [sock, peer] = stage.pair();
  new last(stage, 'channel', sock);
  peer.send(b`hello`);
  await loop(30, stage.use_poll, stage.map);
  stage.say('the loop is over');
}

export async function map_changed_by_hand(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Reader(stage, 'channel', sock);
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  stage.map.delete(sock.fileno());
  await stage.passes(1);
  stage.say('put back');
  stage.map.set(sock.fileno(), channel);
  await stage.passes(2);
  stage.map.clear();
  await stage.passes(1);
  channel.close();
}

export async function handed_over(stage: Stage) {
  class first extends Reader {
    handle_read() {
      super.handle_read();
      new Reader(stage, 'second', this.socket);
    }
  }

  const [sock, peer] = stage.pair();
  new first(stage, 'first', sock);
  for (let i = 0; i < 2; i++) {
    peer.send(b`hello`);
    stage.arrived(sock, POLLIN);
    await stage.passes(2);
  }
  peer.close();
  await stage.until(() => stage.map.size === 0);
}

export async function global_map(stage: Stage) {
  class channel extends dispatcher {
    writable() {
      return false;
    }

    handle_read() {
      stage.say('channel handle_read', this.recv(8192));
      this.close();
    }
  }

  const [sock, peer] = stage.pair();
  new channel(sock);
  stage.say('in socket_map', socket_map.has(sock.fileno()));
  peer.send(b`hello`);
  await loop(30, stage.use_poll);
  stage.say('channels left', socket_map.size);
}

export async function handlers_of_an_instance(stage: Stage) {
  const [sock, peer] = stage.pair();
  const channel = new Actor(stage, 'channel', sock);
  channel.writable = () => false;
  channel.handle_read = () => channel.say('handle_read', channel.socket.recv(8192));
  peer.send(b`hello`);
  stage.arrived(sock, POLLIN);
  await stage.passes(2);
}

// closing everything

/** Something in a map whose close may fail. */
class Closing extends Duck {
  constructor(
    stage: Stage,
    readonly number: number,
    readonly fail: () => void,
  ) {
    super(stage, stage.plain());
  }

  close() {
    this.stage.say('close', this.number);
    this.fail();
  }
}

async function closing_all(stage: Stage, ignore_all: boolean, ...failures: (() => void)[]) {
  const closing = new Map<number, channel>();
  for (const [number, fail] of failures.entries()) {
    closing.set(number, new Closing(stage, number, fail));
  }
  await stage.attempt('close_all', () => close_all(closing, ignore_all));
  stage.say('left in the map', closing.size);
}

function fine() {}

function boom() {
  throw new Boom();
}

function exit_now() {
  throw new ExitNow();
}

export async function closed_all(stage: Stage) {
  const closed = stage.plain();
  closed.close();
  const unconnected = stage.plain();
  const bad_descriptor = () => closed.getsockname();
  const not_connected = () => unconnected.getpeername();
  for (const ignore_all of [false, true]) {
    stage.say('ignore_all', ignore_all);
    await closing_all(stage, ignore_all, fine, bad_descriptor, fine);
    await closing_all(stage, ignore_all, fine, not_connected, fine);
    await closing_all(stage, ignore_all, fine, boom, fine);
    await closing_all(stage, ignore_all, fine, exit_now, fine);
  }
}
