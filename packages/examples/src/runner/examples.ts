import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { similar } from './similar.js';

// The sources lie beside the compiled files in the published package too.
const sources = new URL('../../src/', import.meta.url);

/** The names of the examples: each is a file in src. */
export const examples = readdirSync(sources)
  .filter((file) => file.endsWith('.ts') && file !== 'index.ts' && file !== 'main.ts')
  .map((file) => file.slice(0, -'.ts'.length))
  .sort();

/** An example's name, unless there is no such example. */
export function existing(name: string): string {
  if (examples.includes(name)) return name;
  const meant = similar(name, examples);
  const hint = meant === undefined ? '' : `did you mean ${meant}? `;
  throw new Error(`there is no such example; ${hint}--list shows all`);
}

/** The text of a file in src. */
export function source(name: string): string {
  return readFileSync(new URL(`${name}.ts`, sources), 'utf8');
}

/** What is promised of an example in a simulated network, as a file of functions; null if nothing is. */
export function simulated(name: string): string | null {
  const file = new URL(`../../simulated/${name}.js`, import.meta.url);
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}

/** The comment that opens an example's file. */
export function header(name: string): string {
  const [, comment = ''] = /^\/\*\*(.*?)\*\//s.exec(source(name)) ?? [];
  return comment.replaceAll(/^ \* ?/gm, '').trim();
}

/** Whether an example has the option --port. */
export function takesPort(name: string): boolean {
  return examples.includes(name) && header(name).includes('[--port ');
}
