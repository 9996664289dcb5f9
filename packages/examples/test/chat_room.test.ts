import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { beforeAll, describe, expect, it, onTestFinished, type TestContext, vi } from 'vitest';
import { ended, run, start, unusedPort } from './example.js';
import { printing } from './printing.js';
import { Client, example, frugalExample, has, need, service } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

/** Somebody who has said their name, and is in a room. */
async function person(port: number, name: string, room = 'lobby'): Promise<Client> {
  const client = new Client(port);
  client.say(`${name}\n`);
  if (room !== 'lobby') client.say(`/join ${room}\n`);
  await client.until(new RegExp(`${name} enters ${room}`));
  return client;
}

/** What came after the person was in the room. */
function since(client: Client): string {
  return client.text.replace(/^.* enters \S+\r\n/s, '');
}

describe('one server', () => {
  let port = 0;

  beforeAll(async () => {
    ({ port } = await example('chat_room'));
  });

  it('asks for a name, and tells everybody in the room who comes and goes', async () => {
    const ann = new Client(port);
    expect(await ann.until(/\?\r\n/)).toBe('What is your name?\r\n');
    ann.say('ann\n');
    await ann.until(/\* ann enters lobby\r\n/);
    const bob = await person(port, 'bob');
    await ann.until(/\* bob enters lobby\r\n/);
    bob.socket.end();
    await ann.until(/\* bob leaves lobby\r\n/);
  });

  it('tells a line to everybody in the room, and nobody else', async () => {
    const [ann, bob, eve] = [
      await person(port, 'ann1', 'garden'),
      await person(port, 'bob1', 'garden'),
      await person(port, 'eve1', 'cellar'),
    ];
    ann.say('hello\r\n');
    bob.say('hi\n');
    await ann.until(/bob1: hi\r\n/);
    await bob.until(/bob1: hi\r\n/);
    expect(since(bob)).toBe('ann1: hello\r\nbob1: hi\r\n');
    eve.say('alone\n');
    await eve.until(/alone/);
    expect(since(eve)).toBe('eve1: alone\r\n');
  });

  it('knows /join, /rooms and /who', async () => {
    const ann = await person(port, 'ann2', 'attic');
    const bob = await person(port, 'bob2', 'attic');
    ann.say('/who\n/join hall\n/rooms\n/who\n/what\n');
    await ann.until(/Commands/);
    expect(ann.text).toContain('* In attic: ann2, bob2\r\n* ann2 enters hall\r\n');
    expect(ann.text).toMatch(/\* Rooms: attic, .*hall.*\r\n\* In hall: ann2\r\n/);
    await bob.until(/\* ann2 leaves attic\r\n/);
  });

  it('lets go who says /quit, with whatever else they say unheard', async () => {
    const ann = await person(port, 'ann3', 'yard');
    const bob = await person(port, 'bob3', 'yard');
    bob.say('/quit\nwait!\n');
    expect(await bob.until(/(?!)/)).toMatch(/\* Bye\r\n$/);
    await ann.until(/bob3 leaves yard\r\n/);
    ann.say('peace\n');
    await ann.until(/peace/);
    expect(ann.text).not.toContain('wait!');
    const nobody = new Client(port);
    nobody.say('/quit\n');
    expect(await nobody.until(/(?!)/)).toBe('What is your name?\r\n* Bye\r\n');
  });

  it.each(['Ann4', 'ＡＮＮ４', ' ann4 '])(
    'lets nobody take the name of another: %j',
    async (name) => {
      await person(port, 'ann4', 'porch');
      const other = new Client(port);
      other.say(Buffer.from(`${name}\n`));
      await other.until(/is somebody else/);
    },
  );

  it.each(['two words', '/join', '*', 'x'.repeat(21), '\x1b[31m'])(
    'refuses the name %j',
    async (name) => {
      const client = new Client(port);
      client.say(`${name}\nann5-${name.length}\n`);
      expect(await client.until(/enters/)).toContain('* A name is up to 20');
    },
  );

  it('lets through what people write, in any language', async () => {
    const client = await person(port, 'zoe');
    client.say(Buffer.from('naïve — 日本語 👩‍👩‍👧 مرحبا\n'));
    await client.until(/zoe: .*\r\n/);
    expect(Buffer.from(since(client), 'latin1').toString()).toBe(
      'zoe: naïve — 日本語 👩‍👩‍👧 مرحبا\r\n',
    );
  });

  it.each([
    ['\x1b[2Jred\x1b[0m', '[2Jred[0m'],
    ['a\rb\0c\x07d\x7fe', 'abcde'],
    ['tab\there', 'tab here'],
    [Buffer.from('c1\u009b31m and \u2028 and \u202eold'), 'c131m and  and old'],
    [Buffer.from([0x68, 0xff, 0xfb, 0x01, 0x69, 0xff, 0xf4, 0xff, 0xfd, 0x06]), 'hi'],
  ])('keeps control characters from others: %j', async (said, heard) => {
    const client = await person(port, `c${Math.random().toString(36).slice(2)}`, 'quiet');
    client.say(Buffer.concat([Buffer.from(said as string), Buffer.from('\n')]));
    client.say('that is all\n');
    await client.until(/that is all/);
    expect(since(client)).toMatch(/^\S+: .*\r\n\S+: that is all\r\n$/);
    expect(since(client).split(/\S+: |\r\n/)[1]).toBe(heard);
  });

  it('lets nobody say a line that looks like the server’s or another’s', async () => {
    const client = await person(port, 'forger');
    client.say(Buffer.from('* bob leaves lobby\nx\rbob: hello\nx\u2028bob: hello\n'));
    await client.until(/(.*bob.*\r\n){3}/);
    expect(since(client)).toBe(
      'forger: * bob leaves lobby\r\nforger: xbob: hello\r\nforger: xbob: hello\r\n',
    );
  });

  it('refuses a line that is too long, keeps nothing of it, and goes on', async () => {
    const client = await person(port, 'long');
    client.say(`${'x'.repeat(5_000_000)}\nshort\n`);
    await client.until(/short/);
    expect(since(client)).toBe('* A line has at most 1000 bytes\r\nlong: short\r\n');
  });

  it('says nothing of empty lines', async () => {
    const client = await person(port, 'terse');
    client.say('\n\r\n \nword\n');
    await client.until(/word/);
    expect(since(client)).toBe('terse: word\r\n');
  });

  it('talks with nc', (context) => {
    context.skip(!has('nc', '-h'), 'needs nc: apt-get install netcat-openbsd');
    const input = 'netcat\nhello\n/quit\n';
    const { stdout } = spawnSync('nc', ['127.0.0.1', `${port}`], { input, encoding: 'utf8' });
    expect(stdout).toMatch(/netcat enters lobby\r\nnetcat: hello\r\n\* Bye\r\n$/);
  });

  it('talks with telnet', async (context) => {
    need(context, 'telnet', 'telnet');
    const telnet = spawn('telnet', ['127.0.0.1', `${port}`]);
    const until = printing(telnet);
    await until('What is your name?');
    telnet.stdin.write('telly\nhello\n');
    await until('telly: hello');
    telnet.stdin.write('/quit\n');
    await until('* Bye');
    await once(telnet, 'close');
  });
});

