/** Programs of their own, for what would hurt the process that runs the tests. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { own } from '../support.js';

const folder = fileURLToPath(new URL('../..', import.meta.url));

/** A running program: its lines one by one, and a way to signal it. */
export class Program {
  readonly #child;
  readonly #lines: AsyncIterator<string>;

  /** `source` is an ECMAScript module; `command` runs in sh and has node and its arguments in "$@". */
  constructor(source: string, command = 'exec "$@"', env: NodeJS.ProcessEnv = {}) {
    const node = [process.execPath, '--input-type=module', '--eval', source];
    this.#child = spawn('sh', ['-c', command, 'sh', ...node], {
      cwd: folder,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    own({ close: () => void this.#child.kill('SIGKILL') });
    this.#lines = createInterface(this.#child.stdout)[Symbol.asyncIterator]();
  }

  /** The next line it prints, undefined at its end. */
  async line(): Promise<string | undefined> {
    const { value } = await this.#lines.next();
    return value;
  }

  /** The rest of what it prints, in lines. */
  async rest(): Promise<string[]> {
    const lines: string[] = [];
    for (let line = await this.line(); line !== undefined; line = await this.line()) {
      lines.push(line);
    }
    return lines;
  }

  kill(signal: NodeJS.Signals): void {
    this.#child.kill(signal);
  }
}
