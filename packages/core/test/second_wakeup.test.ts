/** The loop's tests once more, with another Wakeup in the place of libuv's. */
// In a process of its own: all that loops in it gets another Wakeup.
import { use_wakeup } from '@asyncore/socket';
import { afterAll, expect } from 'vitest';
import { TurningWakeup } from './turning_wakeup.js';

use_wakeup((...args) => new TurningWakeup(...args));

await import('./loop.test.js');

afterAll(() => expect(TurningWakeup.made).toBeGreaterThan(100));
