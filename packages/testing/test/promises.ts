/** What core and chat promise, one scenario each, to be tried in whatever network. */
import assert from 'node:assert/strict';
import { async_chat } from '@asyncore/chat';
import { type channel_map, dispatcher, dispatcher_with_send, socket_map } from '@asyncore/core';
import { type Address, AF_UNIX, type InetAddress, SHUT_WR, type Socket } from '@asyncore/socket';
import type { network } from '@asyncore/testing';
import { inside, later, sleep, tcpOf } from './inside.js';

const HERE: InetAddress = ['127.0.0.1', 7000];

let current: network;

/** What no handler of these scenarios may do is thrown. */
function fails(error: unknown): void {
  inside(current).driver.fail(error);
}

const of = <T>(label: string, list: readonly T[]): T => list[current.choose(list.length, label)];

class Plain extends dispatcher {
  override log_info() {}
  override handle_error(error: unknown) {
    fails(error);
  }
}

class WithSend extends dispatcher_with_send {
  override log_info() {}
  override handle_error(error: unknown) {
    fails(error);
  }
}

class Chat extends async_chat {
  override log_info() {}
  override handle_error(error: unknown) {
    fails(error);
  }
  override collect_incoming_data(data: Buffer) {
    this._collect_incoming_data(data);
  }
}

class Listener extends Plain {
  constructor(readonly make: (sock: Socket) => void) {
    super();
    this.create_socket();
    this.bind(HERE);
    this.listen();
  }
  override handle_accepted(sock: Socket) {
    this.make(sock);
  }
}

/** push says no at the high water; handle_drain follows, once; nothing is lost. */
async function drain(net: network) {
  const most = 6000;
  const all = Buffer.from(Array.from({ length: most }, (_, i) => 97 + ((i * 7 + (i >> 6)) % 26)));
  let total = 0;
  let noes = 0;
  let drains = 0;
  let isOwed = false;
  class Source extends Chat {
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator('\n');
      this.ac_out_high_water = of('high water', [1, 100, 5000]);
      this.ac_out_buffer_size = of('out size', [65536, 10, 100]);
      this.fill();
    }
    fill() {
      for (let i = 0; total < most && i < 1000; i++) {
        const size = Math.min(most - total, of('push', [100, 1, 3000]));
        total += size;
        if (this.push(all.subarray(total - size, total))) continue;
        noes += 1;
        isOwed = true;
        return;
      }
      if (total >= most) this.close_when_done();
      else later(5, () => this.connected && this.fill());
    }
    override found_terminator() {
      assert.ok(!isOwed, 'parses while it is full');
    }
    override handle_drain() {
      drains += 1;
      assert.ok(isOwed, 'handle_drain without a no');
      isOwed = false;
      if (total < most) this.fill();
      else this.close_when_done();
    }
  }
  new Listener((sock) => new Source(sock));
  const peer = net.connect(HERE);
  for (let i = net.choose(4, 'stalls'); i > 0; i--) {
    peer.stall();
    await net.advance(0.01);
    peer.resume();
    await net.advance(0.01);
  }
  await peer.end();
  assert.equal(peer.text, all.toString());
  assert.equal(noes, drains);
}

/** What is too long is told once and discarded, and the next line is understood. */
async function overflow(net: network) {
  const lines = ['a', 'b'.repeat(20), 'c'.repeat(21), '', 'd'.repeat(100), 'e'.repeat(19), 'f'];
  const said: string[] = [];
  class Lines extends Chat {
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator(of('terminators', [['\r\n'], ['\n', '\r\n'], ['\r\n', '\r', '\n']]));
      this.max_incoming = 20;
      this.ac_in_buffer_size = of('in size', [65536, 1, 7]);
    }
    override found_terminator() {
      said.push(this._get_data().toString());
    }
    override handle_overflow() {
      said.push('too long');
    }
  }
  new Listener((sock) => new Lines(sock));
  const text = lines.map((line) => `${line}\r\n`).join('');
  await net.connect(HERE).send(text).half_close().end();
  assert.deepEqual(
    said,
    lines.map((line) => (line.length > 20 ? 'too long' : line)),
  );
}

