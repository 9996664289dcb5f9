#!/usr/bin/env node
/**
 * Runs an example: `main.js run NAME ARGS…`, where `run` may be left out. An example's `--help` is
 * the comment that opens its file. Without arguments, or with `--list`, it tells which there are;
 * `copy NAME FOLDER` makes a project of one.
 */
import './runner/node_version.js';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { getSystemErrorMap, inspect } from 'node:util';
import { inspect_map } from '@asyncore/core';
import { copy } from './runner/copy.js';
import { examples, existing, header, takesPort } from './runner/examples.js';

/** What every example exports. */
interface Example {
  main(args: string[]): void | Promise<void>;
}

const USAGE = `
run NAME [ARGUMENTS]  runs one; run NAME --help tells its arguments
copy NAME FOLDER      makes a project of one in a new folder; copy --list tells what each is for`;

function list(): void {
  const width = Math.max(...examples.map((name) => name.length));
  for (const name of examples) {
    const [title] = header(name).split('\n');
    console.log(`${name.padEnd(width)}  ${title}`);
  }
}

async function run(name: string, args: string[]): Promise<void> {
  existing(name);
  if (args.includes('--help') || args.includes('-h')) {
    console.log(`${header(name)}\n\nThe other examples: --list`);
    return;
  }
  const { main }: Example = await import(`./${name}.js`);
  process.on('SIGUSR2', () => console.error(String(inspect_map())));
  await main(args);
}

function makeProject(args: string[]): void {
  const [name, folder] = args;
  if (args.length === 1 && name === '--list') {
    list();
    return;
  }
  if (args.length !== 2) throw new Error('usage: copy NAME FOLDER, or copy --list');
  const copied = copy(name, folder);
  console.log(`${name} is in ${copied.folder}. Now: ${copied.next}`);
}

/** The errors that a user is most likely to meet. */
const plainly: Record<string, string> = {
  'bind EADDRINUSE': 'is in use',
  'connect ECONNREFUSED': 'refused the connection',
  'connect ENOTFOUND': 'cannot be found',
};

/** An error in one line. Only a mistake in the program shows its stack. */
function reason(error: NodeJS.ErrnoException & { address?: string; port?: number }): string {
  const { code, syscall, errno = 0, address = '', port, message } = error;
  const plain = plainly[`${syscall} ${code}`];
  if (plain && port === undefined) return `${address} ${plain}`; // the path of a Unix socket
  if (plain) return `${address.includes(':') ? `[${address}]` : address}:${port} ${plain}`;
  if (code === undefined && ![Error, RangeError].includes(error.constructor as ErrorConstructor)) {
    return inspect(error);
  }
  const [, text] = getSystemErrorMap().get(errno) ?? [];
  const [line] = message.split('\n');
  return text && !line.includes(text) ? `${line} (${text})` : line;
}

/** What to do about it, where an option helps. */
function hint(name: string, error: NodeJS.ErrnoException & { port?: number }): string {
  const isPort = error.port !== undefined && error.syscall === 'bind' && takesPort(name);
  if (!isPort || !['EADDRINUSE', 'EACCES'].includes(error.code ?? '')) return '';
  return '; choose another with --port, 0 for any that is free';
}

// Whoever reads what we print may stop at any time: `… | head -1`. Then this ends as others do.
process.stdout.on('error', () => process.exit(128 + constants.signals.SIGPIPE));

async function start(name: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    console.error(`${name}: ${reason(error as Error)}${hint(name, error as Error)}`);
    process.exitCode = 1;
  }
}

const args = process.argv.slice(2);
// `npm start` says run: then no name means the echo server.
const mayBeNameless = args[0] === 'run' && args.shift() !== undefined;
const [first] = args;
if (first === '--list') {
  list();
} else if (first === '--version') {
  const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'));
  console.log(`@asyncore/examples ${version}, Node.js ${process.versions.node}`);
} else if (first === 'copy') {
  await start(first, () => makeProject(args.slice(1)));
} else if (!mayBeNameless && (first === undefined || first === '--help' || first === '-h')) {
  list();
  console.log(USAGE);
} else {
  const name = !first || first.startsWith('-') ? 'echo_server' : (args.shift() as string);
  await start(name, () => run(name, args));
}
