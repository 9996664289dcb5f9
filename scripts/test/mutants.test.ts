import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { places } from '../mutants/places.mjs';

const root = join(import.meta.dirname, '../..');

it.each(places.map((place) => [place.name, place] as const))(
  'npm run mutants finds the place of: %s',
  (_, { folder, module, from, to }) => {
    const text = readFileSync(join(root, 'packages', folder, 'dist', `${module}.js`), 'utf8');
    const broken = text.replace(from, to);
    expect(broken).not.toBe(text);
    // A string that is there twice may be broken at the wrong one.
    if (typeof from === 'string') expect(text.split(from).length).toBe(2);
  },
);