/** Lines are the same however they are cut. */
async function lines(net: network) {
  const terminator = of('terminator', ['\r\n', '\r\n.\r\n', '\n', 'aab']);
  const parts = ['one', '', '\r', '\n', '\r\n.', 'a', 'aa', '.\r', 'x'.repeat(300), '\r\r'];
  const text = parts.join(terminator) + terminator;
  const said: string[] = [];
  class Lines extends Chat {
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator(terminator);
      this.ac_in_buffer_size = of('in size', [65536, 1, 3]);
    }
    override collect_incoming_data(data: Buffer) {
      assert.notEqual(data.length, 0);
      super.collect_incoming_data(data);
    }
    override found_terminator() {
      said.push(this._get_data().toString());
    }
  }
  new Listener((sock) => new Lines(sock));
  await net.connect(HERE).send(text).half_close().end();
  assert.deepEqual(said, text.split(terminator).slice(0, -1));
}

/** One who does not read is told of the end when it does. */
async function paused(net: network) {
  const seen: string[] = [];
  let got = 0;
  class Paused extends WithSend {
    isOpen = false;
    override readable() {
      return this.isOpen;
    }
    override handle_read() {
      got += this.recv(4).length;
    }
    override handle_close() {
      seen.push(`close ${got}`);
      this.close();
    }
  }
  const channels: Paused[] = [];
  new Listener((sock) => {
    const channel = new Paused(sock);
    channels.push(channel);
    if (net.choose(2, 'writes') === 1) channel.send(Buffer.alloc(3000));
  });
  const peer = net.connect(HERE).send('0123456789');
  await net.advance(0.5);
  const how = net.choose(3, 'how it ends');
  [() => peer.half_close(), () => peer.close(), () => peer.reset()][how]();
  await net.advance(5);
  const [channel] = channels;
  if (channel === undefined) return;
  if (how === 0) assert.deepEqual(seen, []);
  channel.isOpen = true;
  await net.until(() => seen.length > 0, 'handle_close');
  await net.settle(100);
  assert.equal(seen.length, 1);
  if (how === 0) assert.deepEqual(seen, ['close 10']);
}

/** Over its high water a channel parses no further, and goes on when it has drained. */
async function commands(net: network) {
  const names = Array.from({ length: 40 }, (_, i) => `c${i}`);
  class Answers extends Chat {
    #isFull = false;
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator('\n');
      this.ac_out_high_water = of('high water', [1, 500, 4000]);
      this.ac_in_buffer_size = of('in size', [65536, 10]);
    }
    override found_terminator() {
      const line = this._get_data().toString();
      if (this.#isFull) fails(new Error(`parses ${line} over its high water`));
      this.#isFull = !this.push(Buffer.from(`${line}${'.'.repeat(100)}\n`));
      if (line === names.at(-1)) this.close_when_done();
    }
    override handle_drain() {
      this.#isFull = false;
    }
  }
  new Listener((sock) => new Answers(sock));
  const peer = net.connect(HERE);
  if (net.choose(2, 'stalls') === 1) peer.stall();
  peer.send(names.map((name) => `${name}\n`).join(''));
  await net.advance(0.5);
  peer.resume();
  assert.equal(await peer.end(), 'end');
  const answers = peer.text.split('\n').slice(0, -1);
  assert.deepEqual(
    answers.map((line) => line.replace(/\.+/, '')),
    names,
  );
}

/** An event of a descriptor that was closed and is another's by now reaches nobody. */
async function reuse(net: network) {
  const all: Served[] = [];
  const newcomers: Newcomer[] = [];
  class Newcomer extends Plain {
    isTold = false;
    override writable() {
      return !this.connected;
    }
    override handle_connect() {
      const { state } = tcpOf(net, this);
      if (state === 'connecting') fails(new Error('handle_connect before there is a connection'));
      this.isTold = true;
      this.close();
    }
  }
  class Served extends Plain {
    override writable() {
      return false;
    }
    override handle_read() {
      this.recv(100);
      const other = all.find((one) => one !== this && one.fileno() >= 0);
      if (other === undefined || newcomers.length > 0) return;
      const fd = other.fileno();
      other.close();
      const newcomer = new Newcomer();
      newcomers.push(newcomer);
      newcomer.create_socket();
      assert.equal(newcomer.fileno(), fd);
      newcomer.connect(HERE);
    }
    override handle_close() {
      this.close();
    }
  }
  new Listener((sock) => all.push(new Served(sock)));
  const peers = [net.connect(HERE), net.connect(HERE)];
  await net.until(() => all.length === 2, 'both are accepted');
  for (const peer of peers) peer.send('x');
  await net.until(() => newcomers[0]?.isTold, 'the newcomer is connected');
}

