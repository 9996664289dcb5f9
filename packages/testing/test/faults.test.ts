/** Faults that were found by simulation, each of which took one or two decisions that are not the plain ones. */
import { async_chat } from '@asyncore/chat';
import { dispatcher, dispatcher_with_send, poll2 } from '@asyncore/core';
import { SO_LINGER, SOL_SOCKET, Socket } from '@asyncore/socket';
import { explore, type network, simulate } from '@asyncore/testing';
import { expect, it } from 'vitest';
import { inside, later, tcpOf } from './inside.js';

const HERE: [string, number] = ['127.0.0.1', 7000];

class Listener extends dispatcher {
  constructor(readonly make: (sock: Socket) => void) {
    super();
    this.create_socket();
    this.bind(HERE);
    this.listen();
  }
  override handle_accepted(sock: Socket) {
    this.make(sock);
  }
  override log_info() {}
}

/** A listening bare socket, whose connections the test accepts itself. */
function door(): Socket {
  const socket = new Socket();
  socket.bind(HERE);
  socket.listen();
  return socket;
}

function accepted(listener: Socket): Socket {
  const [sock] = listener.accept();
  return sock;
}

it('handle_timeout comes a tenth late at most, whenever the last line came', () =>
  explore({ runs: 300 }, async (net) => {
    let late = 0;
    let moved = 0;
    class Served extends async_chat {
      override timeout = 30;
      constructor(sock: Socket) {
        super(sock);
        this.set_terminator('\n');
        moved = net.now;
      }
      collect_incoming_data() {
        moved = net.now;
      }
      found_terminator() {}
      override handle_timeout() {
        late = net.now - moved;
        this.close();
      }
    }
    new Listener((sock) => new Served(sock));
    const peer = net.connect(HERE);
    for (let i = net.choose(4, 'lines'); i > 0; i--) {
      await net.advance(1 + 7 * net.choose(4, 'pause'));
      peer.send('x\n');
    }
    await net.until(() => late > 0, 'handle_timeout');
    expect(late).toBeGreaterThan(29.999);
    expect(late).toBeLessThan(33.1);
  }));

/** What both have is all that is used of them where they are not told apart. */
const senders = [dispatcher_with_send as unknown as typeof async_chat, async_chat];

for (const Base of senders) {
  it(`${Base.name}: an answer that has arrived is read, although sending meets a reset first`, () =>
    simulate({}, async (net) => {
      const listener = net.listen(HERE);
      const said: string[] = [];
      class Client extends Base {
        override log_info() {}
        override collect_incoming_data(data: Buffer) {
          said.push(`got ${data}`);
        }
        override found_terminator() {}
        override handle_read() {
          if (Base === async_chat) super.handle_read();
          else said.push(`got ${this.recv(100)}`);
        }
        override handle_connect() {
          this.send(Buffer.from('MAIL\r\n'));
          later(20, () => {
            // What is said here meets the reset, before the loop has looked.
            inside(net).kernel.land();
            this.send(Buffer.from('RCPT\r\n'));
          });
        }
        override handle_close() {
          said.push('close');
          this.close();
        }
      }
      const client = new Client();
      if (Base === async_chat) client.set_terminator(null);
      client.create_socket();
      client.connect(HERE);
      const server = await listener.accept();
      server.stall();
      await net.advance(0.0199);
      server.send('421 too busy\r\n').close();
      await net.until(() => said.includes('close'), 'the end');
      expect(said.join()).toContain('421');
    }));
}

it('a channel that sends by a timer reads what had arrived before it is told of the end', () =>
  explore({ runs: 500 }, async (net) => {
    const listener = net.listen(['127.0.0.1', 25]);
    let isOver = false;
    let unread = 0;
    class Client extends dispatcher_with_send {
      override log_info() {}
      override handle_connect() {
        this.#beat();
      }
      #beat() {
        if (!this.connected) return;
        this.send(Buffer.from('x'));
        later(1, () => this.#beat());
      }
      override handle_read() {
        this.recv(100);
      }
      override handle_close() {
        unread = tcpOf(net, this).input.length;
        isOver = true;
        this.close();
      }
    }
    const client = new Client();
    client.create_socket();
    client.connect(['127.0.0.1', 25]);
    const server = await listener.accept();
    server.stall();
    await net.advance(0.01);
    server.send('421 too busy\r\n').close();
    await net.until(() => isOver, 'the end');
    expect(unread).toBe(0);
  }));

it('a channel whose handle_close does not close it is told no more', () =>
  simulate({ loopback: true }, async (net) => {
    const listener = door();
    const said: string[] = [];
    class Client extends dispatcher {
      override handle_connect() {
        said.push('connect');
        const other = accepted(listener);
        other.setsockopt(SOL_SOCKET, SO_LINGER, Int32Array.of(1, 0));
        other.close(); // resets just now
        this.send(Buffer.from('hello'));
      }
      override handle_close() {
        said.push('close');
        later(50, () => this.close());
      }
      override handle_write() {
        said.push('write');
      }
      override handle_read() {
        said.push('read');
      }
      override log_info() {}
    }
    const client = new Client();
    client.create_socket();
    client.connect(HERE);
    await net.settle();
    listener.close();
    expect(said).toEqual(['connect', 'close']);
  }));

it('an event that a poll within handle_connect has served is not told again', () =>
  simulate({ loopback: true }, async (net) => {
    const listener = door();
    const said: string[] = [];
    class Client extends dispatcher {
      override writable() {
        return false;
      }
      override handle_connect() {
        said.push('connect');
        poll2(0);
        said.push('polled');
      }
      override handle_read() {
        try {
          said.push(`read ${this.recv(100)}`);
        } catch (error) {
          said.push(`read ${(error as NodeJS.ErrnoException).code}`);
        }
      }
    }
    const client = new Client();
    client.create_socket();
    client.connect(HERE);
    const other = accepted(listener);
    other.send(Buffer.from('hello'));
    await net.settle();
    for (const socket of [other, listener]) socket.close();
    expect(said).toEqual(['connect', 'read hello', 'polled']);
  }));

it.each(senders.map((Base) => [Base.name, Base] as const))(
  '%s: close_when_done gets everything across, whatever the peer still says',
  async (_, Base) => {
    await explore({ runs: 100 }, async (net: network) => {
      const answer = Buffer.alloc(2000, 'a');
      class Handler extends Base {
        override linger_time = 60; // more than all delays that may come together
        #isClosing = false;
        override handle_read() {
          if (Base === async_chat) super.handle_read();
          else if (this.recv(100).length > 0) this.#answer();
        }
        override collect_incoming_data() {}
        override found_terminator() {
          this.#answer();
        }
        #answer() {
          if (this.#isClosing) return;
          this.#isClosing = true;
          if (Base === async_chat) this.push(answer);
          else this.send(answer);
          this.close_when_done();
        }
        override log_info() {}
      }
      new Listener((sock) => {
        const handler = new Handler(sock);
        if (Base === async_chat) handler.set_terminator('\n');
      });
      const peer = net.connect(HERE).stall().send('get\n');
      await net.advance(0.05);
      peer.send('and one more thing\n'); // is never read
      await net.advance(0.25);
      peer.resume();
      await peer.end();
      expect([peer.received.length, peer.ended]).toEqual([answer.length, 'end']);
    });
  },
  30_000,
);
