import type { Sample } from './cases.js';

/** What a run of the benchmark leaves behind: every figure of every round. */
export interface Results {
  /** What the figures depend on, by name: processor, kernel, versions. */
  machine: Record<string, string>;
  cases: CaseResult[];
}

export interface CaseResult {
  name: string;
  title: string;
  cost: string;
  rate: string | null;
  /** What measured it. */
  command: string;
  servers: ServerResult[];
}

export interface ServerResult {
  name: string;
  label: string;
  isOurs: boolean;
  isYardstick: boolean;
  /** One for each round; null where it failed. */
  samples: (Sample | null)[];
}

/** A median, with the least and the most. */
export interface Spread {
  median: number;
  least: number;
  most: number;
}

/** Null without numbers. */
export function spread(numbers: readonly number[]): Spread | null {
  if (numbers.length === 0) return null;
  const sorted = numbers.toSorted((a, b) => a - b);
  const half = sorted.length >> 1;
  const median = sorted.length % 2 ? sorted[half] : (sorted[half - 1] + sorted[half]) / 2;
  return { median, least: sorted[0], most: sorted[sorted.length - 1] };
}

/** One figure of a server over the rounds. */
export function figures(server: ServerResult, key: 'cost' | 'rate' | 'heap'): Spread | null {
  return spread(server.samples.flatMap((sample) => sample?.[key] ?? []));
}

/** How a server's figure compares to another's of the same round. */
export function ratios(
  server: ServerResult,
  other: ServerResult | undefined,
  key: 'cost' | 'rate',
): Spread | null {
  return spread(
    server.samples.flatMap((sample, round) => {
      const [mine, theirs] = [sample?.[key], other?.samples[round]?.[key]];
      return mine != null && theirs != null ? mine / theirs : [];
    }),
  );
}

/** What a case's servers are compared to: C, redis-server and node:net, then other checkouts. */
export function yardsticks({ servers }: CaseResult): ServerResult[] {
  const all = servers.filter((server) => server.isYardstick);
  return [...all.filter((server) => !server.isOurs), ...all.filter((server) => server.isOurs)];
}