/** The most memory that a process has had so far, in bytes. */
function peak(pid = 0): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

it('makes nobody wait for one who does not read, who misses lines and is told so', async (context) => {
  context.skip(!existsSync('/proc/self/status'), 'needs Linux: /proc/PID/status tells the memory');
  const { port, child } = await frugalExample('chat_room');
  const [slow, ann] = [await person(port, 'slow'), await person(port, 'ann')];
  const before = peak(child.pid);
  slow.socket.pause();
  const line = 'x'.repeat(900);
  for (let i = 0; i < 100; i++) {
    ann.text = '';
    ann.say(`${line}\n`.repeat(1000));
    ann.say(`that was ${i}\n`);
    await ann.until(new RegExp(`that was ${i}\r\n`));
  }
  expect(peak(child.pid) - before).toBeLessThan(48 * 1024 * 1024); // of 90 MB that were said
  slow.socket.resume();
  const missed = () => slow.text.matchAll(/too slowly and missed (\d+) lines\r\n/g);
  const counted = () => {
    const heard = slow.text.split(/ann: [xt].*\r\n/).length - 1;
    return [...missed()].reduce((sum, [, count]) => sum + Number(count), heard);
  };
  await expect.poll(counted, { timeout: 30_000 }).toBe(100_100);
  expect([...missed()].length).toBeGreaterThan(0);
  ann.say('hello again\n');
  await slow.until(/ann: hello again\r\n$/);
});

