import { spawnSync } from 'node:child_process';
import { tmpdir } from 'node:os';
import { expect, it } from 'vitest';
import { runner } from './service.js';

/** Runs a command in a network of its own, in which the system chooses one of two numbers for a port. */
function among(...command: string[]) {
  const network = 'ip link set lo up && echo 40000 40001 >/proc/sys/net/ipv4/ip_local_port_range';
  const args = ['-rn', 'sh', '-c', `${network} && exec "$@"`, 'sh', ...command];
  return spawnSync('unshare', args, { encoding: 'utf8', timeout: 30_000 });
}

const isAble = among('true').status === 0;
const needs = isAble
  ? ''
  : ': needs unshare (util-linux), ip (iproute2) and user namespaces, or root';

/** Holds one of them at ::1, starts the example, shows its line, and ends both. */
const PROGRAM = `
import { spawn } from 'node:child_process';
import { createServer } from 'node:net';
const held = createServer().listen({ host: '::1', port: Number(process.argv[1]) }, () => {
  const child = spawn(process.execPath, process.argv.slice(2), { stdio: ['ignore', 'pipe', 'inherit'] });
  child.stdout.once('data', (line) => {
    process.stdout.write(line);
    child.kill();
  });
  child.on('exit', () => held.close());
});
`;

it.runIf(isAble).each([
  ['smtp_server', '--print', 40000],
  ['smtp_server', '--print', 40001],
  ['ftp_server', `--root=${tmpdir()}`, 40000],
  ['ftp_server', `--root=${tmpdir()}`, 40001],
])(
  `%s %s takes a port that is free at both addresses, where %i is not${needs}`,
  (name, option, held) => {
    const program = ['--input-type=module', '-e', PROGRAM, String(held)];
    const example = [runner, name, '--port', '0', option];
    const { stdout, stderr } = among(process.execPath, ...program, ...example);
    expect(stderr).toBe('');
    expect(stdout).toContain(`:${40000 + 40001 - held}\n`);
  },
);
