/** One program on the system's kernel and on the simulated one, call by call. */
import { native } from '@asyncore/socket/kernel';
import { Kernel } from '../../dist/kernel/kernel.js';
import type { World } from '../../dist/kernel/world.js';
import { Machine, type Step } from './machine.js';

/** A network like Linux's lo. */
const immediate: World = {
  choose: () => 0,
  latency: () => 0,
  isBlackHole: () => false,
  isRefused: () => false,
  lookup: () => [],
  note: null,
};

/** The calls up to the first that is answered otherwise, or null; and how many there were. */
export function compared(steps: readonly Step[]): { difference: string | null; calls: number } {
  const kernel = new Kernel(immediate);
  const simulated = new Machine(kernel.binding, () => kernel.land());
  const real = new Machine(native, () => {});
  const lines: string[] = [];
  try {
    for (const step of steps) {
      const [wanted, got] = [real.run(step), simulated.run(step)];
      const title = `${step.join(' ').padEnd(16)} ${wanted}`;
      if (wanted === got) {
        lines.push(title);
        continue;
      }
      lines.push(`${title}, simulated ${got}`);
      return { difference: `\n${lines.join('\n')}`, calls: lines.length };
    }
    return { difference: null, calls: lines.length };
  } finally {
    real.end();
    simulated.end();
  }
}
