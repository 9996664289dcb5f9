/**
 * Redis's own benchmark on this repository's redis_server and on servers of the same protocol:
 *
 *     node bench/redis/run.mjs [--rounds 7] [--requests 1000000] [--pipeline 16]
 *
 * Each server has processor 0 to itself in its turn, redis-benchmark processor 1. The table shows
 * medians, with the least and the most: thousands of requests per second, and the server's processor
 * time for each. Needs Linux, taskset, redis-benchmark; a server that is not installed is left out.
 */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const number = (value) => ({ type: 'string', default: String(value) });
const { values } = parseArgs({
  options: { rounds: number(7), requests: number(1_000_000), pipeline: number(16) },
});
const [rounds, requests, pipeline] = [values.rounds, values.requests, values.pipeline].map(Number);

const file = (path) => fileURLToPath(new URL(path, import.meta.url));
const example = file('../../packages/examples/dist/main.js');
/** The share of the requests that each server gets: slow ones need not take minutes. */
const servers = [
  ['asyncore', 1, (port) => ['node', example, 'redis_server', '--port', port]],
  ['node:net', 1, (port) => ['node', file('node_net.mjs'), port]],
  ['asynchat', 0.1, (port) => ['python3', '-W', 'ignore', file('asynchat_server.py'), port]],
  ['redis-server', 1, (port) => ['redis-server', '--save', '', '--port', port]],
];

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return String(port);
}

async function listens(port, child) {
  while (child.exitCode === null) {
    const socket = connect(port, '127.0.0.1');
    const found = await once(socket, 'connect').then(
      () => true,
      () => false,
    );
    socket.destroy();
    if (found) return true;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  return false;
}

async function start([name, share, command]) {
  const port = await freePort();
  const child = spawn('taskset', ['-c', '0', ...command(port)], { stdio: 'ignore' });
  return (await listens(port, child)) ? { name, share, port, child, results: [] } : null;
}

/** Processor time of a process so far, in microseconds, on systems whose clock ticks at 100 Hz. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1].split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function measure({ port, share, child }) {
  const count = Math.round(requests * share);
  const before = cpu(child.pid);
  const load = ['-P', String(pipeline), '-c', '50', '-t', 'set,get', '-n', String(count)];
  const lines = execFileSync(
    'taskset',
    ['-c', '1', 'redis-benchmark', '--csv', '-p', port, ...load],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] },
  );
  const [set, get] = ['SET', 'GET'].map((test) => {
    return Number(new RegExp(`^"${test}","([\\d.]+)"`, 'm').exec(lines)[1]) / 1000;
  });
  return { set, get, cpu: (cpu(child.pid) - before) / (2 * count) };
}

function shown(numbers, digits) {
  const sorted = numbers.toSorted((a, b) => a - b);
  const [least, median, most] = [sorted[0], sorted[sorted.length >> 1], sorted.at(-1)];
  return `${median.toFixed(digits)} (${least.toFixed(digits)}–${most.toFixed(digits)})`;
}

if (spawnSync('redis-benchmark', ['--version']).error) {
  throw new Error('redis-benchmark is not installed: apt-get install redis-tools');
}
const running = (await Promise.all(servers.map(start))).filter((server) => server !== null);
for (let round = 0; round < rounds; round++) {
  for (const server of running) server.results.push(measure(server));
}
for (const { child } of running) child.kill();

console.log(`| -P ${pipeline} -c 50, ${rounds} rounds | SET, k/s | GET, k/s | CPU, µs |`);
console.log('|---|---|---|---|');
for (const { name, results } of running) {
  const column = (key, digits) =>
    shown(
      results.map((result) => result[key]),
      digits,
    );
  console.log(`| ${name} | ${column('set', 0)} | ${column('get', 0)} | ${column('cpu', 2)} |`);
}