/** What came before a reset is read. */
async function reset_after_data(net: network) {
  const { kernel } = inside(net);
  kernel.receiveRoom = Math.max(7, kernel.receiveRoom);
  let got = 0;
  let closes = 0;
  class Reader extends Plain {
    isOpen = false;
    override readable() {
      return this.isOpen;
    }
    override writable() {
      return false;
    }
    override handle_read() {
      got += this.recv(of('size', [3, 1, 100])).length;
    }
    override handle_close() {
      closes += 1;
      this.close();
    }
  }
  const channels: Reader[] = [];
  new Listener((sock) => channels.push(new Reader(sock)));
  const peer = net.connect(HERE).send('0123456');
  const hasCome = () => channels.length > 0 && tcpOf(net, channels[0]).input.length === 7;
  await net.until(hasCome, 'it has come', 60);
  channels[0].isOpen = net.choose(2, 'reads') === 1;
  peer.reset();
  await net.advance(10);
  channels[0].isOpen = true;
  await net.until(() => closes > 0, 'handle_close');
  assert.deepEqual([got, closes], [7, 1]);
}

/** An attempt to connect ends once, whatever happens to it. */
async function connecting(net: network) {
  const silent: Address = ['127.0.0.1', 7001];
  net.blackhole(silent);
  class Served extends Plain {
    override writable() {
      return false;
    }
    override handle_read() {
      this.recv(100);
    }
    override handle_close() {
      this.close();
    }
  }
  new Listener((sock) => new Served(sock));
  const places: Address[] = [
    HERE,
    ['127.0.0.1', 7002],
    silent,
    ['there.example', 7000],
    ['nowhere.example', 7000],
    ['unknown.example', 7000],
  ];
  const served = [places[0], places[3]];
  class Client extends Plain {
    attempts = 0;
    isOver = true;
    place: Address = '';
    readonly events: string[] = [];
    dial(place: Address = of('place', places)) {
      assert.ok(this.isOver, 'a new attempt before the end of the one before');
      this.attempts += 1;
      this.isOver = false;
      if (this.fileno() < 0) this.create_socket();
      this.timeout = of('timeout', [0, 0.5, 5]);
      this.place = place;
      this.events.push(`connect ${place}`);
      try {
        this.connect(place);
      } catch (error) {
        this.end(`thrown ${(error as NodeJS.ErrnoException).code}`);
      }
    }
    end(how: string) {
      this.events.push(how);
      assert.ok(!this.isOver, `ends twice: ${this.events.join(', ')}`);
      this.isOver = true;
      if (this.attempts >= 5) {
        this.close();
        return;
      }
      const then = net.choose(5, 'then');
      if (then === 4 && how === 'handle_connect_error ECONNREFUSED') {
        this.dial(silent); // on the same socket
        return;
      }
      if (then === 2) {
        this.timeout = 0;
        if (this.connected) this.close();
        later(300, () => this.isOver && this.dial());
        return;
      }
      this.close();
      if (then === 1) this.dial();
      if (then === 3) later(10, () => this.dial());
    }
    override writable() {
      return !this.connected;
    }
    override handle_connect() {
      assert.ok(
        served.includes(this.place),
        `connected where nobody is: ${this.events.join(', ')}`,
      );
      this.end('handle_connect');
    }
    override handle_connect_error(error: unknown) {
      const { code } = error as NodeJS.ErrnoException;
      assert.ok(code, String(error));
      this.end(`handle_connect_error ${code}`);
    }
    override handle_close() {
      assert.ok(this.isOver, `handle_close of an attempt: ${this.events.join(', ')}`);
      this.close();
    }
    override handle_read() {
      this.recv(100);
    }
  }
  const all = Array.from({ length: 1 + net.choose(3, 'clients') }, () => new Client());
  for (const client of all) client.dial();
  if (net.choose(3, 'gives up') === 1) {
    await net.advance(of('when', [0.0001, 0.1, 1]));
    const [client] = all;
    if (!client.isOver) {
      client.close();
      client.isOver = true;
      client.attempts = 9;
    }
  }
  await net.settle(300);
  for (const { isOver, events } of all) assert.ok(isOver, `no end: ${events.join(', ')}`);
}

