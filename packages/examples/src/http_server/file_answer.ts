/** A file as an answer: whole, in ranges, or that it is still the same. */
import { randomUUID } from 'node:crypto';
import { readSync } from 'node:fs';
import { extname } from 'node:path';
import { file_producer } from '@asyncore/chat';
import { type Answer, plain } from './answer.js';
import type { File } from './open_file.js';
import type { Fields, Request } from './request.js';

/** In bytes: what is no longer goes out in one piece with what is before it, which costs least. */
export const PIECE = 128 * 1024;
const MOST_RANGES = 32;

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

/** A file, or the ranges of it that are asked for, or that it is still the same. */
export function fileAnswer({ path, fd, stats }: File, { method, fields }: Request): Answer {
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

/** What is longer than a piece goes from the file to the client by sendfile(2). */
function* pieces(fd: number, parts: Part[]): Generator<Buffer | file_producer> {
  for (const { start, end, before } of parts) {
    if (before) yield Buffer.from(before);
    if (end - start > PIECE) {
      yield new file_producer(fd, { start, end });
    } else if (start < end) {
      const piece = Buffer.allocUnsafe(end - start);
      if (readSync(fd, piece, 0, piece.length, start) < piece.length) {
        throw new Error('a file became shorter while it was sent');
      }
      yield piece;
    }
  }
}
