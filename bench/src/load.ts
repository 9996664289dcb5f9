import { Child } from './child.js';

/** What a run came to. */
export interface Run {
  units: number;
  seconds: number;
}

/** When a run ends, whichever comes first. */
export interface Limit {
  seconds: number;
  requests: number;
}

/** The load generator of native/load.c. */
export class Load {
  readonly #child: Child;

  constructor(program: string, core: number, port: string) {
    this.#child = new Child('the load', core, [program, port]);
  }

  open(count: number): Promise<Run> {
    return this.#command(`open ${count}`);
  }

  run(kind: 'talk' | 'churn' | 'datagrams', count: number, size: number, limit: Limit) {
    return this.#command(`${kind} ${count} ${size} ${limit.seconds} ${limit.requests}`);
  }

  close(): Promise<Run> {
    return this.#command('close');
  }

  stop(): Promise<void> {
    return this.#child.stop();
  }

  async #command(line: string): Promise<Run> {
    this.#child.say(line);
    const [, units, seconds] = await this.#child.heard(/^(\d+) (\S+)$/);
    return { units: Number(units), seconds: Number(seconds) };
  }
}
