import { spawnSync } from 'node:child_process';

/** For the title of tests that need a referee: how to make them run. */
export const NO_REFEREE =
  'needs a Python up to 3.11: install python3.11, or set PYTHON to the path of one';

/**
 * The Python that `PYTHON` names, or the first that is found, if it still has `module` (asyncore,
 * asynchat or smtpd); else undefined.
 *
 * @throws Error instead where CI is set, on Linux: what nobody compares must not be green
 */
export function referee(module: string): string | undefined {
  const { PYTHON, CI } = process.env;
  const commands = PYTHON ? [PYTHON] : ['python3.11', 'python3', 'python3.10', 'python3.9'];
  const args = ['-W', 'ignore', '-c', `import ${module}`];
  const found = commands.find((command) => spawnSync(command, args).status === 0);
  if (!found && CI && process.platform === 'linux') throw new Error(`CI ${NO_REFEREE}`);
  return found;
}
