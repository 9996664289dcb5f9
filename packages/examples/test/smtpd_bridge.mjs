/**
 * The end of the bridge at which our classes are: what smtpd_bridge.py writes, a line of JSON each, is done
 * and answered. Everything is synchronous, as there. Within a call this may call back.
 */
import { readSync, writeSync } from 'node:fs';
import { read } from '@asyncore/core';
import { smtpd } from '@asyncore/examples';
import { Socket, socketpair } from '@asyncore/socket';

let buffered = '';

function receive() {
  const piece = Buffer.alloc(65536);
  for (;;) {
    const end = buffered.indexOf('\n');
    if (end >= 0) {
      const line = buffered.slice(0, end);
      buffered = buffered.slice(end + 1);
      return decoded(JSON.parse(line));
    }
    const length = readSync(0, piece);
    if (length === 0) process.exit();
    buffered += piece.toString('latin1', 0, length); // all is ASCII
  }
}

function send(message) {
  const text = `${JSON.stringify(encoded(message))}\n`;
  writeSync(
    1,
    text.replaceAll(/[^\0-~]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`),
  );
}

/** Bytes are { bytes: hexadecimal }. */
function encoded(value) {
  if (value instanceof Uint8Array) return { bytes: Buffer.from(value).toString('hex') };
  if (Array.isArray(value)) return value.map(encoded);
  if (value === undefined) return null;
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, encoded(each)]));
}

function decoded(value) {
  if (Array.isArray(value)) return value.map(decoded);
  if (typeof value !== 'object' || value === null) return value;
  if (typeof value.bytes === 'string') return Buffer.from(value.bytes, 'hex');
  return Object.fromEntries(Object.entries(value).map(([key, each]) => [key, decoded(each)]));
}

/** An error of Python's, on its way through. */
class Raised extends Error {}

/** Calls that came while an answer was waited for. */
const calls = [];

function callBack(id, method, ...args) {
  send({ callback: [id, method, ...args] });
  let answer = receive();
  for (; Array.isArray(answer); answer = receive()) calls.push(answer);
  if (answer.raised) throw new Raised();
  return answer.result;
}

/** The class of that name, whose methods that `overridden` names are those at the other end. */
function withOverrides(name, id, overridden) {
  const Base = smtpd[name];
  class Server extends Base {}
  for (const method of overridden) {
    Server.prototype[method] = (...args) => callBack(id, method, ...args);
  }
  Server.prototype.print = (line) => callBack(id, 'print', line);
  return Server;
}

const things = new Map();

const does = {
  server(id, name, overridden, local, remote, options) {
    const Server = withOverrides(name, id, overridden);
    things.set(id, { channel: new Server(local, remote, options) });
  },

  channel(id, server, peer, fqdn, options) {
    const [conn, client] = socketpair();
    client.setblocking(false);
    const known = things.get(server);
    const channel = new smtpd.SMTPChannel(known.channel, conn, peer, options);
    channel.fqdn = fqdn;
    things.set(id, { channel, client });
    return answers(client);
  },

  /** What came is read as by a loop, but that what a handler throws is thrown here; gives what is answered. */
  read(id, data) {
    const { channel, client } = things.get(id);
    channel.recv = () => data;
    channel.handle_read();
    return answers(client);
  },

  /** A client connects, and is accepted. */
  accept(id) {
    const { channel } = things.get(id);
    const client = new Socket(channel.socket.family);
    client.setblocking(true);
    client.connect(channel.getsockname());
    const before = channel._map.size;
    read(channel);
    const accepted = channel._map.size - before;
    client.close();
    return accepted;
  },

  get: (id, name) => things.get(id).channel[name],
  set(id, name, value) {
    things.get(id).channel[name] = value;
  },
  family: (id) => things.get(id).channel.socket.family,
};

/** Nobody waits for that. */
function close(id) {
  const thing = things.get(id);
  things.delete(id);
  thing?.channel.close();
  thing?.client?.close();
}

function answers(client) {
  try {
    return client.recv(1 << 20);
  } catch (error) {
    if (error.code !== 'EAGAIN') throw error;
    return Buffer.alloc(0);
  }
}

for (;;) {
  const [what, ...args] = calls.shift() ?? receive();
  if (what === 'close') {
    close(...args);
    continue;
  }
  try {
    send({ result: does[what](...args) });
  } catch (error) {
    if (error instanceof Raised) send({ raised: true });
    else send({ error: [error.constructor.name, error.message] });
  }
}