/** An attempt that fails at once is over, and the next one on the same socket is made. */
async function fails_at_once(net: network) {
  const events: string[] = [];
  class Client extends Plain {
    override handle_connect() {
      events.push('connect');
    }
    override handle_connect_error(error: unknown) {
      events.push((error as NodeJS.ErrnoException).code ?? '');
    }
  }
  const client = new Client();
  client.create_socket(AF_UNIX);
  assert.throws(() => client.connect('/nobody'), { code: 'ENOENT' });
  assert.ok(!client.connecting);
  await net.settle(of('quiet', [2, 0.001, 300]));
  assert.deepEqual(events, []);
  const listener = net.listen('/somebody');
  client.connect('/somebody');
  await listener.accept();
  await net.settle();
  assert.deepEqual(events, ['connect']);
}

/** What handle_accepted throws ends the connection that it was given, and not the listener. */
async function spared(net: network) {
  const told: string[] = [];
  class Served extends WithSend {
    constructor(sock: Socket) {
      super(sock);
      this.send(Buffer.from('welcome'));
    }
  }
  class Choosy extends Listener {
    #count = 0;
    override handle_accepted(sock: Socket) {
      this.#count += 1;
      if (this.#count === 1) throw of('what is thrown', [new Error('not now'), 'not now']);
      super.handle_accepted(sock);
    }
    override handle_error(error: unknown) {
      told.push(String(error));
      dispatcher.prototype.handle_error.call(this, error); // asyncore's own: it closes other channels
    }
  }
  const listener = new Choosy((sock) => new Served(sock));
  const [first, second] = [net.connect(HERE), net.connect(HERE)];
  await net.until(() => told.length === 1, 'handle_error');
  await net.settle();
  assert.ok(listener.accepting);
  assert.deepEqual([first.text, second.text].sort(), ['', 'welcome']);
}

/** The listener survives running out of descriptors, and takes everybody in the end. */
async function exhausted(net: network) {
  inside(net).kernel.descriptors = 4 + net.choose(3, 'descriptors');
  class Served extends WithSend {
    #got = 0;
    override handle_read() {
      const data = this.recv(100);
      this.#got += data.length;
      if (data.length > 0) this.send(data);
      if (this.#got === 2) this.close_when_done();
    }
    override handle_close() {
      this.close();
    }
  }
  new Listener((sock) => new Served(sock));
  const peers = Array.from({ length: 8 }, () => net.connect(HERE).send('hi').half_close());
  for (const peer of peers) {
    assert.equal(await peer.end(), 'end');
    assert.equal(peer.text, 'hi');
  }
}

/** No more connections at once than may be, and everybody gets a turn. */
async function most_connections(net: network) {
  const most = 1 + net.choose(3, 'most');
  let open = 0;
  let peak = 0;
  class Served extends Chat {
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator('\n');
      open += 1;
      peak = Math.max(peak, open);
      sock.on_release(() => {
        open -= 1;
      });
    }
    override found_terminator() {
      this.push(Buffer.from(`${this._get_data()}!\n`));
      if (net.choose(3, 'ends at once') === 1) this.close_when_done();
      else later(20, () => this.close_when_done());
    }
  }
  new Listener((sock) => new Served(sock)).max_connections = most;
  const peers = Array.from({ length: 6 }, (_, i) => {
    const peer = net.connect(HERE);
    const vanishes = i % 3 === 2 && net.choose(2, 'vanishes') === 1;
    if (vanishes) peer.reset();
    else peer.send(`n${i}\n`).half_close();
    return { peer, vanishes };
  });
  for (const [i, { peer, vanishes }] of peers.entries()) {
    if (vanishes) continue;
    await peer.end();
    assert.equal(peer.text, `n${i}!\n`);
  }
  assert.ok(peak <= most, `${peak} at once, ${most} allowed`);
}

/** What the peer sent before it went is read, and the hang-up is told once. */
async function hang_up(net: network) {
  const size = of('bytes', [1, 1000, 6000]);
  let closes = 0;
  let got = 0;
  class Reader extends Plain {
    isOpen = false;
    constructor(sock: Socket) {
      super(sock);
      later(of('reads late', [0, 5, 3000]), () => {
        this.isOpen = true;
        this._changed();
      });
    }
    override readable() {
      return this.isOpen;
    }
    override writable() {
      return false;
    }
    override handle_read() {
      got += this.recv(of('size', [65536, 1000, 7])).length;
    }
    override handle_close() {
      closes += 1;
      this.close();
    }
  }
  new Listener((sock) => new Reader(sock));
  const peer = net.connect(HERE).send(Buffer.alloc(size));
  if (net.choose(2, 'how') === 1) peer.close();
  else peer.half_close();
  await net.until(() => closes > 0, 'handle_close', 3000);
  await net.settle(100);
  assert.deepEqual([closes, got], [1, size]);
}

/** Answers of async work come in the order of the questions. */
async function async_answers(net: network) {
  class Answers extends Chat {
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator('\n');
      this.ac_out_high_water = of('high water', [1, 50, 5000]);
    }
    override found_terminator() {
      const line = this._get_data().toString();
      if (line === 'quit') this.close_when_done();
      else this.push_with_producer(this.answer(line));
    }
    async *answer(line: string) {
      await sleep(of('work', [0.01, 0, 1]));
      yield Buffer.from(`<${line}`);
      if (net.choose(2, 'in two') === 1) await sleep(0.001);
      yield Buffer.from('>\n');
    }
  }
  new Listener((sock) => new Answers(sock));
  const peer = net.connect(HERE).send('a\nb\nc\nd\ne\n');
  if (net.choose(2, 'half-close') === 1) peer.half_close();
  else peer.send('quit\n').half_close();
  await peer.end();
  assert.equal(peer.text, '<a>\n<b>\n<c>\n<d>\n<e>\n');
}