it('takes nobody for slow who reads, however much comes at once', async () => {
  const { port } = await example('chat_room');
  const [ann, bob] = [await person(port, 'ann-with-a-long-name'), await person(port, 'bob')];
  ann.say('x\n'.repeat(20_000));
  ann.say('that is all\n');
  await bob.until(/that is all/);
  await ann.until(/that is all/);
  for (const { text } of [ann, bob]) {
    expect(text).not.toContain('missed');
    expect(text.split(': x\r\n').length).toBe(20_001);
  }
});

describe('with Redis', () => {
  const needRedis = (context: TestContext) => need(context, 'redis-server', 'redis-server');

  /** Debian's redis-server. */
  async function redisOn(port: number, ...args: string[]): Promise<ChildProcess> {
    const dir = mkdtempSync(`${tmpdir()}/chat`);
    onTestFinished(() => rmSync(dir, { recursive: true }));
    const where = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', dir, '--save', ''];
    const { child } = await service('redis-server', [...where, ...args], /Ready to accept/);
    return child;
  }

  async function gone(child: ChildProcess): Promise<void> {
    child.kill('SIGKILL');
    await once(child, 'close');
  }

  /** A Redis and so many servers that share their rooms through it. */
  async function sharing(count: number) {
    const redisPort = await unusedPort();
    const redis = await redisOn(redisPort);
    const url = `redis://127.0.0.1:${redisPort}`;
    const servers = await Promise.all(
      Array.from({ length: count }, () => example('chat_room', '--redis', url)),
    );
    return { redis, redisPort, url, servers };
  }

  /** Waits until what somebody in the room says is heard by another. */
  async function hears(listener: Client, speaker: Client): Promise<void> {
    const word = Math.random().toString(36).slice(2);
    const say = () => speaker.say(`${word}\n`);
    const again = setInterval(say, 500); // until their servers have found each other
    say();
    await listener.until(new RegExp(word));
    clearInterval(again);
  }

  it('carries what is said between two processes, in order, once', async (context) => {
    needRedis(context);
    const { servers } = await sharing(2);
    const ann = await person(servers[0].port, 'ann');
    const bob = await person(servers[1].port, 'bob');
    await hears(bob, ann);
    await hears(ann, bob);
    for (let i = 0; i < 500; i++) ann.say(`line ${i}\n`);
    await bob.until(/line 499\r\n/);
    const heard = bob.text.match(/ann: line \d+/g);
    expect(heard).toEqual(Array.from({ length: 500 }, (_, i) => `ann: line ${i}`));
    await ann.until(/line 499\r\n/);
    expect(ann.text.match(/ann: line \d+/g)?.length).toBe(500);
  });

  it('tells who is in a room, and which rooms there are, on all servers', async (context) => {
    needRedis(context);
    const { servers } = await sharing(2);
    const [here, there] = servers;
    const ann = await person(here.port, 'ann');
    const bob = await person(there.port, 'bob');
    await hears(ann, bob);
    const eve = await person(there.port, 'eve', 'cellar');
    ann.say('/who\n');
    await ann.until(/In lobby: ann\r\n(.*\r\n)*\* In lobby: bob\r\n/);
    ann.say('/rooms\n');
    await ann.until(/\* Rooms: cellar, lobby\r\n/);
    eve.say('/quit\n');
    await eve.until(/(?!)/);
    const rooms = () => {
      ann.text = '';
      ann.say('/rooms\n');
      return ann.until(/Rooms: .*\r\n/);
    };
    await expect.poll(rooms, { timeout: 30_000 }).toBe('* Rooms: lobby\r\n');
  });

  it('goes on when one of two processes is killed, and takes in its successor', async (context) => {
    needRedis(context);
    const { servers, url } = await sharing(2);
    const ann = await person(servers[0].port, 'ann');
    const al = await person(servers[0].port, 'al');
    const bob = await person(servers[1].port, 'bob');
    await hears(ann, bob);
    await gone(servers[1].child);
    await bob.until(/(?!)/);
    ann.say('still here\n');
    await al.until(/ann: still here\r\n/);
    const third = await example('chat_room', '--redis', url);
    const cat = await person(third.port, 'cat');
    await hears(cat, ann);
    await hears(ann, cat);
    ann.text = '';
    ann.say('/who\n');
    await ann.until(/In lobby: cat\r\n/);
    expect(ann.text).not.toContain('bob');
  });

  it('goes on by itself while Redis is gone, and is linked again when it is back', async (context) => {
    needRedis(context);
    const { redis, redisPort, servers } = await sharing(2);
    const ann = await person(servers[0].port, 'ann');
    const bob = await person(servers[1].port, 'bob');
    await hears(bob, ann);
    await gone(redis);
    await ann.until(/\* The other servers are out of reach\r\n/);
    await bob.until(/\* The other servers are out of reach\r\n/);
    const al = await person(servers[0].port, 'al');
    ann.say('alone\n/rooms\n/who\n');
    await al.until(/ann: alone\r\n/);
    await ann.until(/\* Rooms: lobby\r\n\* In lobby: al, ann\r\n/);
    await redisOn(redisPort);
    await ann.until(/\* The other servers share these rooms now\r\n/);
    await hears(bob, al);
    await hears(ann, bob);
    expect(bob.text).not.toContain('alone');
  });

  it('takes a Redis that does not answer for one that is gone', async (context) => {
    needRedis(context);
    const { redis, servers } = await sharing(2);
    const ann = await person(servers[0].port, 'ann');
    const bob = await person(servers[1].port, 'bob');
    await hears(bob, ann);
    redis.kill('SIGSTOP');
    await ann.until(/out of reach/);
    ann.say('is anybody there?\n');
    await ann.until(/anybody there/);
    redis.kill('SIGCONT');
    await ann.until(/share these rooms now/);
    await hears(bob, ann);
  });

  it('starts without Redis, and is linked when it comes', async (context) => {
    needRedis(context);
    const port = await unusedPort();
    const child = start('chat_room', '--port', '0', '--redis', `redis://127.0.0.1:${port}`);
    const [line] = await once(child.stdout, 'data');
    const ann = await person(Number(/:(\d+)\n/.exec(line)?.[1]), 'ann');
    const end = ended(child);
    await redisOn(port);
    await ann.until(/share these rooms now/);
    child.kill();
    const { stderr } = await end;
    expect(stderr).toBe(`log: Redis: connect ECONNREFUSED 127.0.0.1:${port}; trying again\n`);
  });

  it('logs in, and says why it cannot', async (context) => {
    needRedis(context);
    const port = await unusedPort();
    await redisOn(port, '--requirepass', 's/cret');
    const a = await example('chat_room', '--redis', `redis://:s%2Fcret@localhost:${port}`);
    const b = await example('chat_room', '--redis', `redis://default:s%2Fcret@localhost:${port}`);
    await hears(await person(a.port, 'ann'), await person(b.port, 'bob'));
    const child = start('chat_room', '--port', '0', '--redis', `redis://:wrong@127.0.0.1:${port}`);
    const [line] = await once(child.stderr, 'data');
    expect(String(line)).toMatch(/^log: Redis: WRONGPASS .*; trying again\n$/);
  });

  it('keeps control characters out that others publish', async (context) => {
    needRedis(context);
    need(context, 'redis-cli', 'redis-tools');
    const { servers, redisPort } = await sharing(1);
    const ann = await person(servers[0].port, 'ann');
    const publish = (text: string) =>
      spawnSync('redis-cli', ['-p', `${redisPort}`, 'PUBLISH', 'chat_room:say:lobby', text]);
    publish('nonsense');
    publish('');
    publish('some-id \x1b[2Jhello\r\n\n');
    await ann.until(/hello\r\n$/);
    expect(since(ann)).toBe('[2Jhello\r\n');
  });
});

it.each(['nowhere', 'http://127.0.0.1', 'redis:'])(
  'says in one line what is wrong with --redis %s',
  async (url) => {
    const { code, stderr } = await run('chat_room', '--port', '0', '--redis', url);
    expect([code, stderr]).toEqual([1, 'chat_room: --redis must be like redis://127.0.0.1:6379\n']);
  },
);
