/**
 * An HTTP client: asks a server for a page and prints the answer as it comes, or saves a file.
 *
 *     http_client [--port 80] [--output FILE] HOST [PATH]
 *     http_client --host HOST [--port 80] [--output FILE] [PATH]
 *
 * To print, it uses a dispatcher, which waits for room to write while there is something left to
 * send, and reads no faster than it can print. To save, it uses an async_chat, since it has to
 * understand the answer: a head up to '\r\n\r\n', then a known number of bytes, or chunks that each say
 * how long they are, or everything until the connection ends. A terminal shows how far it is; a pipe gets one line.
 */
import { closeSync, openSync, writeFileSync } from 'node:fs';
import type { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { AF_INET, family_of } from '@asyncore/socket';

function nameOf(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

// ---- to print ----

export class HTTPClient extends dispatcher {
  /** What went wrong, if something did. */
  error: Error | null = null;
  buffer: Buffer;
  output: Writable;
  server: string;
  received = 0;
  ended = false;

  constructor(host: string, path: string, port = 80, output: Writable = process.stdout) {
    super();
    this.server = nameOf(host, port);
    this.buffer = Buffer.from(`GET ${path} HTTP/1.0\r\nHost: ${this.server}\r\n\r\n`);
    this.output = output;
    this.create_socket(family_of(host) ?? AF_INET);
    this.connect([host, port]);
  }

  handle_connect() {}

  handle_connect_error(error: Error) {
    this.error = error;
    this.close();
  }

  readable() {
    return !this.output.writableNeedDrain;
  }

  handle_read() {
    const data = this.recv(8192);
    this.received += data.length;
    this.output.write(data);
  }

  writable() {
    return this.buffer.length > 0;
  }

  handle_write() {
    const sent = this.send(this.buffer);
    this.buffer = this.buffer.subarray(sent);
  }

  /** The server has sent everything. A connection that breaks closes without this. */
  handle_eof() {
    this.ended = true;
    super.handle_eof();
  }

  handle_close() {
    if (!this.ended) this.error = new Error(`${this.server} reset the connection`);
    else if (this.received === 0) this.error = new Error(`${this.server} closed without an answer`);
    this.close();
  }
}

// ---- to save ----

/** In bytes. */
const LONGEST_HEAD = 64 * 1024;

export class HTTPDownload extends async_chat {
  /** What went wrong, if something did. */
  error: Error | null = null;
  /** In bytes; null as long as it is not known, which may be to the end. */
  length: number | null = null;
  received = 0;
  #server: string;
  #file: string;
  #fd: number | null = null;
  /** What comes belongs into the file. */
  #isBody = false;
  #endsWithConnection = false;
  /** What to do at the terminator. */
  #next: (text: string) => void = () => {};

  constructor(host: string, path: string, port: number, file: string) {
    super();
    this.#server = nameOf(host, port);
    this.#file = file;
    this.use_encoding = true;
    this.#expectText('\r\n\r\n', (head) => this.#begin(head));
    this.create_socket(family_of(host) ?? AF_INET);
    this.connect([host, port]);
    this.push(`GET ${path} HTTP/1.1\r\nHost: ${this.#server}\r\nConnection: close\r\n\r\n`);
  }

  // ---- what is expected ----

  #expectText(terminator: string, next: (text: string) => void): void {
    this.#isBody = false;
    this.#next = next;
    this.max_incoming = LONGEST_HEAD;
    this.set_terminator(terminator);
  }

  #expectBody(length: number | null, next: () => void): void {
    this.#isBody = true;
    this.#next = next;
    this.max_incoming = 0;
    this.set_terminator(length);
    if (length === 0) next(); // for 0 is no terminator
  }

  #expectChunk(): void {
    this.#expectText('\r\n', (line) => {
      const [, digits] = /^([0-9a-f]{1,12})[ \t]*(;.*)?$/i.exec(line) ?? [];
      if (digits === undefined) throw new Error(`${this.#server} sent a chunk of no length`);
      const length = Number.parseInt(digits, 16);
      if (length === 0) this.#expectTrailer();
      else this.#expectBody(length, () => this.#expectText('\r\n', (rest) => this.#endChunk(rest)));
    });
  }

  #endChunk(rest: string): void {
    if (rest !== '') throw new Error(`${this.#server} sent a chunk of another length`);
    this.#expectChunk();
  }

  #expectTrailer(): void {
    this.#expectText('\r\n', (line) => {
      if (line === '') this.close();
    });
  }

  // ---- what comes ----

  collect_incoming_data(data: Buffer) {
    if (this.#isBody) this.#save(data);
    else this._collect_incoming_data(data);
  }

  found_terminator() {
    this.#next(this._get_data().toString('latin1'));
  }

  handle_overflow() {
    throw new Error(`${this.#server} does not come to the point`);
  }

  #begin(head: string): void {
    const [, status, reason = ''] = /^HTTP\/1\.\d (\d{3})(?: (.*))?/.exec(head) ?? [];
    if (status === undefined) throw new Error(`${this.#server} does not speak HTTP`);
    if (status.startsWith('1')) return; // a word before the answer
    // A terminal is not to obey what a server says.
    const answer = `${this.#server} answered ${status} ${reason.replaceAll(/[^ -~]/g, '')}`;
    if (status !== '200') throw new Error(answer.trimEnd());
    const coding = fieldOf(head, 'transfer-encoding');
    const length = fieldOf(head, 'content-length');
    const isChunked = coding?.toLowerCase() === 'chunked';
    if (coding !== null && !isChunked) throw new Error(`${answer} in a coding of its own`);
    if (!/^\d{1,15}$/.test(length ?? '0')) throw new Error(`${answer} of no clear length`);

    this.#fd = openSync(this.#file, 'w');
    if (isChunked) {
      this.#expectChunk();
    } else if (length !== null) {
      this.length = Number(length);
      this.#expectBody(this.length, () => this.close());
    } else {
      this.#endsWithConnection = true;
      this.#expectBody(null, () => {});
    }
  }

  #save(data: Buffer): void {
    writeFileSync(this.#fd as number, data); // which goes on where the last one ended
    this.received += data.length;
  }

  // ---- how it ends ----

  handle_connect_error(error: Error) {
    this.handle_error(error);
  }

  handle_error(error: Error) {
    this.error = error;
    this.close();
  }

  handle_eof() {
    if (this.#endsWithConnection) this.close();
    else this.handle_error(new Error(`${this.#server} closed ${this.#progress}`));
  }

  handle_close() {
    this.handle_error(new Error(`${this.#server} reset the connection ${this.#progress}`));
  }

  get #progress(): string {
    if (this.#fd === null) return 'without an answer';
    if (this.length === null) return `after ${this.received} bytes, before the end`;
    return `after ${this.received} of ${this.length} bytes`;
  }

  close() {
    if (this.#fd !== null) closeSync(this.#fd);
    this.#fd = null;
    super.close();
  }
}

/** A field of a head by its lower-case name, or null; several of a name are joined by commas. */
function fieldOf(head: string, name: string): string | null {
  const lines = head.split('\r\n').filter((line) => line.toLowerCase().startsWith(`${name}:`));
  return lines.length > 0 ? lines.map((line) => line.slice(name.length + 1).trim()).join() : null;
}

/** How far a download is, in one line. */
function progress({ received, length }: HTTPDownload, seconds: number, columns: number): string {
  const megabytes = (bytes: number) => (bytes / 1e6).toFixed(1);
  const rate = `${megabytes(received / seconds)} MB/s`;
  if (length === null) return `${megabytes(received)} MB, ${rate}`;
  const share = received / length;
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  const text = `${megabytes(received)} of ${megabytes(length)} MB, ${rate}`;
  const width = columns - percent.length - text.length - 5; // of the bar
  if (width < 1) return percent;
  const done = '#'.repeat(Math.floor(share * width));
  return `${percent} [${done.padEnd(width, '.')}] ${text}`;
}

async function save(host: string, path: string, port: number, file: string): Promise<void> {
  const download = new HTTPDownload(host, path, port, file);
  const started = performance.now();
  const { stdout } = process;
  let end = '';
  const show = () => {
    if (download.received === 0) return;
    const seconds = (performance.now() - started) / 1000;
    stdout.write(`\r${progress(download, seconds, stdout.columns || 80)}\x1b[K`);
    end = '\n';
  };
  const timer = stdout.isTTY ? setInterval(show, 100) : undefined;
  await loop();
  clearInterval(timer);
  if (stdout.isTTY) show();
  stdout.write(end);
  if (download.error) throw download.error;
  if (!stdout.isTTY) console.log(`${file}: ${download.received} bytes`);
}

/** What to write for a URL. */
function inPlaceOf({ protocol, hostname, port, pathname, search }: URL): string {
  if (protocol === 'https:') return 'it speaks http only, without TLS';
  const option = port === '' ? '' : `--port ${port} `;
  return `give host and path: http_client ${option}${hostname} ${pathname}${search}`;
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      host: { type: 'string' },
      port: { type: 'string', default: '80' },
      output: { type: 'string' },
    },
  });
  const host = values.host ?? positionals.shift();
  const path = positionals.shift() ?? '/';
  const port = Number(values.port);
  if (!host || positionals.length > 0) {
    throw new Error('usage: http_client [--port 80] [--output FILE] HOST [PATH]');
  }
  if (URL.canParse(host) && host.includes('//')) throw new Error(inPlaceOf(new URL(host)));
  if (values.output !== undefined) {
    await save(host, path, port, values.output);
    return;
  }
  const client = new HTTPClient(host, path, port);
  await loop();
  if (client.error) throw client.error;
}