/** A channel that moves to another map, which another loop serves, loses nothing. */
async function moves(net: network) {
  const other: channel_map = new Map();
  net.serve(other);
  const text = 'abcdefghijklmnopqrstuvwxyz';
  let got = '';
  class Mover extends Plain {
    override writable() {
      return false;
    }
    override handle_read() {
      const data = this.recv(3).toString(); // which may call handle_close
      got += data;
      if (net.choose(3, 'moves') !== 1) return;
      this.del_channel();
      this._map = this._map === other ? socket_map : other;
      this.add_channel();
    }
    override handle_close() {
      got += '.';
      this.close();
    }
  }
  new Listener((sock) => new Mover(sock));
  net.connect(HERE).send(text).half_close();
  await net.until(() => got.endsWith('.'), 'the end');
  assert.equal(got, `${text}.`);
}

/** The peer has ended its half: the rest is sent, and then the channel closes. */
async function rest_after_eof(net: network) {
  const size = 3000;
  class Sender extends WithSend {
    override handle_read() {
      if (this.recv(100).length > 0) this.send(Buffer.alloc(size, 'a'));
    }
    override handle_close() {
      this.close();
    }
  }
  class Chatter extends Chat {
    #isAsked = false;
    override collect_incoming_data() {
      if (this.#isAsked) return;
      this.#isAsked = true;
      this.push(Buffer.alloc(size / 2, 'a'));
      this.push_with_producer([Buffer.alloc(size / 2, 'a')]);
    }
    override found_terminator() {}
  }
  const isChat = net.choose(2, 'kind') === 1;
  new Listener((sock) => {
    if (!isChat) new Sender(sock);
    else new Chatter(sock).set_terminator(null);
  });
  const peer = net.connect(HERE).send('x').half_close();
  if (net.choose(2, 'stalls') === 1) {
    peer.stall();
    await net.advance(1);
    peer.resume();
  }
  assert.equal(await peer.end(), 'end');
  assert.equal(peer.received.length, size);
}

/** A handle_close that reconnects: nothing of the former connection goes to the next. */
async function reconnects(net: network) {
  const listener = net.listen(HERE);
  class Again extends WithSend {
    lives = 0;
    dial() {
      this.lives += 1;
      this.create_socket();
      this.connect(HERE);
    }
    override handle_connect() {
      this.send(Buffer.from(`life ${this.lives}\n`));
    }
    override handle_read() {
      this.recv(100);
    }
    override handle_close() {
      this.close();
      if (this.lives < 3) this.dial();
    }
    override handle_connect_error() {
      this.handle_close();
    }
  }
  const client = new Again();
  client.dial();
  for (let life = 1; life <= 3; life++) {
    const server = await listener.accept();
    if (net.choose(2, 'hears it') === 1) {
      const line = await server.expect('\n');
      assert.equal(line, `life ${life}\n`);
    } else {
      server.stall();
    }
    client.send(Buffer.alloc(500, 'q'));
    if (net.choose(2, 'how it ends') === 1) server.reset();
    else server.close();
    await net.until(() => client.lives > life || client.fileno() < 0, 'the next life');
  }
}

/** What a former connection has left of a line is no part of the next one's first line. */
async function lines_of_each_life(net: network) {
  const listener = net.listen(HERE);
  const said: string[] = [];
  class Again extends Chat {
    lives = 0;
    dial() {
      this.lives += 1;
      this.create_socket();
      this.connect(HERE);
    }
    override found_terminator() {
      said.push(this._get_data().toString());
    }
    override handle_close() {
      if (this.lives > 1 || net.choose(2, 'closes') === 1) this.close();
      if (this.lives === 1) this.dial();
    }
  }
  const client = new Again();
  client.set_terminator('\r\n');
  client.dial();
  const first = await listener.accept();
  first.send('one\r\ntwo\r').close();
  const second = await listener.accept();
  second.send('\nthree\r\n').close();
  await net.until(() => client.lives === 2 && client.fileno() < 0, 'the end of both lives');
  assert.deepEqual(said, ['one', '\nthree']);
}

/** A send may give more and send: every byte goes out once and in order. After close_when_done the end follows at once. */
async function sends_within_sends(net: network) {
  class Nested extends Chat {
    readonly #more = ['two ', 'three'];
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator('\n');
      this.linger_time = 10_000; // the peer does not end
    }
    override found_terminator() {
      if (this._get_data().toString() === 'go') {
        this.push(Buffer.from('one '));
        return;
      }
      this.close_when_done();
      this.push(Buffer.from('too late'));
    }
    override send(data: Uint8Array) {
      const next = this.#more.shift();
      if (next !== undefined) {
        this.push(Buffer.from(next));
        this.initiate_send();
      }
      return super.send(data);
    }
  }
  new Listener((sock) => new Nested(sock));
  const peer = net.connect(HERE).send('go\n');
  await peer.expect('one two three');
  assert.equal(await peer.send('bye\n').end(), 'end');
  assert.equal(peer.text, '');
}

