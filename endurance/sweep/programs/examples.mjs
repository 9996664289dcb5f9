/** The HTTP and the Redis example, with clients that are sockets of Node's own. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { socket_map } from '@asyncore/core';
// The package has a command and no exports.
import { HTTPServer } from '../../../packages/examples/dist/http_server.js';
import { RedisServer } from '../../../packages/examples/dist/redis_server.js';
import { codeOf } from '../record.mjs';
import { folder } from './paths.mjs';
import { text } from './text.mjs';

function client(record, name, port, input) {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1');
    const { got } = record.conversation(name);
    let received = '';
    socket.on('connect', () => socket.write(input));
    socket.on('data', (data) => {
      received += data.toString('latin1');
      got.client = received.replace(/date: [^\r]*/gi, 'date'); // the same at any time
    });
    socket.on('error', (error) => record.tell(name, 'client', `error:${codeOf(error)}`));
    socket.on('end', () => record.tell(name, 'client', 'eof'));
    socket.on('close', () => {
      record.over(name);
      resolve();
    });
  });
}

/** Writes down what a channel of the example is told, which is no class of ours. */
function watch(record, channel, name, side) {
  const { handle_error, handle_close } = channel;
  Object.assign(channel, {
    log() {},
    log_info() {},
    handle_error(error) {
      record.tell(name, side, `error:${codeOf(error)}`);
      handle_error.call(this, error);
    },
    handle_close() {
      record.tell(name, side, 'close');
      handle_close.call(this);
    },
  });
}

async function serve(record, make, inputs) {
  record.inNode = true;
  const server = record.safely(
    () => {
      const made = make();
      record.listening.add(made.fileno());
      made.address = made.getsockname();
      return made;
    },
    'LISTENER',
    'server',
  );
  if (!server) {
    record.setup = 'no listener';
    for (const channel of [...socket_map.values()]) channel.close();
    return;
  }
  watch(record, server, 'LISTENER', 'server');
  const { handle_accepted } = server;
  let accepted = 0;
  server.handle_accepted = function (sock, address) {
    handle_accepted.call(this, sock, address);
    const channel = [...socket_map.values()].find(({ socket }) => socket === sock);
    accepted += 1;
    if (channel) watch(record, channel, `s${accepted}`, 'server');
  };
  record.listeners.add(server);
  record.expect(...Object.keys(inputs));
  const port = server.address[1];
  const clients = Object.entries(inputs).map(([name, input]) => client(record, name, port, input));
  await record.serve(socket_map);
  await Promise.all(clients);
}

const get = (path, method = 'GET') =>
  `${method} ${path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`;
const command = (...words) =>
  `*${words.length}\r\n${words.map((word) => `$${word.length}\r\n${word}\r\n`).join('')}`;

/** Of this process: headers tell when a file was written. */
let site = null;

function written() {
  const made = mkdtempSync(join(folder, 'site-'));
  writeFileSync(join(made, 'small'), 'small file');
  writeFileSync(join(made, 'big'), text('big', 150_000));
  return made;
}

export async function http(record) {
  site ??= written();
  await serve(record, () => new HTTPServer('127.0.0.1', 0, site, 5, true), {
    c0: get('/small'),
    c1: get('/big'),
    c2: `HEAD /small HTTP/1.1\r\nHost: x\r\n\r\n${get('/none')}`,
  });
}

export async function redis(record) {
  const value = 'v'.repeat(20_000);
  await serve(record, () => new RedisServer('127.0.0.1', 0), {
    c0: [command('SET', 'k', value), command('GET', 'k'), command('PING'), command('QUIT')].join(
      '',
    ),
    c1: ['PING\r\n', command('SET', 'a', '1'), command('INCR', 'a'), command('QUIT')].join(''),
  });
}
