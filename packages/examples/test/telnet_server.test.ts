import { AF_INET, MSG_OOB, SOCK_STREAM, Socket } from '@asyncore/socket';
import { beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import { Client, example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

const [IAC, DONT, DO, WONT, WILL, SB, AYT, IP, DM, SE] = [
  255, 254, 253, 252, 251, 250, 246, 244, 242, 240,
];
const [ECHO, SGA, NAWS] = [1, 3, 31];
const latin1 = (...bytes: number[]) => Buffer.from(bytes).toString('latin1');

let port = 0;
beforeAll(async () => {
  ({ port } = await example('telnet_server'));
});

describe('negotiates', () => {
  it('offers ECHO and SGA, asks for NAWS, and refuses the rest once', async () => {
    const client = new Client(port);
    client.say(Buffer.of(IAC, DO, ECHO, IAC, DO, SGA, IAC, WILL, NAWS));
    client.say(Buffer.of(IAC, WILL, 24, IAC, DO, 5, IAC, WONT, 24, IAC, DONT, 5));
    client.say('\x04');
    const text = await client.until(/bye/);
    expect(text.startsWith(latin1(IAC, WILL, ECHO, IAC, WILL, SGA, IAC, DO, NAWS))).toBe(true);
    const [refusals] = /> (.*?)\r\nbye|> (.*)bye/s.exec(text) ?? [''];
    expect(refusals).toContain(latin1(IAC, DONT, 24, IAC, WONT, 5));
    expect(text.split(latin1(IAC, WONT)).length).toBe(2);
  });

  it('learns the size of the window, a 255 in it too, cut anywhere', async () => {
    const client = new Client(port);
    const size = Buffer.of(IAC, SB, NAWS, 0, IAC, IAC, 1, 2, IAC, SE);
    for (const byte of [...size, ...Buffer.from('size\r\0')]) {
      client.say(Buffer.of(byte));
      await new Promise((resolve) => setImmediate(resolve));
    }
    expect(await client.until(/lines/)).toContain('255 columns, 258 lines\r\n> ');
  });

  it('answers AYT, and forgets a subnegotiation without end', async () => {
    const client = new Client(port);
    client.say(Buffer.concat([Buffer.of(IAC, SB), Buffer.alloc(100_000), Buffer.of(IAC, SE)]));
    client.say(Buffer.of(IAC, AYT));
    expect(await client.until(/yes/)).toContain('[yes]');
  });
});

it('edits and runs a line', async () => {
  const client = new Client(port);
  client.say('hexx\b\x7flp\r\nnonsense\n');
  const text = await client.until(/no such/);
  expect(text).toContain('hexx\b \b\b \blp\r\ncount, size, quit; Ctrl-C interrupts\r\n> nonsense');
});

it('counts until Ctrl-C', async () => {
  const client = new Client(port);
  client.say('count\r\n');
  await client.until(/\r\n2\r\n/);
  client.say('\x03size\r\n');
  const text = await client.until(/not told/);
  expect(text).toMatch(/\d\r\n\^C\r\n> size\r\nyou have not told\r\n> $/);
});

it('throws away what was typed before a Synch, and obeys the commands in it', async () => {
  const socket = new Socket(AF_INET, SOCK_STREAM);
  onTestFinished(() => socket.close());
  socket.setblocking(true);
  socket.connect(['127.0.0.1', port]);
  socket.send(Buffer.from('count\r\n'));
  let text = '';
  const until = (fits: RegExp) => {
    while (!fits.test(text)) text += socket.recv(4096).toString('latin1');
  };
  until(/\r\n2\r\n/);
  // The client's own order: IP, then IAC and DM, the urgent byte. RFC 854
  socket.send(Buffer.of(IAC, IP, IAC));
  socket.send(Buffer.of(DM), MSG_OOB);
  socket.send(Buffer.from('size\r\n'));
  until(/not told/);
  expect(text).toMatch(/\d\r\n\^C\r\n> size\r\nyou have not told\r\n> $/);
});

it('lets a client go that types nothing', async () => {
  const { port } = await example('telnet_server', '--timeout', '0.2');
  const client = new Client(port);
  await client.until(/(?!)/);
  expect(client.closed).toBe(true);
});
