/** A program on one kind of pass, in a process of its own, and in another after each run that left a mess. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RESTART } from './control.mjs';
import { BEGIN, brief } from './report.mjs';
import { Results } from './results.mjs';

const MOST_RESTARTS = 400;
/** In milliseconds: a process that says nothing for so long has a thread that hangs. */
const SILENT = 60_000;
/** What a crash counts for, as a hang does. */
const CRASH = 3;

export class Job {
  #seen = 0;

  /** `args` are for the runner; `shows`: what it says on stderr is shown. */
  constructor(program, poller, args, { shows = false, begunAgain = true } = {}) {
    this.results = new Results(program, poller);
    this.args = args;
    this.shows = shows;
    this.begunAgain = begunAgain;
  }

  /** Ends when all is tried. */
  async run(shim, folder) {
    const begun = performance.now();
    let restarts = 0;
    let { args } = this;
    while (args !== null) {
      const child = this.#start(shim, folder, args);
      const ending = await this.#follow(child);
      args = restarts < MOST_RESTARTS ? this.#next(ending) : null;
      if (args !== null) restarts += 1;
    }
    const { program, poller, runs, outcomes, violations } = this.results;
    const seconds = Math.round((performance.now() - begun) / 1000);
    console.log(
      `${program}, ${poller}: ${runs} runs of ${outcomes} outcomes, ${violations} violations, ${restarts} restarts, ${seconds} s`,
    );
  }

  #start(shim, folder, args) {
    const { program, poller } = this.results;
    const control = join(folder, `control-${program}-${poller}`);
    writeFileSync(control, Buffer.alloc(4096));
    const runner = join(import.meta.dirname, 'runner.mjs');
    return spawn(process.execPath, ['--no-warnings', runner, program, poller, ...args], {
      env: {
        ...process.env,
        LD_PRELOAD: shim,
        ASYNCORE_SWEEP_CONTROL: control,
        ASYNCORE_SWEEP_FOLDER: folder,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  }

  /** Takes what the runner writes, and gives how it ended. */
  async #follow(child) {
    const exited = once(child, 'exit');
    const kill = () => child.kill('SIGKILL');
    process.once('exit', kill);
    const ending = { at: null, place: null, failed: null, isFinished: false, hung: false };
    let stderr = '';
    child.stderr.on('data', (data) => {
      if (this.shows) process.stderr.write(data);
      stderr = (stderr + data).slice(-1500);
    });
    const watch = setTimeout(() => {
      ending.hung = true;
      kill();
    }, SILENT);
    for await (const text of createInterface({ input: child.stdout })) {
      watch.refresh();
      this.#take(JSON.parse(text), ending);
    }
    clearTimeout(watch);
    process.removeListener('exit', kill);
    const [code, signal] = await exited;
    return { ...ending, code, signal, stderr };
  }

  #take(line, ending) {
    if (line.at) {
      ending.at = line.at;
      ending.place = line.place;
      this.#seen = 0;
    }
    if (line.ran) this.results.ran(line.ran);
    if (line.complaints) this.#complain(line);
    if (line.seen) this.#seen = line.seen;
    if (line.failed) ending.failed = line.failed;
    if (line.finished) ending.isFinished = true;
  }

  #complain(complaint) {
    console.log(brief(this.results.complain(complaint)));
  }

  /** The arguments to begin again with, or null. */
  #next({ isFinished, failed, at, place, code, signal, hung, stderr }) {
    if (isFinished) return null;
    if (code !== RESTART) {
      const { program, poller } = this.results;
      const who = at === null ? `unaltered: ${program} on ${poller}, ` : '';
      const crash = hung
        ? `${who}hang: the thread has done nothing for ${SILENT} ms`
        : `${who}crash: code ${code}, signal ${signal} ${stderr}`;
      this.#complain({ place: place ?? BEGIN, complaints: [failed ?? crash] });
      this.#seen += CRASH;
    }
    if (failed || at === null || !this.begunAgain) return null;
    return ['--from', [...at, this.#seen].join()];
  }
}
