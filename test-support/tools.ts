import { spawnSync } from 'node:child_process';

/**
 * Whether a program that tests drive is there: `command` runs and succeeds.
 *
 * @throws Error instead where CI is set, on Linux, with the `cure`: what nobody runs must not be green
 */
export function has(cure: string, command: string, ...args: string[]): boolean {
  const { error, status } = spawnSync(command, args, { stdio: 'ignore', timeout: 60_000 });
  const isThere = error === undefined && status === 0;
  if (!isThere && process.env.CI && process.platform === 'linux') throw new Error(`CI: ${cure}`);
  return isThere;
}
