/**
 * An HTTP server: the files of a folder, whole or in ranges, and lists of the folders in it.
 *
 *     http_server [--host 127.0.0.1] [--port 8000] [--timeout 30] [--quiet] [FOLDER]
 *
 * A request is a head that ends in '\r\n\r\n' and a body of so many bytes: async_chat's two kinds of
 * terminator. An answer is pushed piece by piece. As soon as push() says that enough is waiting, the
 * channel reads no further request, and handle_drain() pushes on: so a connection takes a piece of
 * memory and one open file, whatever it asks for. Requests that a proxy in front of it could read
 * differently are refused. Names that begin with a dot are not served, nor links out of the folder.
 * Reading a file blocks the loop, which on a local disk takes next to no time.
 */
import { randomUUID } from 'node:crypto';
import {
  closeSync,
  constants,
  fstatSync,
  openSync,
  readdirSync,
  readSync,
  realpathSync,
  type Stats,
  statSync,
} from 'node:fs';
import { extname, join } from 'node:path';
import { parseArgs } from 'node:util';
import { async_chat } from '@asyncore/chat';
import { dispatcher, loop } from '@asyncore/core';
import { type Address, type InetAddress, SHUT_WR, type Socket } from '@asyncore/socket';

/** In bytes. */
const LONGEST_HEAD = 16 * 1024;
const LONGEST_BODY = 1024 * 1024;
const PIECE = 128 * 1024;

const LONGEST_LOGGED = 1024;

const MOST_RANGES = 32;

const REASONS: Record<number, string> = {
  200: 'OK',
  206: 'Partial Content',
  301: 'Moved Permanently',
  304: 'Not Modified',
  400: 'Bad Request',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  408: 'Request Timeout',
  411: 'Length Required',
  413: 'Content Too Large',
  416: 'Range Not Satisfiable',
  431: 'Request Header Fields Too Large',
  503: 'Service Unavailable',
  505: 'HTTP Version Not Supported',
};

/** What the system says of a file, as an answer. */
const STATUS_OF: Record<string, number> = {
  ENOENT: 404,
  ENOTDIR: 404,
  ENAMETOOLONG: 404,
  ELOOP: 404,
  ENXIO: 404,
  EACCES: 403,
  EPERM: 403,
  EMFILE: 503,
  ENFILE: 503,
};

const TYPES: Record<string, string> = {
  '.css': 'text/css; charset=utf-8',
  '.gif': 'image/gif',
  '.html': 'text/html; charset=utf-8',
  '.ico': 'image/x-icon',
  '.jpg': 'image/jpeg',
  '.js': 'text/javascript; charset=utf-8',
  '.json': 'application/json',
  '.md': 'text/markdown; charset=utf-8',
  '.mjs': 'text/javascript; charset=utf-8',
  '.mp4': 'video/mp4',
  '.pdf': 'application/pdf',
  '.png': 'image/png',
  '.svg': 'image/svg+xml',
  '.txt': 'text/plain; charset=utf-8',
  '.wasm': 'application/wasm',
  '.webp': 'image/webp',
  '.woff2': 'font/woff2',
  '.xml': 'application/xml',
};

/** By lower-case name; several of a name are joined by commas. */
type Fields = Map<string, string>;

interface Request {
  method: string;
  target: string;
  fields: Fields;
  /** Of the body, in bytes. */
  length: number;
  keepAlive: boolean;
}

interface Answer {
  status: number;
  /** Header lines, each with its '\r\n', but for those that every answer has. */
  fields?: string;
  /** Of the body, in bytes. */
  length?: number;
  body?: Iterable<Uint8Array>;
  /** The file to close after it. */
  fd?: number;
}

/** A request that gets no more than this for an answer. */
class Refusal extends Error {
  readonly status: number;

  constructor(status: number) {
    super(REASONS[status]);
    this.status = status;
  }
}

function refuse(status: number): never {
  throw new Refusal(status);
}

// ---- a connection ----

export class HTTPHandler extends async_chat {
  #server: HTTPServer;
  #head = '';
  /** Whose body is being received. */
  #request: Request | null = null;
  /** What is still to be pushed of an answer, and the file it comes from. */
  #body: Iterator<Uint8Array> | null = null;
  #fd: number | undefined;
  #keepAlive = true;
  /** The last answer was pushed. */
  #leaving = false;
  /**
   * Starts again when a request begins, when its answer begins, and when the client takes some of an
   * answer. Unlike `timeout` it goes on while a request comes byte by byte and never ends.
   */
  #timer: NodeJS.Timeout;

