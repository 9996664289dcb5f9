import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import { type network, simulate } from '@asyncore/testing';
import { expect, it } from 'vitest';

const HERE: [string, number] = ['127.0.0.1', 7000];

/** Notes what comes. */
class Listener extends dispatcher_with_send {
  got = '';
  readonly told: string[] = [];
  override handle_read() {
    this.got += this.recv(8192);
  }
  override handle_close() {
    this.told.push('close');
    this.close();
  }
  override log_info() {}
}

class Server extends dispatcher {
  readonly channels: Listener[] = [];
  constructor() {
    super();
    this.create_socket();
    this.bind(HERE);
    this.listen();
  }
  override handle_accepted(sock: Socket) {
    this.channels.push(new Listener(sock));
  }
}

async function both(net: network) {
  const server = new Server();
  const peer = net.connect(HERE);
  await net.settle();
  return { peer, channel: server.channels[0] };
}

it('does in order what it is told before it is connected', () =>
  simulate({}, async (net) => {
    const server = new Server();
    net.connect(HERE).send('one ').send(Buffer.from('two ')).send('three').half_close();
    await net.settle();
    expect(server.channels[0].got).toBe('one two three');
    expect(server.channels[0].told).toEqual(['close']);
  }));

it('sends more than the program takes as it takes it', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    peer.send(Buffer.alloc(1_000_000, 'x')).half_close();
    await net.settle();
    expect(channel.got.length).toBe(1_000_000);
  }));

it('expects text, bytes and patterns, and takes what it expected', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    channel.send(Buffer.from('über 10 Ärger\r\nend'));
    expect(await peer.expect('über')).toBe('über');
    expect(await peer.expect(/\d+/)).toBe(' 10');
    expect(peer.text).toBe(' Ärger\r\nend');
    expect(await peer.expect(Buffer.from('\r\n'))).toBe(' Ärger\r\n');
    expect(peer.received.toString()).toBe('end');
    channel.send(Buffer.from([0xff, 0xfe, 0x41]));
    expect(await peer.expect(/A/)).toBe('endÿþA');
  }));

it('says what had come when it waits in vain', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    await expect(peer.expect('x')).rejects.toThrow(
      'peer1 expects "x"; nothing has come: nothing more happens',
    );
    channel.send(Buffer.from('abc'));
    await expect(peer.expect(/\d/)).rejects.toThrow('peer1 expects /\\d/; there is "abc"');
    await expect(peer.end()).rejects.toThrow('peer1 waits for the end; there is "abc"');
  }));

it('a reset reaches the program, and its own end is told by name', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    peer.reset();
    await net.settle();
    expect(channel.told).toEqual(['close']);
    const other = await both2(net);
    other.channel.close();
    expect(await other.peer.end()).toBe('end');
    other.peer.send('x');
    await net.settle();
    other.peer.send('y');
    await net.settle();
    expect(other.peer.ended).toBe('end');
  }));

async function both2(net: network) {
  const server = new dispatcher();
  let channel: Listener | undefined;
  server.handle_accepted = (sock) => {
    channel = new Listener(sock as Socket);
  };
  server.create_socket();
  server.bind(['127.0.0.1', 7001]);
  server.listen();
  const peer = net.connect(['127.0.0.1', 7001]);
  await net.settle();
  if (channel === undefined) throw new Error('nobody was accepted');
  return { peer, channel };
}

it('a program that closes on unread data resets the peer', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    channel.readable = () => false;
    peer.send('unread');
    await net.settle();
    channel.close();
    expect(await peer.end()).toBe('ECONNRESET');
  }));

it('a stalled peer takes nothing in, until it goes on', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    peer.stall();
    channel.send(Buffer.alloc(1_000_000, 'x'));
    await net.settle();
    expect(peer.received.length).toBe(0);
    expect(channel.writable()).toBe(true);
    peer.resume();
    await net.settle();
    expect(peer.received.length).toBe(1_000_000);
    expect(channel.writable()).toBe(false);
  }));

it('an urgent byte is told as such', () =>
  simulate({}, async (net) => {
    const { peer, channel } = await both(net);
    const told: string[] = [];
    channel.handle_expt = () => {
      told.push('urgent');
    };
    peer.send('a').send_urgent('!').send('b');
    await net.settle();
    expect([channel.got, told]).toEqual(['ab', ['urgent']]);
  }));

it('a listener takes whoever comes', () =>
  simulate({}, async (net) => {
    const listener = net.listen(['10.0.0.1', 80]);
    const channel = new Listener();
    channel.create_socket();
    channel.connect(['10.0.0.1', 80]);
    channel.send(Buffer.from('GET'));
    const peer = await listener.accept();
    await peer.expect('GET');
    peer.send('200').close();
    await net.settle();
    expect([channel.got, channel.told]).toEqual(['200', ['close']]);
    listener.close();
    await expect(listener.accept()).rejects.toThrow('not: somebody connects to listener1');
    expect(() => net.listen(['10.0.0.1', 80]) && net.listen(['10.0.0.1', 80])).toThrow(
      'EADDRINUSE',
    );
  }));

it('Unix sockets have peers too', () =>
  simulate({}, async (net) => {
    const listener = net.listen('/run/here');
    expect(listener.address).toBe('/run/here');
    const peer = net.connect('/run/here').send('hello').half_close();
    const other = await listener.accept();
    await other.expect('hello');
    expect(await other.end()).toBe('end');
    other.send('bye').close();
    await peer.expect('bye');
    expect(await peer.end()).toBe('end');
    expect(net.connect('/run/nowhere').ended).toBe('ENOENT');
  }));
