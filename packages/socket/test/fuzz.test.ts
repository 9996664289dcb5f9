import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const seconds = Number(process.env.ASYNCORE_FUZZ_SECONDS ?? 2);
const seed = Number(process.env.ASYNCORE_FUZZ_SEED ?? Date.now() % 2 ** 32);
const program = join(import.meta.dirname, 'fuzz.mjs');

it(
  'no call of a native function, with any arguments, ends the process',
  () => {
    const cwd = mkdtempSync(join(tmpdir(), 'asyncore'));
    const result = spawnSync(process.execPath, [program, String(seed), String(seconds)], {
      cwd,
      encoding: 'utf8',
      timeout: (seconds + 30) * 1000,
    });
    rmSync(cwd, { recursive: true });
    const { status, signal, stderr } = result;
    const again = `ASYNCORE_FUZZ_TRACE=1 node ${program} ${seed} ${seconds}`;
    expect({ status, signal, stderr }, again).toEqual({ status: 0, signal: null, stderr: '' });
    expect(Number(result.stdout)).toBeGreaterThan(1000);
  },
  (seconds + 60) * 1000,
);
