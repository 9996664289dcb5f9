/**
 * SET and GET over node:net, written by hand for speed: requests are parsed where they lie, and the
 * answers to one chunk of input are written at once.
 */
import { createServer } from 'node:net';
import { listening } from './listening.mjs';

const [CR, LF, STAR, DOLLAR] = Buffer.from('\r\n*$');
const values = new Map();

class Client {
  #socket;
  /** Input that is not a whole request yet, and how long it must be to be worth another look. */
  #chunks = [];
  #length = 0;
  #needed = 0;
  /** Where the parser is. */
  #at = 0;
  #answers = '';

  constructor(socket) {
    this.#socket = socket;
    socket.setNoDelay();
    socket.on('data', (chunk) => this.#read(chunk));
    socket.on('error', () => socket.destroy());
  }

  #read(chunk) {
    this.#chunks.push(chunk);
    this.#length += chunk.length;
    if (this.#length < this.#needed) return;
    const input = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks);
    const end = this.#parse(input);
    this.#chunks = end === input.length ? [] : [input.subarray(end)];
    this.#length = input.length - end;
    if (this.#answers === '') return;
    this.#socket.write(this.#answers, 'latin1');
    this.#answers = '';
  }

  /** Executes the requests that are whole, and gives the place behind them. */
  #parse(input) {
    let start = 0;
    for (;;) {
      this.#at = start;
      this.#needed = 0;
      const args = this.#request(input);
      if (args === null) break;
      this.#execute(args);
      start = this.#at;
    }
    if (this.#needed > 0) this.#needed -= start;
    return start;
  }

  /** The request at `#at`, null if it is not whole. */
  #request(input) {
    const count = this.#number(input, STAR);
    if (count < 0) return null;
    const args = [];
    for (let i = 0; i < count; i++) {
      const length = this.#number(input, DOLLAR);
      if (length < 0) return null;
      const end = this.#at + length;
      this.#needed = end + 2;
      if (this.#needed > input.length) return null;
      args.push(input.toString('latin1', this.#at, end));
      this.#at = end + 2;
    }
    return args;
  }

  #number(input, type) {
    if (this.#at < input.length && input[this.#at] !== type) {
      this.#socket.destroy(new Error('protocol error'));
      return -1;
    }
    let number = 0;
    for (let at = this.#at + 1; at < input.length; at++) {
      const byte = input[at];
      if (byte === LF) {
        this.#at = at + 1;
        return number;
      }
      if (byte !== CR) number = number * 10 + byte - 48;
    }
    return -1;
  }

  #execute([name, key, value]) {
    switch (name) {
      case 'SET':
        values.set(key, value);
        this.#answers += '+OK\r\n';
        break;
      case 'GET':
        this.#answers += bulk(values.get(key));
        break;
      case 'CONFIG': // redis-benchmark asks for it
        this.#answers += '*2\r\n$4\r\nsave\r\n$0\r\n\r\n';
        break;
      default:
        this.#answers += `-ERR unknown command '${name}'\r\n`;
    }
  }
}

function bulk(value) {
  return value === undefined ? '$-1\r\n' : `$${value.length}\r\n${value}\r\n`;
}

const server = createServer((socket) => new Client(socket));
server.listen(0, '127.0.0.1', 4096, () => listening(server.address().port));
