import { once } from 'node:events';
import { get } from 'node:http';
import { beforeAll, expect, it, onTestFinished, vi } from 'vitest';
import { WebSocket } from 'ws';
import { example } from './service.js';

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 });

let port = 0;
beforeAll(async () => {
  ({ port } = await example('websocket_server'));
});

async function member(): Promise<WebSocket> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}`);
  onTestFinished(() => socket.terminate());
  await once(socket, 'open');
  return socket;
}

it('passes on what one says to all others, text as text and bytes as bytes', async () => {
  const [speaker, ...listeners] = await Promise.all([member(), member(), member()]);
  const echoed = vi.fn();
  speaker.on('message', echoed);
  for (const message of ['grüß Gott', Buffer.of(0, 255)]) {
    const heard = Promise.all(listeners.map((each) => once(each, 'message')));
    speaker.send(message);
    for (const [data, isBinary] of await heard) {
      expect([data, isBinary]).toEqual([Buffer.from(message), typeof message !== 'string']);
    }
  }
  expect(echoed).not.toHaveBeenCalled();
});

it('closes on a message that is too long, with the code for it', async () => {
  const socket = await member();
  socket.send('x'.repeat(5000));
  expect((await once(socket, 'close'))[0]).toBe(1009);
});

it('lets one go that does not read, and nobody waits for it', async () => {
  const [speaker, listener, sleeper] = await Promise.all([member(), member(), member()]);
  // @ts-expect-error: ws keeps its socket to itself
  sleeper._socket.pause();
  const message = 'x'.repeat(4000);
  let heard = 0;
  listener.on('message', () => {
    heard += 1;
  });
  let sent = 0;
  const gone = vi.fn();
  sleeper.on('close', gone);
  // As much as kernels take for one that does not read, and a megabyte more.
  while (sent < 5000) {
    for (let i = 0; i < 100; i++) speaker.send(message);
    sent += 100;
    await expect.poll(() => heard, { timeout: 20_000 }).toBe(sent);
  }
  // @ts-expect-error: see above
  sleeper._socket.resume();
  await expect.poll(() => gone.mock.calls.length, { timeout: 20_000 }).toBe(1);
});

it('tells a browser that this is no page', async () => {
  const [response] = await once(get({ port, host: '127.0.0.1' }), 'response');
  expect([response.statusCode, response.headers.upgrade]).toEqual([426, 'websocket']);
  response.resume();
});
