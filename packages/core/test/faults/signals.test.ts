/** Signals that come while the loop waits. */
import { once } from 'node:events';
import { dispatcher_with_send, poll, poll2 } from '@asyncore/core';
import { Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import { connection, onEveryPoller, own, patient, Recorder, Stage } from '../support.js';
import { Program } from './programs.js';

const hello = Buffer.from('hello');

/** A process that sends SIGUSR2 to this one, over and over. */
async function rain(): Promise<Program> {
  const program = new Program(
    `console.log('rain');
    for (;;) process.kill(${process.pid}, 'SIGUSR2');`,
  );
  await program.line();
  return program;
}

/** Counts SIGUSR2. */
function drops(): () => number {
  let count = 0;
  const drop = () => {
    count += 1;
  };
  process.on('SIGUSR2', drop);
  own({ close: () => process.off('SIGUSR2', drop) });
  return () => count;
}

onEveryPoller((use_poll) => {
  it('a rain of signals keeps nothing from being served, in order', async () => {
    const stage = new Stage(use_poll);
    const fallen = drops();
    const [ours, theirs] = connection();
    const chunks: Buffer[] = [];
    const reader = new Recorder(stage, ours);
    const writer = new dispatcher_with_send(theirs, stage.map);
    reader.handle_read = () => {
      const data = reader.recv(4096);
      chunks.push(data);
      if (data.length > 0) stage.say('read');
    };
    const data = Buffer.from(Array.from({ length: 4 << 20 }, (_, i) => i % 251));
    await rain();
    writer.send(data);
    setImmediate(() => stage.say('begun'));
    await stage.until(() => writer.out_buffer.length === 0);
    writer.close();
    await stage.until('close');
    expect(Buffer.concat(chunks).equals(data)).toBe(true);
    expect(fallen()).toBeGreaterThan(0);
    expect(stage.trace.filter((line) => line !== 'read')).toEqual(['begun', 'close']);
  });

  it('a pass in a rain of signals lasts as long as it may, and no longer', async () => {
    const stage = new Stage(use_poll);
    const fallen = drops();
    new Recorder(stage, connection()[0]);
    await rain();
    const start = performance.now();
    await stage.loop({ timeout: 0.2, count: 1 });
    expect(performance.now() - start).toBeGreaterThan(195);
    expect(performance.now() - start).toBeLessThan(2000);
    expect(fallen()).toBeGreaterThan(0);
  });

  it('what a signal handler sends goes out, and what it closes is closed, at once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const channel = new dispatcher_with_send(ours, stage.map);
    process.once('SIGUSR2', () => {
      channel.send(hello);
      channel.close();
    });
    const start = performance.now();
    setTimeout(() => process.kill(process.pid, 'SIGUSR2'));
    await stage.loop(); // its map is empty then
    expect(performance.now() - start).toBeLessThan(5000);
    expect(theirs.recv(10)).toEqual(hello);
    expect(theirs.recv(10).length).toBe(0);
  });

  it('a process stopped and continued serves on', async () => {
    const program = new Program(`
      import { dispatcher, dispatcher_with_send, loop } from '@asyncore/core';
      const server = new dispatcher();
      server.create_socket();
      server.bind(['127.0.0.1', 0]);
      server.listen();
      server.handle_accepted = (sock) => {
        const echo = new dispatcher_with_send(sock);
        echo.handle_read = () => echo.send(echo.recv(100));
      };
      console.log(server.getsockname()[1]);
      await loop({ use_poll: ${use_poll} });`);
    const port = Number(await program.line());
    const client = patient(own(new Socket()));
    client.connect(['127.0.0.1', port]);
    for (let i = 0; i < 3; i++) {
      program.kill('SIGSTOP');
      client.send(hello);
      program.kill('SIGCONT');
      expect(client.recv(10)).toEqual(hello);
    }
  });
});

it.each([
  ['poll', poll],
  ['poll2', poll2],
])('a blocking %s is neither ended nor made longer by signals', async (_, pass) => {
  const stage = new Stage();
  const fallen = drops();
  new Recorder(stage, connection()[0]);
  await rain();
  const start = performance.now();
  pass(0.2, stage.map);
  const took = performance.now() - start;
  await once(process, 'SIGUSR2');
  expect(took).toBeGreaterThan(195);
  expect(took).toBeLessThan(2000);
  expect(fallen()).toBeGreaterThan(0);
});