  constructor(sock: Socket, server: HTTPServer) {
    super(sock);
    this.#server = server;
    this.#timer = setTimeout(() => this.#timeIsUp(), server.patience * 1000);
    this.use_encoding = true;
    this.ac_out_high_water = PIECE / 2;
    this.max_incoming = LONGEST_HEAD;
    this.set_terminator('\r\n\r\n');
  }

  collect_incoming_data(data: Buffer) {
    if (this.#leaving || this.#request !== null) return; // nobody here wants a body
    if (this.#head === '') this.#timer.refresh();
    const text = data.toString('latin1');
    this.#head += text;
    // Looked for at once, since a client whose lines end in '\n' alone never ends its head.
    if (UNCLEAN.test(text)) this.#refuse(400);
  }

  found_terminator() {
    if (this.#leaving) return;
    try {
      const request = this.#request ?? requestOf(this.#head);
      if (this.#request === null && request.length > 0) this.#receiveBody(request);
      else this.#respond(request);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      this.#refuse(error.status);
    }
  }

  handle_overflow() {
    if (!this.#leaving) this.#refuse(431);
  }

  #timeIsUp(): void {
    if (this.#head !== '') this.#refuse(408);
    else this.close();
  }

  #receiveBody(request: Request): void {
    this.#request = request;
    this.max_incoming = 0;
    this.set_terminator(request.length);
    if (request.fields.get('expect')?.toLowerCase() === '100-continue') {
      this.push('HTTP/1.1 100 Continue\r\n\r\n');
    }
  }

  #respond(request: Request): void {
    if (this.#request !== null) {
      this.#request = null;
      this.max_incoming = LONGEST_HEAD;
      this.set_terminator('\r\n\r\n');
    }
    this.#keepAlive = request.keepAlive;
    this.#answer(answerTo(request, this.#server.root), request.method === 'HEAD');
  }

  /** Answers a request that cannot be understood, and closes: nor could what comes after it. */
  #refuse(status: number): void {
    this.#keepAlive = false;
    this.#answer(plain(status));
  }

  #answer({ status, fields = '', length, body = [], fd }: Answer, headOnly = false): void {
    this.#server.log_request(this, this.#head, status, length);
    this.#head = '';
    this.push(
      `HTTP/1.1 ${status} ${REASONS[status]}\r\nDate: ${now()}\r\n${fields}` +
        (length === undefined ? '' : `Content-Length: ${length}\r\n`) +
        `Connection: ${this.#keepAlive ? 'keep-alive' : 'close'}\r\n\r\n`,
    );
    this.#fd = fd;
    this.#body = (headOnly ? [] : body)[Symbol.iterator]();
    this.#pushBody();
  }

  #pushBody(): void {
    if (this.#body === null) return;
    for (;;) {
      const { done, value } = this.#body.next();
      if (done) break;
      if (!this.push(value)) return;
    }
    this.#closeFile();
    if (!this.#keepAlive) this.#leaving = true;
  }

  #closeFile(): void {
    if (this.#fd !== undefined) closeSync(this.#fd);
    this.#fd = undefined;
    this.#body = null;
  }

  handle_drain() {
    this.#pushBody();
    this.#leave();
  }

  initiate_send() {
    super.initiate_send();
    this.#timer.refresh();
    this.#leave();
  }

  /**
   * Ends our half of the connection when all is sent. The other half is read to its end and thrown
   * away, for to close before would reset the connection, and the client could lose the answer.
   */
  #leave(): void {
    if (!this.#leaving || this.writable()) return;
    try {
      this.shutdown(SHUT_WR);
    } catch {
      this.close(); // the client has gone
    }
  }

  close() {
    this.#leaving = false;
    clearTimeout(this.#timer);
    this.#closeFile();
    super.close();
  }
}

// ---- what is asked ----

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([!-~]+) HTTP/(\\d)\\.(\\d)$`);
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*(.*[^ \\t])?[ \\t]*$`);
const HOST = /^[\w.:~%[\]-]*$/;
/** Half a line end, or a control character. */
const UNCLEAN = /\r(?!\n)|(?<!\r)\n|[^\t\r\n -~\x80-\xff]/;

/** Throws a Refusal for what is no request, or could be two. */
function requestOf(head: string): Request {
  // An empty line before a request is no part of it.
  const [first, ...lines] = head.replace(/^\r\n/, '').split('\r\n');
  const [, method, target, major, minor] = REQUEST_LINE.exec(first) ?? refuse(400);
  if (major !== '1') refuse(505);
  const isOld = minor === '0';

  const fields: Fields = new Map();
  for (const line of lines) {
    const [, name, value = ''] = FIELD.exec(line) ?? refuse(400);
    const key = name.toLowerCase();
    const before = fields.get(key);
    fields.set(key, before === undefined ? value : `${before},${value}`);
  }

  const host = fields.get('host') ?? (isOld ? '' : refuse(400));
  if (!HOST.test(host)) refuse(400);
  const length = fields.get('content-length');
  if (length !== undefined && !/^\d{1,15}$/.test(length)) refuse(400);
  if (fields.has('transfer-encoding')) refuse(isOld || length !== undefined ? 400 : 411);
  if (Number(length) > LONGEST_BODY) refuse(413);
  const options = (fields.get('connection') ?? '')
    .toLowerCase()
    .split(',')
    .map((option) => option.trim());
  const keepAlive = !options.includes('close') && (!isOld || options.includes('keep-alive'));
  return { method, target, fields, length: Number(length ?? 0), keepAlive };
}

// ---- what is answered ----

const { O_RDONLY, O_NOFOLLOW, O_NONBLOCK } = constants;

function answerTo(request: Request, root: string): Answer {
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    return plain(405, 'Allow: GET, HEAD\r\n');
  }
  try {
    return resource(request, root);
  } catch (error) {
    const status =
      error instanceof Refusal
        ? error.status
        : STATUS_OF[(error as NodeJS.ErrnoException).code ?? ''];
    if (status === undefined) throw error;
    return plain(status);
  }
}

function resource(request: Request, root: string): Answer {
  const [, path, query = ''] = TARGET.exec(request.target) ?? refuse(400);
  const names = path.split('/').filter(Boolean).map(decoded);
  if (names.some((name) => name.startsWith('.') || /[/\0]/.test(name))) refuse(404);
  const isFolder = path === '' || path.endsWith('/');

  const file = open(join(root, ...names), root);
  if (file.stats.isFile() && !isFolder) return fileAnswer(file, request);
  closeSync(file.fd);
  if (!file.stats.isDirectory()) refuse(404);
  const location = `/${names.map((name) => `${encodeURIComponent(name)}/`).join('')}`;
  if (!isFolder) return plain(301, `Location: ${location}${query}\r\n`);
  const index = join(file.path, 'index.html');
  const hasIndex = statSync(index, { throwIfNoEntry: false })?.isFile();
  return hasIndex ? fileAnswer(open(index, root), request) : listing(file.path, location, root);
}

/** A path with or without a host before it, and a query. */
const TARGET = /^(?:https?:\/\/[^/?#]*(?=[/?]|$)|(?=\/))([^?#]*)(\?[^#]*)?$/i;

function decoded(name: string): string {
  try {
    return decodeURIComponent(name);
  } catch {
    return refuse(400);
  }
}

interface File {
  /** Without links. */
  path: string;
  fd: number;
  stats: Stats;
}

/** Opens what a path leads to, if that is inside of the root. */
function open(path: string, root: string): File {
  const real = inside(path, root);
  const fd = openSync(real, O_RDONLY | O_NOFOLLOW | O_NONBLOCK); // a FIFO would else be waited for
  return { path: real, fd, stats: fstatSync(fd) };
}

/** A path without links, which leads to something inside of the root. */
function inside(path: string, root: string): string {
  const real = realpathSync.native(path);
  if (!`${real}/`.startsWith(root === '/' ? root : `${root}/`)) refuse(404);
  return real;
}

/** A file, or the ranges of it that are asked for, or that it is still the same. */
function fileAnswer({ path, fd, stats }: File, { method, fields }: Request): Answer {
  const { size } = stats;
  const etag = `"${size.toString(16)}-${stats.mtimeMs.toString(16)}"`;
  const modified = stats.mtime.toUTCString();
  const state = `ETag: ${etag}\r\nLast-Modified: ${modified}\r\n`;
  if (isKnown(fields, etag, modified)) return { status: 304, fields: state, fd };

  const type = TYPES[extname(path).toLowerCase()] ?? 'application/octet-stream';
  const common = `${state}Accept-Ranges: bytes\r\nX-Content-Type-Options: nosniff\r\n`;
  const header = `${common}Content-Type: ${type}\r\n`;
  const isSame = [undefined, etag, modified].includes(fields.get('if-range'));
  const range = method === 'GET' && isSame ? fields.get('range') : undefined;
  const ranges = range === undefined ? null : rangesOf(range, size);
  if (ranges === null) return partsAnswer(200, header, [{ start: 0, end: size }], fd);

  const place = ({ start, end }: Part) => `Content-Range: bytes ${start}-${end - 1}/${size}\r\n`;
  if (ranges.length === 0) return { ...plain(416, `Content-Range: bytes */${size}\r\n`), fd };
  if (ranges.length === 1) return partsAnswer(206, header + place(ranges[0]), ranges, fd);
  const boundary = randomUUID();
  const parts: Part[] = ranges.map((part) => ({
    ...part,
    before: `\r\n--${boundary}\r\nContent-Type: ${type}\r\n${place(part)}\r\n`,
  }));
  parts.push({ start: 0, end: 0, before: `\r\n--${boundary}--\r\n` });
  const multipart = `${common}Content-Type: multipart/byteranges; boundary=${boundary}\r\n`;
  return partsAnswer(206, multipart, parts, fd);
}

/** Whether what the client has is still the same. */
function isKnown(fields: Fields, etag: string, modified: string): boolean {
  const tags = fields.get('if-none-match');
  if (tags !== undefined) {
    return tags.split(',').some((tag) => ['*', etag, `W/${etag}`].includes(tag.trim()));
  }
  const since = fields.get('if-modified-since');
  return since !== undefined && Date.parse(modified) <= Date.parse(since);
}

/** From `start` up to `end`, in bytes, and text to put before it. */
interface Part {
  start: number;
  end: number;
  before?: string;
}

/** Those that a Range asks for, none if it makes no sense; null for everything. */
function rangesOf(range: string, size: number): Part[] | null {
  const [, list] = /^bytes=(.*)$/i.exec(range) ?? [];
  if (list === undefined) return null; // another unit
  const parts: Part[] = [];
  for (const each of list.split(',')) {
    const [, first, last] = /^(\d*)-(\d*)$/.exec(each.trim()) ?? [];
    if (!first && !last) return [];
    if (first && last && Number(first) > Number(last)) return [];
    const start = first ? Number(first) : Math.max(size - Number(last), 0);
    const end = first && last ? Math.min(Number(last) + 1, size) : size;
    if (start < end) parts.push({ start, end });
  }
  // Many or overlapping ones are no download that goes on, but work for nothing.
  const sum = parts.reduce((sum, { start, end }) => sum + end - start, 0);
  return parts.length > MOST_RANGES || sum > size ? null : parts;
}

function partsAnswer(status: number, fields: string, parts: Part[], fd: number): Answer {
  const length = parts.reduce(
    (sum, { start, end, before = '' }) => sum + before.length + end - start,
    0,
  );
  return { status, fields, length, body: pieces(fd, parts), fd };
}

/** A producer, as asynchat calls it: what it gives takes no more memory than a piece. */
function* pieces(fd: number, parts: Part[]): Generator<Buffer> {
  for (const { start, end, before } of parts) {
    if (before) yield Buffer.from(before);
    for (let at = start; at < end; ) {
      const piece = Buffer.allocUnsafe(Math.min(end - at, PIECE));
      const count = readSync(fd, piece, 0, piece.length, at);
      if (count === 0) throw new Error('a file became shorter while it was sent');
      at += count;
      yield piece.subarray(0, count);
    }
  }
}

/** A table of what a folder holds. A link is what it leads to, and of one that leads out only its name is told. */
function listing(folder: string, location: string, root: string): Answer {
  const rows = readdirSync(folder, { withFileTypes: true })
    .filter(({ name }) => !name.startsWith('.'))
    .map((entry): [name: string, stats: Stats | null] => {
      const stats = known(join(folder, entry.name), root);
      return [(stats ?? entry).isDirectory() ? `${entry.name}/` : entry.name, stats];
    })
    .sort(([a], [b]) => (a < b ? -1 : 1));
  if (location !== '/') rows.unshift(['../', null]);
  const title = escaped(decodeURIComponent(location));
  return text(
    200,
    'text/html',
    `<!DOCTYPE html>\n<meta charset="utf-8">\n<title>${title}</title>\n` +
      '<style>th { text-align: left } td + td { padding-left: 2em; text-align: right }</style>\n' +
      `<h1>${title}</h1>\n<table>\n<tr><th>Name</th><th>Bytes</th><th>Modified (UTC)</th></tr>\n` +
      `${rows.map(([name, stats]) => row(name, stats)).join('')}</table>\n`,
  );
}

/** Null for what cannot be looked at, and for what lies outside of the root. */
function known(path: string, root: string): Stats | null {
  try {
    return statSync(inside(path, root));
  } catch {
    return null;
  }
}

function row(name: string, stats: Stats | null): string {
  const href = name.split('/').map(encodeURIComponent).join('/');
  const cells = [
    `<a href="${href}">${escaped(name)}</a>`,
    stats?.isFile() ? stats.size.toLocaleString('en') : '',
    stats === null ? '' : minute(stats.mtime),
  ];
  return `<tr>${cells.map((cell) => `<td>${cell}</td>`).join('')}</tr>\n`;
}

/** Nothing for a time that is too far away for a Date: a file may have any. */
function minute(time: Date): string {
  if (Number.isNaN(time.getTime())) return '';
  return time
    .toISOString()
    .replace(/:\d\d\.\d+Z$/, '')
    .replace('T', ' ');
}

function escaped(name: string): string {
  return name.replaceAll(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
}

function plain(status: number, fields = ''): Answer {
  return text(status, 'text/plain', `${status} ${REASONS[status]}\n`, fields);
}

function text(status: number, type: string, content: string, fields = ''): Answer {
  const body = Buffer.from(content);
  const header = `${fields}Content-Type: ${type}; charset=utf-8\r\n`;
  return { status, fields: header, length: body.length, body: [body] };
}

let second = 0;
let date = '';

/** The time as HTTP has it. */
function now(): string {
  const time = Math.floor(Date.now() / 1000);
  if (time !== second) {
    second = time;
    date = new Date(time * 1000).toUTCString();
  }
  return date;
}

// ---- the server ----

export class HTTPServer extends dispatcher {
  readonly root: string;
  /** How long a client may take for a request, or rest between two, in seconds. */
  readonly patience: number;
  readonly quiet: boolean;

  constructor(host: string, port: number, folder: string, patience = 30, quiet = false) {
    super();
    this.patience = patience;
    this.quiet = quiet;
    this.root = realpathSync(folder);
    if (!statSync(this.root).isDirectory()) throw new Error(`${folder} is not a folder`);
    this.create_server([host, port]);
  }

  handle_accepted(sock: Socket, address: Address) {
    // The socket of a client that has gone no longer knows its address.
    new HTTPHandler(sock, this).addr = address;
  }

  /** A line for each request. What a client can put into it is printable and stays in its quotes. */
  log_request({ addr }: HTTPHandler, head: string, status: number, length = 0): void {
    if (this.quiet) return;
    const [line] = head.trimStart().split(/\r?\n/, 1);
    const safe = line.slice(0, LONGEST_LOGGED).replaceAll(/[^ !#-[\]-~]/g, (char) => {
      return `\\x${char.charCodeAt(0).toString(16).padStart(2, '0')}`;
    });
    const host = Array.isArray(addr) ? addr[0] : '-';
    console.log(`${new Date().toISOString()} ${host} "${safe}" ${status} ${length}`);
  }
}

export async function main(args: string[]): Promise<void> {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: true,
    options: {
      host: { type: 'string', default: '127.0.0.1' },
      port: { type: 'string', default: '8000' },
      timeout: { type: 'string', default: '30' },
      quiet: { type: 'boolean', default: false },
    },
  });
  const [folder = '.', ...rest] = positionals;
  const timeout = Number(values.timeout);
  if (rest.length > 0) throw new Error('usage: http_server [OPTION...] [FOLDER]');
  if (!(timeout > 0 && timeout < 1e6)) throw new Error('--timeout must be a number of seconds');
  const server = new HTTPServer(values.host, Number(values.port), folder, timeout, values.quiet);
  const [host, port] = server.getsockname() as InetAddress;
  console.log(
    `serving ${server.root} on http://${host.includes(':') ? `[${host}]` : host}:${port}`,
  );
  await loop();
}
