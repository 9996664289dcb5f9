/** What core does when another binding and another clock are in the place of the system's. */
import { type channel_map, dispatcher, loop } from '@asyncore/core';
import { socketpair } from '@asyncore/socket';
import { clock, native, use_binding, use_clock } from '@asyncore/socket/kernel';
import { afterEach, expect, it } from 'vitest';
import { own } from './support.js';

afterEach(() => {
  use_binding(native);
  use_clock(null);
});

class Silent extends dispatcher {
  override timeout = 0.02;
  override writable(): boolean {
    return false;
  }
  override handle_timeout(): void {
    this.close();
  }
}

function silent(map: channel_map): Silent {
  const [ours, theirs] = socketpair();
  own(theirs);
  return new Silent(ours, map);
}

it('timeouts forget the times of another clock', async () => {
  const map: channel_map = new Map();
  const hourAhead = { ...clock, now: () => performance.now() + 3_600_000 };
  use_clock(hourAhead);
  const first = silent(map);
  const ended = loop({ map });
  await new Promise((resolve) => setImmediate(resolve));
  first.close();
  await ended;
  use_clock(null);
  silent(map);
  await loop({ map }); // for ever, if the look were still an hour away
  expect(map.size).toBe(0);
});

it('every wait and every timer is asked of the clock', async () => {
  const asked = new Set<string>();
  const names = ['now', 'setTimeout', 'clearTimeout', 'setImmediate'] as const;
  const real = clock;
  const told = { ...real };
  for (const name of names) {
    Object.assign(told, {
      [name](...args: unknown[]) {
        asked.add(name);
        return Reflect.apply(real[name], undefined, args);
      },
    });
  }
  use_clock(told);
  const map: channel_map = new Map();
  silent(map);
  await loop({ map });
  expect([...asked].sort()).toEqual([...names].sort());
});

it('a loop waits by epoll where the binding has it', async () => {
  const made: string[] = [];
  use_binding({
    ...native,
    epoll_create:
      native.epoll_create && (() => (made.push('epoll') && native.epoll_create?.()) || 0),
    kqueue_create:
      native.kqueue_create && (() => (made.push('kqueue') && native.kqueue_create?.()) || 0),
  });
  const map: channel_map = new Map();
  silent(map);
  await loop({ map });
  expect(made).toEqual([native.epoll_create ? 'epoll' : 'kqueue']);
});
