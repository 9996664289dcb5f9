import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';

const running = new Set<ChildProcess>();

/** A process on a processor of its own, whose output is read line by line. It dies with this one. */
export class Child {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  readonly #name: string;
  #complaint = '';

  /** `core` is the number of the processor; the process may open as many files as the limit allows. */
  constructor(name: string, core: number, command: readonly string[]) {
    const wrapper = 'ulimit -n "$(ulimit -Hn)"; exec setpriv --pdeathsig KILL taskset -c "$@"';
    this.#child = spawn('sh', ['-c', wrapper, 'sh', String(core), ...command]);
    this.#name = name;
    running.add(this.#child);
    this.#child.once('close', () => running.delete(this.#child));
    this.#child.stdin?.on('error', () => {});
    this.#child.stderr?.on('data', (text) => {
      this.#complaint = `${this.#complaint}${text}`.slice(-2000);
    });
    const lines = createInterface({
      input: this.#child.stdout as NodeJS.ReadableStream,
    });
    this.#lines = lines[Symbol.asyncIterator]();
  }

  get pid(): number {
    return this.#child.pid as number;
  }

  say(line: string): void {
    this.#child.stdin?.write(`${line}\n`);
  }

  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** The first line from here on that fits. Throws when the process ends without one. */
  async heard(fits: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const { value, done } = await this.#lines.next();
      if (done) throw new Error(`${this.#name} has ended: ${this.#complaint.trim()}`);
      const found = fits.exec(value);
      if (found) return found;
    }
  }

  async stop(): Promise<void> {
    if (!running.has(this.#child)) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'close');
  }

  /** Processor time so far, in nanoseconds, of all its threads and children. */
  cpu(): number {
    return cpuOf(this.pid);
  }

  /** Resident memory, in bytes. */
  rss(): number {
    const [, kilobytes] =
      /^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${this.pid}/status`, 'utf8')) ?? [];
    return Number(kilobytes) * 1024;
  }
}

function cpuOf(pid: number): number {
  let sum = 0;
  for (const task of readdirSync(`/proc/${pid}/task`)) {
    const folder = `/proc/${pid}/task/${task}`;
    sum += Number(readFileSync(`${folder}/schedstat`, 'utf8').split(' ')[0]);
    for (const child of readFileSync(`${folder}/children`, 'utf8').match(/\d+/g) ?? []) {
      sum += cpuOf(Number(child));
    }
  }
  return sum;
}

/** Ends what still runs. */
export function stopAll(): void {
  for (const child of running) child.kill('SIGKILL');
}
