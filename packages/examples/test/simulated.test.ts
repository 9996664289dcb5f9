/**
 * The TCP examples in a simulated network: what each promises, whatever is delayed, cut, or breaks. Their
 * sources are as they are; only the network is another.
 */
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import {
  ChatServer,
  EchoServer,
  HTTPClient,
  HTTPDownload,
  HTTPServer,
  JobServer,
  LoggingEchoServer,
  type Mail,
  PortForward,
  PublicServer,
  RedisServer,
  SMTPServer,
  StoreServer,
  UDPEcho,
  UnixEchoServer,
} from '@asyncore/examples';
import { explore, explore_all, type network, simulate } from '@asyncore/testing';
import { afterAll, describe, expect, it, vi } from 'vitest';

vi.setConfig({ testTimeout: 120_000 });
vi.spyOn(console, 'log').mockImplementation(() => {});

const HOST = '127.0.0.1';
const folder = mkdtempSync(join(tmpdir(), 'simulated'));
afterAll(() => rmSync(folder, { recursive: true }));

const of = <T>(net: network, label: string, list: readonly T[]): T =>
  list[net.choose(list.length, label)];

const scenarios: Record<string, (net: network) => Promise<void>> = {
  async echo_server(net) {
    new EchoServer(HOST, 7);
    const text = 'hello'.repeat(of(net, 'size', [1, 300]));
    const peer = net.connect([HOST, 7]).send(text).half_close();
    assert.equal(await peer.end(), 'end');
    assert.equal(peer.text, text);
  },

  async logging_echo_server(net) {
    new LoggingEchoServer([HOST, 7]).serve_forever();
    const text = 'abcdefghij'.repeat(of(net, 'size', [1, 30]));
    const peer = net.connect([HOST, 7]).send(text);
    await peer.expect(text);
    peer.half_close();
    await peer.end();
  },

  async smtp_server(net) {
    const mails: Mail[] = [];
    new SMTPServer(HOST, 25, (mail) => mails.push(mail), { size: 100_000 });
    const lines = Array.from({ length: 20 }, (_, i) => `line ${i}${i % 7 === 3 ? '' : ' text'}`);
    const envelope = 'EHLO me\r\nMAIL FROM:<a@b>\r\nRCPT TO:<c@d>\r\nDATA\r\n';
    const peer = net
      .connect([HOST, 25])
      .send(`${envelope}${lines.join('\r\n')}\r\n..dot\r\n.\r\nQUIT\r\n`);
    const broken = net.connect([HOST, 25]).send(`${envelope}half a mail\r\n`);
    await peer.expect('221');
    assert.equal(await peer.end(), 'end');
    of(net, 'how it breaks', [
      () => broken.close(),
      () => broken.reset(),
      () => broken.half_close(),
    ])();
    await net.settle(400);
    assert.equal(mails.length, 1);
    const text = mails[0].text.toString().split('\n').slice(3).join('\n');
    assert.equal(text, `${lines.join('\n')}\n.dot\n`);
  },

  async redis_server(net) {
    new RedisServer(HOST, 6379);
    const command = (...args: string[]) =>
      `*${args.length}\r\n${args.map((arg) => `$${arg.length}\r\n${arg}\r\n`).join('')}`;
    const value = 'x'.repeat(of(net, 'value', [5, 70, 3000]));
    const one = net
      .connect([HOST, 6379])
      .send(`${command('SET', 'k', value)}PING\r\n${command('GET', 'k')}`)
      .send(`${command('DEL', 'n')}${command('INCR', 'n')}${command('GET', 'none')}`);
    const other = net
      .connect([HOST, 6379])
      .send(command('SET', 'o', 'y'))
      .send(command('GET', 'o'));
    if (net.choose(2, 'stalls') === 1) {
      other.stall();
      await net.advance(1);
      other.resume();
    }
    const got = await one.expect('$-1\r\n');
    const answers = `+OK\r\n+PONG\r\n$${value.length}\r\n${value}\r\n`;
    assert.match(got.slice(answers.length), /^:[01]\r\n:1\r\n\$-1\r\n$/);
    assert.equal(got.slice(0, answers.length), answers);
    assert.equal(await other.expect('y\r\n'), '+OK\r\n$1\r\ny\r\n');
    one.half_close();
    assert.equal(await one.end(), 'end');
  },

  async chat_room(net) {
    new ChatServer(HOST, 8080);
    const [ann, bob, cid] = ['ann', 'bob', 'cid'].map(() => net.connect([HOST, 8080]));
    for (const [peer, name] of [
      [ann, 'ann'],
      [bob, 'bob'],
      [cid, 'cid'],
    ] as const) {
      peer.send(`${name}\n`);
      await peer.expect('enters lobby');
    }
    for (let i = 0; i < 5; i++) ann.send(`number ${i}\r\n`);
    const goes = net.choose(4, 'cid goes');
    [() => {}, () => cid.reset(), () => cid.close(), () => cid.send('/quit\n')][goes]();
    for (const peer of [ann, bob]) {
      const text = await peer.expect('number 4\r\n');
      assert.equal([...text.matchAll(/number (\d)/g)].map(([, n]) => n).join(''), '01234');
      if (goes !== 0 && !text.includes('cid leaves')) await peer.expect('cid leaves');
    }
    bob.send('/who\n');
    await bob.expect(goes === 0 ? /In lobby: ann, bob, cid/ : /In lobby: ann, bob\r/);
    ann.send('/quit\n');
    await ann.expect('Bye');
    assert.equal(await ann.end(), 'end');
  },

  async port_forward(net) {
    const target = net.listen(['10.0.0.1', 80]);
    new PortForward(HOST, 8080, ['10.0.0.1', 80]).log = () => {};
    const up = 'u'.repeat(of(net, 'up', [10, 2000, 9000]));
    const down = 'd'.repeat(of(net, 'down', [10, 2000, 9000]));
    const client = net.connect([HOST, 8080]).send(up);
    const server = await target.accept();
    server.send(down);
    switch (net.choose(4, 'who ends it')) {
      case 0:
        client.half_close();
        assert.equal(await server.end(), 'end');
        server.half_close();
        assert.equal(await client.end(), 'end');
        assert.deepEqual([server.text, client.text], [up, down]);
        break;
      case 1:
        server.half_close();
        assert.equal(await client.end(), 'end');
        client.half_close();
        assert.equal(await server.end(), 'end');
        assert.deepEqual([server.text, client.text], [up, down]);
        break;
      case 2:
        await client.expect(down);
        client.reset();
        assert.notEqual(await server.end(), 'end');
        break;
      default:
        await server.expect(up);
        server.reset();
        assert.notEqual(await client.end(), 'end');
    }
    client.close();
    server.close();
    await net.settle(100);
    assert.deepEqual(
      net.open().filter((name) => name !== 'queue'),
      ['PortForward :8080'],
    );
  },

  async store_server(net) {
    new StoreServer(HOST, 8081);
    const thing = 'q\r\nuit'.repeat(50);
    const peer = net
      .connect([HOST, 8081])
      .send(`put a ${thing.length}\r\n${thing}put b 0\nget a\nget c\nbad\nget b\r\nquit\n`);
    assert.equal(await peer.end(), 'end');
    assert.equal(peer.text, `kept\r\nkept\r\n${thing.length}\r\n${thing}none\r\nwhat?\r\n0\r\n`);
  },

  async http_client(net) {
    const listener = net.listen([HOST, 80]);
    const output = new PassThrough({ highWaterMark: 100 });
    let got = '';
    output.on('data', (data) => {
      got += data;
    });
    const client = new HTTPClient(HOST, '/x', 80, output);
    const server = await listener.accept();
    await server.expect('\r\n\r\n');
    const answer = `HTTP/1.0 200 OK\r\n\r\n${'b'.repeat(500)}`;
    server.send(answer);
    const isReset = net.choose(2, 'reset') === 1;
    if (isReset) {
      await net.settle(60);
      server.reset();
    } else {
      server.close();
    }
    await net.until(() => client.fileno() < 0, 'the client closes');
    if (isReset) assert.match(String(client.error), /reset/);
    else assert.deepEqual([client.error, got], [null, answer]);
  },

  async http_download(net) {
    const file = join(folder, 'download');
    rmSync(file, { force: true });
    const listener = net.listen([HOST, 80]);
    const client = new HTTPDownload(HOST, '/x', 80, file);
    client.log_info = () => {};
    const server = await listener.accept();
    await server.expect('\r\n\r\n');
    const chunks = ['hello ', 'w', 'orld'.repeat(30)];
    const body = chunks.join('');
    const chunked = chunks.map((chunk) => `${chunk.length.toString(16)};x=y\r\n${chunk}\r\n`);
    const kind = net.choose(4, 'answer');
    server.send(
      [
        `HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
        'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n' +
          `${chunked.join('')}0\r\nA: b\r\n\r\n`,
        `HTTP/1.1 200 OK\r\n\r\n${body}`,
        `HTTP/1.1 200 OK\r\nContent-Length: ${body.length + 1}\r\n\r\n${body}`,
      ][kind],
    );
    if (kind !== 0) server.close();
    await net.until(() => client.fileno() < 0, 'the client closes');
    if (kind < 3) assert.equal(client.error, null);
    else assert.match(String(client.error), /closed after/);
    assert.equal(readFileSync(file, 'latin1'), body);
  },

  async http_server(net) {
    writeFileSync(join(folder, 'page.txt'), 'a page\n'.repeat(100));
    new HTTPServer(HOST, 80, folder, 30, true);
    const peer = net
      .connect([HOST, 80])
      .send('GET /page.txt HTTP/1.1\r\nHost: a\r\n\r\nGET /none HTTP/1.1\r\nHost: a\r\n\r\n')
      .send('GET /page.txt HTTP/1.1\r\nHost: a\r\nRange: bytes=0-5\r\nConnection: close\r\n\r\n');
    assert.equal(await peer.end(), 'end');
    const [first, second, third, ...more] = peer.text.split(/(?=HTTP\/1\.1 \d)/);
    assert.match(first, /^HTTP\/1\.1 200 [\s\S]*\r\n\r\n(a page\n){100}$/);
    assert.match(second, /^HTTP\/1\.1 404 /);
    assert.match(third, /^HTTP\/1\.1 206 [\s\S]*\r\n\r\na page$/);
    assert.deepEqual(more, []);
  },

  async public_server(net) {
    new PublicServer(HOST, 8080, 30, 2);
    const peers = [0, 1, 2, 3].map((i) => net.connect([HOST, 8080]).send(`hello ${i}\nbye\n`));
    for (const [i, peer] of peers.entries()) {
      assert.equal(await peer.end(), 'end');
      assert.equal(peer.text, `hello ${i}\nbye\n`);
    }
  },

  async graceful_shutdown(net) {
    const server = new JobServer(HOST, 8080);
    const peers = [0, 1, 2].map(() => net.connect([HOST, 8080]).send('0\nnonsense\n'));
    await net.until(() => peers.every(({ connected }) => connected), 'all are connected');
    await net.advance(of(net, 'when', [0, 0.001, 0.1, 1]));
    server.finish();
    for (const peer of peers) await peer.end();
  },

  async unix_echo(net) {
    new UnixEchoServer('@echo');
    const text = 'hello'.repeat(of(net, 'size', [1, 300]));
    const peer = net.connect('\0echo').send(text).half_close();
    assert.equal(await peer.end(), 'end');
    assert.equal(peer.text, text);
  },
};

describe('in whatever network, the promises hold of', () => {
  it.each(Object.entries(scenarios))('%s', async (_, body) => {
    const runs = Math.ceil(Number(process.env.ASYNCORE_SCHEDULES ?? 10_000) / 100);
    expect(await explore({ runs, globals: true }, body)).toBe(runs);
  });
});

it.each(['echo_server', 'store_server', 'smtp_server'])(
  '%s keeps them with every single cut, delay and order',
  async (name) => {
    expect(await explore_all({ globals: true }, scenarios[name])).toBeGreaterThan(50);
  },
);

it('udp_echo answers what arrives, and that only', () =>
  explore({ runs: 100 }, async (net) => {
    new UDPEcho(HOST, 7);
    const peer = net.datagrams();
    for (const text of ['one', 'two', 'three']) peer.send(text, [HOST, 7]);
    await net.settle();
    for (const { data } of peer.received) expect(['one', 'two', 'three']).toContain(`${data}`);
  }));

it('smtp_server lets a silent client go after five minutes', () =>
  simulate({}, async (net) => {
    new SMTPServer(HOST, 25, () => {});
    const peer = net.connect([HOST, 25]);
    await peer.expect('220');
    await net.advance(299);
    expect(peer.ended).toBe(null);
    expect(await peer.end(31)).toBe('end');
  }));
