import type { OpenFile } from './open_file.js';

/** What the kernel is told from outside: how the network behaves, and where to write a trace. */
export interface World {
  /** A number from 0 to below `n`; 0 is what usually happens. */
  choose(n: number, label: string): number;
  /** How many milliseconds something takes: 'SYN', 'data', 'DNS' and so on. */
  latency(kind: string): number;
  /** Whether everything to and from a place is lost. */
  isBlackHole(host: string, port: number): boolean;
  /** Whether connections to a place are refused, whoever listens there. */
  isRefused(host: string, port: number): boolean;
  /** The addresses of a name. */
  lookup(host: string, family: number): { address: string; family: number }[];
  /** Notes what happens, for a trace; null when nobody reads it. */
  readonly note: ((who: OpenFile | null, what: string) => void) | null;
}
