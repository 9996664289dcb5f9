/** The head of a request: text in, a Request out. */
import { refuse } from './refusal.js';

/** Of a body, in bytes. */
const LONGEST_BODY = 1024 * 1024;

/** By lower-case name; several of a name are joined by commas. */
export type Fields = Map<string, string>;

export interface Request {
  method: string;
  target: string;
  fields: Fields;
  /** Of the body, in bytes. */
  length: number;
  keepAlive: boolean;
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const REQUEST_LINE = new RegExp(`^(${TOKEN}) ([!-~]+) HTTP/(\\d)\\.(\\d)$`);
const FIELD = new RegExp(`^(${TOKEN}):(.*)$`);
const HOST = /^[\w.:~%[\]-]*$/;
/** Half a line end, or a control character. */
export const UNCLEAN = /\r(?!\n)|(?<!\r)\n|[^\t\r\n -~\x80-\xff]/;

/** Throws a Refusal for what is no request, or could be two. */
export function requestOf(head: string): Request {
  // An empty line before a request is no part of it.
  const [first, ...lines] = head.replace(/^\r\n/, '').split('\r\n');
  const [, method, target, major, minor] = REQUEST_LINE.exec(first) ?? refuse(400);
  if (major !== '1') refuse(505);
  const isOld = minor === '0';

  const fields: Fields = new Map();
  for (const line of lines) {
    const [, name, padded] = FIELD.exec(line) ?? refuse(400);
    const value = unpadded(padded);
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

/** Without the blanks around it. A pattern for both ends would take a quadratic time for many blanks. */
function unpadded(value: string): string {
  let [start, end] = [0, value.length];
  while (start < end && isBlank(value[start])) start += 1;
  while (end > start && isBlank(value[end - 1])) end -= 1;
  return value.slice(start, end);
}

function isBlank(character: string): boolean {
  return character === ' ' || character === '\t';
}