/** A timeout is told in its time, and not to who moves. */
async function timeouts(net: network) {
  let moved = 0;
  let told = -1;
  class Served extends Chat {
    override timeout = 30;
    constructor(sock: Socket) {
      super(sock);
      this.set_terminator('\n');
      moved = net.now;
    }
    override found_terminator() {
      moved = net.now;
    }
    override handle_timeout() {
      told = net.now - moved;
      this.close();
    }
  }
  new Listener((sock) => new Served(sock));
  const peer = net.connect(HERE);
  for (let i = net.choose(4, 'lines'); i > 0; i--) {
    await net.advance(of('pause', [1, 8, 15, 22]));
    assert.equal(told, -1);
    peer.send('x\n');
  }
  await net.until(() => told >= 0, 'handle_timeout');
  assert.ok(told >= 29.999, `told after ${told} s of 30`);
}

/** What came is read before a loss that only sending has met is told. */
async function loss_while_writing(net: network) {
  const { kernel } = inside(net);
  kernel.receiveRoom = Math.max(7, kernel.receiveRoom);
  let got = '';
  let closes = 0;
  class Speaker extends Plain {
    isOpen = false;
    override readable() {
      return this.isOpen;
    }
    override writable() {
      return false;
    }
    override handle_read() {
      got += this.recv(of('size', [3, 1, 100])).toString();
    }
    override handle_close() {
      closes += 1;
      this.close();
    }
  }
  const channels: Speaker[] = [];
  new Listener((sock) => channels.push(new Speaker(sock)));
  const peer = net.connect(HERE).send('0123456');
  const hasCome = () => channels.length > 0 && tcpOf(net, channels[0]).input.length === 7;
  await net.until(hasCome, 'it has come', 60);
  if (net.choose(2, 'how it ends') === 0) peer.reset();
  else peer.close();
  await net.advance(of('when', [10, 0.0001, 0]));
  const [channel] = channels;
  channel.isOpen = true;
  for (let i = 0; i < 3 && closes === 0; i++) channel.send(Buffer.from('x'));
  await net.until(() => closes > 0, 'handle_close', 3000);
  await net.settle(100);
  assert.deepEqual([got, closes], ['0123456', 1]);
}

