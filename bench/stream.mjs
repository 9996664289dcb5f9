/**
 * The processor time that an HTTP request takes over @asyncore/stream, and over node:net: client and server
 * in one process, 50 connections with keep-alive.
 *
 *     node bench/stream.mjs [requests]
 */
import http from 'node:http';
import { stream_server } from '@asyncore/stream';

const requests = Number(process.argv[2] ?? 50_000);
const answer = (_, response) => response.end('hello');

function ours() {
  const server = new stream_server(http.createServer(answer));
  server.create_server(['127.0.0.1', 0]);
  return [server.getsockname()[1], () => server.close()];
}

async function theirs() {
  const server = http.createServer(answer).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  return [server.address().port, () => server.close()];
}

async function measure(port) {
  const agent = new http.Agent({ keepAlive: true, maxSockets: 50 });
  const one = () =>
    new Promise((resolve, reject) => {
      http
        .get({ port, agent }, (response) => response.resume().on('end', resolve))
        .on('error', reject);
    });
  const start = process.cpuUsage();
  for (let i = 0; i < requests; i += 50) await Promise.all(Array.from({ length: 50 }, one));
  const { user, system } = process.cpuUsage(start);
  agent.destroy();
  return (user + system) / requests;
}

for (const round of [1, 2, 3]) {
  for (const [name, make] of [
    ['@asyncore/stream', ours],
    ['node:net', theirs],
  ]) {
    const [port, close] = await make();
    console.log(`${round} ${name}: ${(await measure(port)).toFixed(1)} µs a request, both ends`);
    close();
  }
}
