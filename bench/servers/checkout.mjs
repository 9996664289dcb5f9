import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

/** What the packages of a checkout export, under one roof. */
export async function checkout(root) {
  const modules = await Promise.all(
    ['socket', 'core', 'chat', 'examples'].map(
      (name) => import(pathToFileURL(resolve(root, 'packages', name, 'dist/index.js'))),
    ),
  );
  return Object.assign({}, ...modules);
}
