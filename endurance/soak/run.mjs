/**
 * A soak: mixed load with churn on every poller, in rounds. After each all must be back where it was
 * after the first, which has warmed up what is kept on purpose: descriptors, channels, timers, uv
 * handles, objects, memory. `pnpm soak [--seconds 120] [--clients 120]`
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Worker } from 'node:worker_threads';
import { close_all, loop } from '@asyncore/core';
import { leaking } from './calls.mjs';
import { clients } from './clients.mjs';
import { collect, counts, memory } from './counts.mjs';
import { serve } from './servers.mjs';

const ROUNDS = 6;
/** What may grow although nothing leaks: the allocators' own room, compiled code. */
const ALLOWED = { rss: 32 << 20, heapUsed: 2 << 20, arrayBuffers: 1 << 20, external: 2 << 20 };

const { values } = parseArgs({
  options: {
    seconds: { type: 'string', default: '120' },
    clients: { type: 'string', default: '120' },
  },
});
const seconds = Number(values.seconds);
if (!(seconds > 0)) throw new Error('--seconds must be a number above 0');

let failures = 0;

function failed(what) {
  failures += 1;
  console.error(`FAILED: ${what}`);
}

for (const name of await leaking()) failed(`each call of ${name} keeps memory`);

/** An integer from 0 to below `n`. */
const random = (n) => Math.floor(Math.random() * n);

const folder = mkdtempSync(join(tmpdir(), 'asyncore-soak'));
const sites = [false, true, undefined].map((use_poll, i) => {
  const site = serve(new Map(), join(folder, String(i)));
  return { ...site, use_poll, done: loop({ use_poll, map: site.map }) };
});
const maps = sites.map(({ map }) => map);
const idle = maps.map(({ size }) => size);
const names = Object.keys(clients);
const done = Object.fromEntries(names.map((name) => [name, 0]));

/** One client after the other. */
async function user(site, end) {
  while (performance.now() < end && failures < 10) {
    const name = names[random(names.length)];
    try {
      await clients[name](site, random);
      done[name] += 1;
    } catch (error) {
      failed(`${name}, use_poll ${site.use_poll}: ${error.stack}`);
    }
  }
}

/** Threads with a loop and channels of every kind, ended in the midst of it. */
async function worker(end) {
  const script = new URL('worker.mjs', import.meta.url);
  while (performance.now() < end && failures < 10) {
    const death = ['terminated', 'exit', 'throw'][random(3)];
    const { use_poll } = sites[random(3)];
    const thread = new Worker(script, { workerData: { use_poll, death }, stderr: true });
    const exited = new Promise((resolve) => thread.once('exit', resolve));
    thread.on('error', ({ message }) => message === 'asked for' || failed(`worker: ${message}`));
    await new Promise((begun) => thread.once('message', begun));
    if (death === 'terminated') await thread.terminate();
    await exited;
    done[`worker ${death}`] = (done[`worker ${death}`] ?? 0) + 1;
  }
}

/** The servers notice in their own time that their clients are gone. */
async function quiet() {
  const end = performance.now() + 5000;
  const busy = () => maps.some(({ size }, i) => size !== idle[i]);
  while (busy() && performance.now() < end) await new Promise((resolve) => setTimeout(resolve, 20));
  await new Promise((resolve) => setTimeout(resolve, 100));
  await collect();
}

async function round(length) {
  const end = performance.now() + length * 1000;
  const users = Array.from({ length: Number(values.clients) }, (_, i) => user(sites[i % 3], end));
  await Promise.all([...users, worker(end)]);
  await quiet();
  return { counts: counts(maps), memory: memory() };
}

const MiB = (bytes) => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

console.log(`${seconds} seconds, ${values.clients} clients`);
const rounds = [];
for (let i = 0; i < ROUNDS && (i === 0 || failures === 0); i++) {
  rounds.push(await round(seconds / ROUNDS));
  const { memory, counts } = rounds[i];
  const sizes = Object.entries(memory).map(([name, bytes]) => `${name} ${MiB(bytes)}`);
  console.log(`round ${i + 1}: ${sizes.join(', ')}, ${counts.descriptors} descriptors`);
}

const [first] = rounds;
const last = rounds[rounds.length - 1];
for (const name of new Set(rounds.flatMap(({ counts }) => Object.keys(counts)))) {
  const [before, after] = [first, last].map(({ counts }) => counts[name] ?? 0);
  console.log(`${name}: ${before}, at the end ${after}`);
  if (after !== before) failed(`${name} were ${before} and are ${after}`);
}
for (const [name, allowed] of Object.entries(ALLOWED)) {
  const growth = last.memory[name] - first.memory[name];
  if (growth > allowed) failed(`${name} has grown by ${MiB(growth)}`);
}
for (const [name, count] of Object.entries(done)) if (count === 0) failed(`${name}: never done`);
console.log(
  Object.entries(done)
    .map(([name, count]) => `${name} ${count}`)
    .join(', '),
);

for (const map of maps) close_all(map);
await Promise.all(sites.map((site) => site.done));
rmSync(folder, { recursive: true });
console.log(failures === 0 ? 'all is back where it was' : `${failures} failures`);
process.exitCode = failures === 0 ? 0 : 1;
// With everything closed nothing may keep the process.
setTimeout(() => {
  console.error('FAILED: the process does not end by itself');
  process.exit(1);
}, 5000).unref();
