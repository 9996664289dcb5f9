/** What the README shows. */
import { dispatcher, dispatcher_with_send, loop, type timer } from '@asyncore/core';
import { AF_INET, type InetAddress, SOCK_DGRAM, Socket } from '@asyncore/socket';
import { Stage } from '@asyncore/test-support/stage';
import { expect, it } from 'vitest';
import { connection, own, readAll } from './support.js';

class Client extends dispatcher_with_send {
  silence: timer | null = null;

  handle_connect() {
    this.call_every(30, () => this.send(Buffer.from('PING\r\n')));
    this.silence = this.call_later(90, () => this.close());
  }

  handle_read() {
    const data = this.recv(8192);
    if (data.length > 0) this.silence?.reset();
  }
}

class Server extends dispatcher {
  constructor(port: number) {
    super();
    this.create_server(['', port], { dualstack: true });
  }

  handle_accepted(sock: Socket) {
    new Greeter(sock).close_when_done();
    this.close();
  }
}

class Greeter extends dispatcher_with_send {
  constructor(sock: Socket) {
    super(sock);
    this.send(Buffer.from('hello'));
  }
}

class Visitor extends dispatcher_with_send {
  got = '';

  constructor(port: number) {
    super();
    this.create_connection(['localhost', port]);
  }

  handle_connect() {
    this.send(Buffer.from('a visitor\n'));
  }

  handle_read() {
    this.got += this.recv(100);
  }
}

class DatagramEcho extends dispatcher {
  constructor(port: number) {
    super();
    this.create_socket(AF_INET, SOCK_DGRAM);
    this.bind(['127.0.0.1', port]);
  }

  handle_read() {
    // All that wait, 64 at most, of 2 KiB at most: two system calls where recvfrom and sendto make 128.
    const datagrams = this.recvmmsg(64, 2048);
    this.sendmmsg(datagrams); // each is [data, address]
  }
}

it('answers many datagrams at a time', async () => {
  const server = new DatagramEcho(0);
  const client = own(new Socket(AF_INET, SOCK_DGRAM));
  const texts = ['one', 'two', 'three'];
  for (const text of texts) client.sendto(Buffer.from(text), server.getsockname());
  const answers: string[] = [];
  while (answers.length < texts.length) {
    await loop({ count: 1, timeout: 1 });
    while (client.unread() > 0) answers.push(`${client.recv(100)}`);
  }
  server.close();
  expect(answers).toEqual(texts);
});

it('connects by name to a server of both families', async () => {
  const server = new Server(0);
  const [, port] = server.getsockname() as InetAddress;
  const visitor = new Visitor(port);
  visitor.log_info = () => {}; // of handle_close
  await loop();
  expect(visitor.got).toBe('hello');
});

it('has timers that end with their channel', async () => {
  const stage = new Stage();
  const [ours, theirs] = connection();
  const client = new Client(ours, stage.map);
  client.handle_connect();
  client.silence?.cancel();
  client.silence = client.call_later(0.01, () => client.close());
  await stage.loop();
  expect(readAll(theirs).length).toBe(0);
});
