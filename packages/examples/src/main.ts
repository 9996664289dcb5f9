/**
 * Runs an example: `main.js NAME ARGS…`. Without a name it is the echo server; `--list` tells which
 * there are, and an example's `--help` is the comment that opens its file.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { getSystemErrorMap, inspect } from 'node:util';

/** What every example exports. */
interface Example {
  main(args: string[]): void | Promise<void>;
}

// The sources lie beside the compiled files in the published package too.
const sources = new URL('../src/', import.meta.url);
const examples = readdirSync(sources)
  .filter((file) => !['index.ts', 'main.ts'].includes(file))
  .map((file) => file.replace(/\.ts$/, ''));

/** The comment that opens an example's file. */
function header(name: string): string {
  const source = readFileSync(new URL(`${name}.ts`, sources), 'utf8');
  const [, comment = ''] = /^\/\*\*(.*?)\*\//s.exec(source) ?? [];
  return comment.replaceAll(/^ \* ?/gm, '').trim();
}

function list(): void {
  const width = Math.max(...examples.map((name) => name.length));
  for (const name of examples) {
    const [title] = header(name).split('\n');
    console.log(`${name.padEnd(width)}  ${title}`);
  }
}

async function run(name: string, args: string[]): Promise<void> {
  if (!examples.includes(name)) {
    throw new Error('there is no such example; --list tells which there are');
  }
  if (args.includes('--help')) {
    console.log(`${header(name)}\n\nThe other examples: --list`);
    return;
  }
  const { main }: Example = await import(`./${name}.js`);
  await main(args);
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
  if (plain) return `${address.includes(':') ? `[${address}]` : address}:${port} ${plain}`;
  if (code === undefined && ![Error, RangeError].includes(error.constructor as ErrorConstructor)) {
    return inspect(error);
  }
  const [, text] = getSystemErrorMap().get(errno) ?? [];
  const [line] = message.split('\n');
  return text && !line.includes(text) ? `${line} (${text})` : line;
}

// Whoever reads what we print may stop at any time: `… | head -1`. Then this ends as others do.
process.stdout.on('error', () => process.exit(128 + constants.signals.SIGPIPE));

const args = process.argv.slice(2);
if (args[0] === '--list') {
  list();
} else {
  const name = !args[0] || args[0].startsWith('-') ? 'echo_server' : (args.shift() as string);
  await run(name, args).catch((error) => {
    console.error(`${name}: ${reason(error)}`);
    process.exitCode = 1;
  });
}
