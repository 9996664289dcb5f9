/** What a path leads to: a file, a list, or somewhere else. */
import { closeSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Answer, plain } from './answer.js';
import { fileAnswer } from './file_answer.js';
import { listing } from './listing.js';
import { open } from './open_file.js';
import { Refusal, refuse } from './refusal.js';
import type { Request } from './request.js';

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

export function answerTo(request: Request, root: string): Answer {
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