/** The end is told once, however often it is read. */
async function end_read_again(net: network) {
  let got = '';
  let ends = 0;
  class Reader extends Plain {
    override writable() {
      return false;
    }
    override handle_read() {
      for (let i = of('reads', [4, 1, 12]); i > 0; i--) {
        try {
          got += this.recv(3).toString();
        } catch (error) {
          assert.equal((error as NodeJS.ErrnoException).code, 'EAGAIN');
        }
      }
    }
    override handle_eof() {
      ends += 1;
    }
  }
  const channels: Reader[] = [];
  new Listener((sock) => channels.push(new Reader(sock)));
  net.connect(HERE).send('01234').half_close();
  await net.until(() => ends > 0, 'handle_eof');
  await net.settle(100);
  assert.deepEqual([got, ends], ['01234', 1]);
  channels[0].close();
}

/** An async handler is not called again while it runs, and nothing is lost meanwhile. */
async function one_at_a_time(net: network) {
  let got = '';
  let running = 0;
  class Slow extends Plain {
    override writable() {
      return false;
    }
    override async handle_read() {
      running += 1;
      assert.equal(running, 1);
      await sleep(of('work', [0.01, 0, 1]));
      const data = this.recv(of('size', [2, 100])); // which may call handle_close
      got += data;
      running -= 1;
    }
    override handle_close() {
      got += '.';
      this.close();
    }
  }
  new Listener((sock) => new Slow(sock));
  const peer = net.connect(HERE);
  for (const part of ['ab', 'cd', 'ef']) {
    peer.send(part);
    await net.advance(of('pause', [0.005, 0, 2]));
  }
  peer.half_close();
  await net.until(() => got.endsWith('.'), 'the end');
  assert.equal(got, 'abcdef.');
}

/** A shutdown follows what was sent before it, however slowly that is read. */
async function shutdown_follows(net: network) {
  const size = of('size', [10, 3000, 9000]);
  class Sender extends WithSend {
    override handle_read() {
      this.recv(100);
    }
    override handle_close() {
      this.close();
    }
  }
  new Listener((sock) => {
    const channel = new Sender(sock);
    channel.send(Buffer.alloc(size, 'a'));
    channel.shutdown(SHUT_WR);
    assert.equal(channel.send(Buffer.from('refused')), 0);
  });
  const peer = net.connect(HERE);
  if (net.choose(2, 'stalls') === 1) {
    peer.stall();
    await net.advance(1);
    peer.resume();
  }
  assert.equal(await peer.end(), 'end');
  assert.equal(peer.text, 'a'.repeat(size));
}

/** Timers of channels come in their order, not before their time, and not after their channel. */
async function timers(net: network) {
  const told: string[] = [];
  const channel = new Plain();
  const other = new Plain();
  const start = net.now;
  for (const seconds of [3, 1, 2, 1.5, 0.5, 2.5]) {
    channel.call_later(seconds, () => {
      told.push(String(seconds));
      assert.ok(net.now - start >= seconds - 1e-6, `${seconds} came after ${net.now - start}`);
    });
    other.call_later(seconds + 0.1, () => told.push('of a closed channel'));
  }
  const every = channel.call_every(0.9, () => told.push('every'));
  await net.advance(of('when', [0.05, 0.01]));
  other.close();
  await net.advance(2.9);
  every.cancel();
  await net.advance(5);
  assert.deepEqual(told, ['0.5', 'every', '1', '1.5', 'every', '2', '2.5', 'every', '3']);
  channel.close();
}

const scenarios = {
  loss_while_writing,
  end_read_again,
  one_at_a_time,
  shutdown_follows,
  timers,
  drain,
  overflow,
  lines,
  paused,
  commands,
  reuse,
  reset_after_data,
  connecting,
  fails_at_once,
  spared,
  exhausted,
  most_connections,
  hang_up,
  async_answers,
  moves,
  rest_after_eof,
  reconnects,
  lines_of_each_life,
  sends_within_sends,
  timeouts,
};

/** By name: each is run in a network of its own. */
export const promises = Object.fromEntries(
  Object.entries(scenarios).map(([name, scenario]) => [
    name,
    (net: network) => {
      current = net;
      return scenario(net);
    },
  ]),
);
