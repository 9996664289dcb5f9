import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '../..');
const github = (...path: string[]) => readFileSync(join(root, '.github', ...path), 'utf8');
const labels = Array.from(github('labels.yml').matchAll(/\{ name: ([^,]+),/g), ([, name]) => name);

it.each(readdirSync(join(root, '.github/workflows')))(
  '%s names actions by their digests',
  (name) => {
    const used = Array.from(
      github('workflows', name).matchAll(/uses: (.*)/g),
      ([, action]) => action,
    );
    expect(used.length).toBeGreaterThan(0);
    expect(used.filter((action) => !/^[\w/-]+@[0-9a-f]{40} # v[\d.]+$/.test(action))).toEqual([]);
  },
);

it.each(['.ci/run', '.github/workflows/check.yml', '.devcontainer/devcontainer.json'])(
  '%s installs what tests drive by the one list of it, .ci/tools',
  (file) => {
    const text = readFileSync(join(root, file), 'utf8');
    expect(text).toContain('.ci/tools');
    const tools = readFileSync(join(root, '.ci/tools'), 'utf8').trimEnd().split('\n');
    const again = tools.filter((name) => name.includes('-') && text.includes(name));
    expect(again).toEqual([]);
  },
);

it('there is a label for each package, and for what workflows wait for', () => {
  const [, waited] = /labels\.\*\.name, '(.*)'/.exec(github('workflows/bench.yml')) ?? [];
  const wanted = [...readdirSync(join(root, 'packages')), waited];
  expect(wanted.filter((name) => !labels.includes(name))).toEqual([]);
});

it('bench.yml measures cases that there are', () => {
  const [, cases = ''] = /--only (\S+)/.exec(github('workflows/bench.yml')) ?? [];
  const results = JSON.parse(readFileSync(join(root, 'bench/results/results.json'), 'utf8'));
  const known = results.cases.map(({ name }: { name: string }) => name);
  expect(cases.split(',').filter((name) => !known.includes(name))).toEqual([]);
});
