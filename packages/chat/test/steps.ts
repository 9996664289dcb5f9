/** Counts what code does instead of how long it takes, which depends on what else the machine does. */
import { Session } from 'node:inspector';
import { vi } from 'vitest';

interface Coverage {
  result: { url: string; functions: { ranges: { count: number }[] }[] }[];
}

const session = new Session();
session.connect();

function post(method: string, params: object = {}): unknown {
  let answer: unknown;
  session.post(method, params, (error, result) => {
    if (error) throw error;
    answer = result;
  });
  return answer; // sessions of a thread with itself answer at once
}

// V8 counts in what is compiled from now on, so what is to be counted is imported after this.
post('Profiler.enable');
post('Profiler.startPreciseCoverage', { callCount: true, detailed: true });

/** How often each block has run since the last call, added up. */
function blocksRun(): number {
  const { result } = post('Profiler.takePreciseCoverage') as Coverage;
  const ours = result.filter(({ url }) => url.includes('/dist/'));
  const ranges = ours.flatMap(({ functions }) => functions.flatMap((each) => each.ranges));
  return ranges.reduce((sum, { count }) => sum + count, 0);
}

/** How many blocks of the packages' code `work` runs, and bytes it has Node search or copy. */
export function steps(work: () => void): number {
  let bytes = 0;
  const { indexOf } = Buffer.prototype;
  const { concat } = Buffer;
  vi.spyOn(Buffer.prototype, 'indexOf').mockImplementation(function (this: Buffer, ...args) {
    const found = indexOf.apply(this, args as Parameters<typeof indexOf>);
    bytes += (found === -1 ? this.length : found) - Number(args[1] ?? 0);
    return found;
  });
  vi.spyOn(Buffer, 'concat').mockImplementation((list, length) => {
    const joined = concat(list, length);
    bytes += joined.length + list.length;
    return joined;
  });
  blocksRun();
  try {
    work();
    return blocksRun() + bytes;
  } finally {
    vi.restoreAllMocks();
  }
}
