/** An answer, and those that are text. */
import type { file_producer } from '@asyncore/chat';
import { REASONS } from './refusal.js';

export interface Answer {
  status: number;
  /** Header lines, each with its '\r\n', but for those that every answer has. */
  fields?: string;
  /** Of the body, in bytes. */
  length?: number;
  body?: Iterable<Uint8Array | file_producer>;
  /** The file to close after it. */
  fd?: number;
}

export function plain(status: number, fields = ''): Answer {
  return text(status, 'text/plain', `${status} ${REASONS[status]}\n`, fields);
}

export function text(status: number, type: string, content: string, fields = ''): Answer {
  const body = Buffer.from(content);
  const header = `${fields}Content-Type: ${type}; charset=utf-8\r\n`;
  return { status, fields: header, length: body.length, body: [body] };
}
