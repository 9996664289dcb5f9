import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What a server here needs of a checkout, and no more: code of other examples would be compiled beside it. */
const MODULES = [
  'socket/dist/index.js',
  'core/dist/index.js',
  'chat/dist/index.js',
  'examples/dist/echo_server.js',
];

/** What the modules of a checkout export, under one roof. */
export async function checkout(root) {
  const modules = await Promise.all(
    MODULES.map((path) => import(pathToFileURL(resolve(root, 'packages', path)))),
  );
  return Object.assign({}, ...modules);
}
