import type { FTPHandler } from './control_channel.js';

/** What a command does, and what must be so before it may. */
export interface Command {
  /** What follows it. */
  argument: 'none' | 'one' | 'any';
  /** Whether it may come before the password. */
  isOpen?: boolean;
  /** Whether it changes files. */
  writes?: boolean;
  /** Gives the answer; nothing if that comes later. What it throws is told by its code. */
  run(session: FTPHandler, argument: string): string | undefined;
}
