/**
 * The processor time that a channel takes to send 100 MB of a file, which is in the page cache, to a process
 * that reads it: by sendfile(2), read and sent, from a stream of Node's, and from memory.
 *
 *     node bench/files.mjs [rounds]
 */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { createReadStream, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { async_chat, file_producer, simple_producer } from '@asyncore/chat';
import { loop } from '@asyncore/core';

const SIZE = 100_000_000;

class Sender extends async_chat {
  handle_connect() {}
}

async function compare(port, rounds) {
  const folder = mkdtempSync(join(tmpdir(), 'asyncore-files-'));
  const path = join(folder, 'file');
  writeFileSync(path, Buffer.alloc(SIZE, 'a file '));
  const bytes = readFileSync(path);
  const ways = {
    'file_producer, sendfile': (sender) => sender.push_with_producer(new file_producer(path)),
    'file_producer, read and sent': (sender) => {
      sender.socket.sendfile = undefined;
      sender.push_with_producer(new file_producer(path));
    },
    'createReadStream, 64 KiB': (sender) =>
      sender.push_with_producer(createReadStream(path, { highWaterMark: 65536 })),
    'simple_producer of memory, 64 KiB': (sender) =>
      sender.push_with_producer(new simple_producer(bytes, 65536)),
  };
  const times = Object.fromEntries(Object.keys(ways).map((name) => [name, []]));
  for (let round = -1; round < rounds; round++) {
    for (const [name, send] of Object.entries(ways)) {
      const milliseconds = await measure(port, send);
      if (round >= 0) times[name].push(milliseconds); // the first round warms up
    }
  }
  rmSync(folder, { recursive: true });
  for (const [name, all] of Object.entries(times)) {
    const sorted = all.toSorted((a, b) => a - b).map((time) => time.toFixed(1));
    console.log(`${name.padEnd(36)} ${sorted[rounds >> 1]} ms (${sorted[0]} to ${sorted.at(-1)})`);
  }
}

async function measure(port, send) {
  const map = new Map();
  const sender = new Sender(null, map);
  sender.create_socket();
  sender.connect(['127.0.0.1', port]);
  await loop({ map, count: 3, timeout: 0.1 });
  const start = process.cpuUsage();
  send(sender);
  sender.close_when_done();
  await loop({ map });
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}

if (process.argv[2] === 'reader') {
  const reader = createServer((socket) => socket.resume()).listen(0, '127.0.0.1', () =>
    process.send(reader.address().port),
  );
} else {
  const reader = fork(import.meta.filename, ['reader']);
  const [port] = await once(reader, 'message');
  await compare(port, Number(process.argv[2] ?? 5));
  reader.kill();
}
