/** What docs/testing-a-server.md shows. */
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import { explore, explore_all, type network, simulate } from '@asyncore/testing';
import { expect, test } from 'vitest';

class Adder extends async_chat {
  timeout = 30;

  constructor(sock: Socket) {
    super(sock);
    this.set_terminator('\n');
    this.max_incoming = 1000;
  }

  collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }

  found_terminator() {
    const numbers = this._get_data().toString().split('+').map(Number);
    const sum = numbers.reduce((a, b) => a + b);
    this.push(Buffer.from(`${sum}\n`));
  }
}

class AdderServer extends dispatcher {
  constructor(host: string, port: number) {
    super();
    this.create_socket();
    this.bind([host, port]);
    this.listen();
  }

  handle_accepted(sock: Socket) {
    new Adder(sock);
  }
}

test('adds', () =>
  simulate({}, async (net) => {
    new AdderServer('127.0.0.1', 7000);
    const peer = net.connect(['127.0.0.1', 7000]).send('1+2\n');
    await peer.expect('3\n');
  }));

test('lets a silent client go', () =>
  simulate({}, async (net) => {
    new AdderServer('127.0.0.1', 7000);
    const peer = net.connect(['127.0.0.1', 7000]);
    await net.advance(29);
    expect(peer.ended).toBe(null);
    await net.advance(5);
    expect(peer.ended).toBe('end');
  }));

test('is none the worse for clients that break', () =>
  simulate({}, async (net) => {
    new AdderServer('127.0.0.1', 7000);
    net.connect(['127.0.0.1', 7000]).send('1+').reset();
    net.connect(['127.0.0.1', 7000]).send('1+2\n'.repeat(1000)).stall().close();
    await net.connect(['127.0.0.1', 7000]).send('1+2\n').half_close().end();
    await net.settle();
    expect(net.open()).toEqual(['AdderServer :7000', 'queue']);
  }));

const adds = async (net: network) => {
  new AdderServer('127.0.0.1', 7000);
  const peer = net.connect(['127.0.0.1', 7000]).send('1+2\n30+4\n5+6');
  if (net.choose(2, 'is late') === 1) await net.advance(20);
  peer.send('7\n').half_close();
  await peer.end();
  expect(peer.text).toBe('3\n34\n72\n');
};

test('answers however it is cut', async () => {
  await explore_all({}, adds);
});

test('and whatever comes together', async () => {
  await explore({ runs: 200 }, adds);
});

test('a client hears why nobody answers', () =>
  simulate({ hosts: { 'db.example': '10.0.0.5' } }, async (net) => {
    const told: unknown[] = [];
    class Client extends dispatcher_with_send {
      handle_connect_error(error: unknown) {
        told.push((error as NodeJS.ErrnoException).code);
        this.close();
      }
    }
    const dial = (host: string) => {
      const client = new Client();
      client.create_socket();
      client.connect([host, 5432]);
      client.timeout = 10;
    };
    net.blackhole(['10.0.0.5', 5432]);
    for (const host of ['db.example', 'bd.example', '10.0.0.6']) dial(host);
    await net.settle(20);
    expect(told.sort()).toEqual(['ECONNREFUSED', 'ENOTFOUND', 'ETIMEDOUT']);
  }));
