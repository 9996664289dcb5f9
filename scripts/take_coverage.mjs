/** Vitest's setupFiles of `npm run coverage`: vitest may end its workers before they write what they have run. */
import { takeCoverage } from 'node:v8';
import { afterAll } from 'vitest';

afterAll(() => takeCoverage());
