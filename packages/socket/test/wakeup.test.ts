// In a process of its own: it replaces the Wakeup.
import {
  BEFORE_WAITING,
  epoll,
  kqueue,
  NEXT_TURN,
  NOTHING,
  new_wakeup,
  POLLIN,
  type Socket,
  use_wakeup,
  type Wakeup,
} from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  descriptors,
  entryUrl,
  failure,
  linuxOnly,
  onLinux,
  own,
  pair,
  run,
  thrown,
} from './support.js';

const x = Buffer.from('x');
const turn = () => new Promise((resolve) => setImmediate(resolve));
const newQueue = () => own(onLinux ? new epoll() : new kqueue());

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await turn();
}

/** A queue in which a socket is watched for reading, and the two ends of it. */
function watched() {
  const [a, b] = pair();
  const queue = newQueue();
  queue.register(a.fileno(), POLLIN);
  return { queue, a, b };
}

function watch(
  queue: { fileno(): number },
  ready: (again: boolean) => unknown,
  prepare = () => {},
): Wakeup {
  return own(new_wakeup(queue.fileno(), ready, prepare));
}

/** Calls `ready` until `done`, or fails after 5 seconds as every test does. */
function readyUntil(queue: { fileno(): number }, ready: () => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const watcher = watch(queue, () => {
      try {
        if (ready()) resolve(watcher.close());
      } catch (error) {
        reject(error);
      }
    });
  });
}

it('calls ready when something in the queue is ready', async () => {
  const { queue, a, b } = watched();
  const received: string[] = [];
  const done = readyUntil(queue, () => received.push(a.recv(10).toString()) === 3);
  for (const text of ['one', 'two', 'three']) {
    b.send(Buffer.from(text));
    while (received.at(-1) !== text) await turn();
  }
  await done;
  expect(received).toEqual(['one', 'two', 'three']);
});

it('calls ready again as long as something is ready', async () => {
  const { queue, b } = watched();
  b.send(x);
  let calls = 0;
  await readyUntil(queue, () => ++calls === 5);
});

it('does not call ready when nothing is', async () => {
  const { queue } = watched();
  let calls = 0;
  watch(queue, () => calls++);
  await turns(20);
  expect(calls).toBe(0);
});

it('does not call prepare when nothing is pending', async () => {
  const { queue } = watched();
  let calls = 0;
  const watcher = watch(
    queue,
    () => {},
    () => calls++,
  );
  await turns(20);
  expect(calls).toBe(0);
  watcher.pending = NEXT_TURN;
  watcher.pending = NOTHING;
  await turns(20);
  expect(calls).toBe(0);
});

it('NEXT_TURN: calls prepare once on every turn, until NOTHING', async () => {
  const { queue } = watched();
  const at: number[] = [];
  let now = 0;
  const watcher = watch(
    queue,
    () => {},
    () => {
      at.push(now);
      if (at.length === 3) watcher.pending = NOTHING;
    },
  );
  watcher.pending = NEXT_TURN;
  for (; now < 20; now++) await turn();
  expect(at.map((one) => one - at[0])).toEqual([0, 1, 2]);
});

it('BEFORE_WAITING, set in a microtask: calls prepare once more in the same turn', async () => {
  const { queue } = watched();
  const at: number[] = [];
  let now = 0;
  const watcher = watch(
    queue,
    () => {},
    () => {
      at.push(now);
      watcher.pending = NOTHING;
      if (at.length < 3) queueMicrotask(() => (watcher.pending = BEFORE_WAITING));
    },
  );
  watcher.pending = NEXT_TURN;
  for (; now < 20; now++) await turn();
  expect(at.map((one) => one - at[0])).toEqual([0, 0, 0]);
});

it.each([0, 1])(
  'BEFORE_WAITING, set for another: it prepares in the same turn (%i)',
  async (first) => {
    const at: number[] = [];
    let now = 0;
    const watchers: Wakeup[] = [0, 1].map((i) =>
      watch(
        newQueue(),
        () => {},
        () => {
          at.push(now);
          watchers[i].pending = NOTHING;
          if (i === first) watchers[1 - i].pending = BEFORE_WAITING;
        },
      ),
    );
    watchers[first].pending = NEXT_TURN;
    for (; now < 20; now++) await turn();
    expect(at.map((one) => one - at[0])).toEqual([0, 0]);
  },
);

it('a prepare that always asks for more does not hold up Node', async () => {
  const { queue } = watched();
  let calls = 0;
  const watcher = watch(
    queue,
    () => {},
    () => calls++,
  );
  watcher.pending = BEFORE_WAITING;
  await turns(3);
  expect(calls).toBeGreaterThan(100);
  watcher.close();
});

it('lets a timer keep its pace', async () => {
  const { queue } = watched();
  watch(queue, () => {});
  const start = performance.now();
  await new Promise<void>((resolve) => {
    let ticks = 0;
    const timer = setInterval(() => {
      if (++ticks < 100) return;
      clearInterval(timer);
      resolve();
    }, 1);
  });
  expect(performance.now() - start).toBeLessThan(1000);
});

it('runs microtasks and next ticks after ready', async () => {
  const { queue, b } = watched();
  b.send(x);
  const order: string[] = [];
  await readyUntil(queue, () => {
    if (order.length > 0) return true;
    order.push('ready');
    Promise.resolve().then(() => order.push('microtask'));
    process.nextTick(() => order.push('tick'));
    return false;
  });
  expect([...order].sort()).toEqual(['microtask', 'ready', 'tick']);
});

// Again on a machine that was busy with something else: there is a millisecond for it.
it('calls a ready that returns true again in the same turn', { retry: 9 }, async () => {
  const { queue, a, b } = watched();
  b.send(x);
  const order: string[] = [];
  let now = 0;
  watch(queue, () => {
    if (order.length === 0) a.recv(1); // the queue has nothing more to tell
    order.push(`ready ${now}`);
    queueMicrotask(() => order.push('microtask'));
    return order.length < 4;
  });
  for (; now < 20; now++) await turn();
  const [first] = order;
  expect(order).toEqual([first, 'microtask', first, 'microtask', first, 'microtask']);
});

it('prepares before it calls again a ready that returns true', async () => {
  const { queue, a, b } = watched();
  b.send(x);
  const order: string[] = [];
  const watcher = watch(
    queue,
    () => {
      a.recv(1);
      order.push('ready');
      queueMicrotask(() => (watcher.pending = BEFORE_WAITING));
      return true;
    },
    () => {
      order.push('prepare');
      watcher.pending = NOTHING;
    },
  );
  await turns(20);
  expect(order).toEqual(['ready', 'prepare']);
});

it('a ready that always returns true does not hold up Node', async () => {
  const { queue, b } = watched();
  b.send(x);
  const watcher = watch(queue, () => true);
  await turns(3);
  watcher.close();
});

it('may be closed in its own ready, and calls nothing after that', async () => {
  const { queue, b } = watched();
  b.send(x);
  const calls: string[] = [];
  const watcher = watch(
    queue,
    () => {
      calls.push('ready');
      watcher.close();
      watcher.pending = NEXT_TURN;
      return true;
    },
    () => calls.push('prepare'),
  );
  await turns(20);
  expect(calls).toEqual(['ready']);
});

it('may be closed in its own prepare, and calls nothing after that', async () => {
  const { queue, b } = watched();
  b.send(x);
  const calls: string[] = [];
  const watcher = watch(
    queue,
    () => calls.push('ready'),
    () => {
      calls.push('prepare');
      watcher.close();
    },
  );
  watcher.pending = BEFORE_WAITING;
  await turns(20);
  expect(calls).toEqual(['prepare']);
});

it('closed a second time does nothing', () => {
  const watcher = watch(newQueue(), () => {});
  const another = watch(newQueue(), () => {});
  watcher.close();
  watcher.close();
  another.close();
});

it('several watch several queues, and one queue', async () => {
  const all = [watched(), watched(), watched()];
  const called = [0, 0, 0, 0];
  const count = (i: number, a: Socket) => () => {
    called[i] += 1;
    if (i !== 3) a.recv(1);
  };
  all.forEach(({ queue, a }, i) => {
    watch(queue, count(i, a));
  });
  all[0].b.send(x);
  all[2].b.send(x);
  while (called[0] + called[2] < 2) await turn();
  expect(called).toEqual([1, 0, 1, 0]);
  watch(all[1].queue, count(3, all[1].a));
  all[1].b.send(x);
  while (called[3] === 0) await turn();
  expect(called[1]).toBeLessThanOrEqual(1);
});

it('one may close another', async () => {
  const all = [watched(), watched()];
  for (const { b } of all) b.send(x);
  let calls = 0;
  const watchers: Wakeup[] = all.map(({ queue }) =>
    watch(queue, () => {
      calls += 1;
      for (const watcher of watchers) watcher.close();
    }),
  );
  await turns(20);
  expect(calls).toBe(1);
});

it.skipIf(!onLinux)(linuxOnly('leaves no descriptor when closed'), async () => {
  const { queue } = watched();
  const before = descriptors();
  for (let i = 0; i < 50; i++) watch(queue, () => {}).close();
  await turns(3);
  expect(descriptors()).toEqual(before);
});

it('refuses what it cannot watch', () => {
  const queue = newQueue();
  const fd = queue.fileno();
  queue.close();
  for (const closed of [fd, -1, 2 ** 31 - 1]) {
    expect(
      failure(() =>
        new_wakeup(
          closed,
          () => {},
          () => {},
        ),
      ).code,
    ).toBe('EBADF');
  }
  const [a] = pair();
  for (const wrong of [null, undefined, 'ready', {}]) {
    expect(thrown(() => new_wakeup(a.fileno(), wrong as never, () => {}))).toBeInstanceOf(
      TypeError,
    );
    expect(thrown(() => new_wakeup(a.fileno(), () => {}, wrong as never))).toBeInstanceOf(
      TypeError,
    );
    expect(
      thrown(() =>
        new_wakeup(
          wrong as never,
          () => {},
          () => {},
        ),
      ),
    ).toBeInstanceOf(TypeError);
  }
});

it('says which call is another look in the same turn', { retry: 9 }, async () => {
  const { queue, a, b } = watched();
  const calls: boolean[] = [];
  watch(queue, (again) => {
    calls.push(again);
    if (!again) a.recv(1);
    return calls.length < 3;
  });
  b.send(x);
  while (calls.length < 3) await turn();
  b.send(x);
  while (calls.length < 4) await turn();
  expect(calls).toEqual([false, true, true, false]);
});

it('looks again seldom once that was in vain eight times in a row', { retry: 9 }, async () => {
  const { queue, a, b } = watched();
  let [waits, looks] = [0, 0];
  watch(queue, (again) => {
    if (again) looks += 1;
    else waits += a.recv(1).length;
    return !again;
  });
  for (let i = 1; i <= 40; i++) {
    b.send(x);
    while (waits < i) await turn();
  }
  expect(looks).toBeGreaterThanOrEqual(10); // eight, and one wait in eight of those that follow
  expect(looks).toBeLessThanOrEqual(14);
});

it('a microtask that closes it after ready ends the looks', async () => {
  const { queue, b } = watched();
  b.send(x);
  let calls = 0;
  const watcher = watch(queue, () => {
    calls += 1;
    queueMicrotask(() => watcher.close());
    return true;
  });
  await turns(20);
  expect(calls).toBe(1);
});

it('use_wakeup: another takes its place, until null', () => {
  const made: number[] = [];
  const close = () => {};
  own({ close: () => use_wakeup(null) });
  use_wakeup((queue) => {
    made.push(queue);
    return { pending: NOTHING, close };
  });
  const { queue } = watched();
  expect(watch(queue, () => {}).close).toBe(close);
  use_wakeup(null);
  expect(watch(queue, () => {}).close).not.toBe(close);
  expect(made).toEqual([queue.fileno()]);
});

// ---- what ends a process, or should not ----

const program = `
  import { epoll, kqueue, new_wakeup, NEXT_TURN, POLLIN, socketpair } from '@asyncore/socket';
  const queue = process.platform === 'linux' ? new epoll() : new kqueue();
  const [a, b] = socketpair();
  queue.register(a.fileno(), POLLIN);
  globalThis.kept = [a, b]; // what is collected is closed
  b.send(Buffer.from('x'));`;

it('keeps the process alive until it is closed', () => {
  const { status, stdout } = run(`${program}
    let calls = 0;
    const watcher = new_wakeup(queue.fileno(), () => {
      console.log(++calls);
      if (calls === 3) watcher.close();
    }, () => {});
    process.on('exit', () => console.log('exit'));`);
  expect([status, stdout]).toEqual([0, '1\n2\n3\nexit']);
});

it('does not mind that the queue is closed first', () => {
  const { status, signal, stdout } = run(`${program}
    const watcher = new_wakeup(queue.fileno(), () => {
      console.log('ready');
      watcher.close();
    }, () => {});
    queue.close();`);
  expect([status, signal, stdout]).toEqual([0, null, 'ready']);
});

it('what ready and prepare throw reaches uncaughtException, and it goes on', () => {
  const { status, stdout } = run(`${program}
    const seen = [];
    const watcher = new_wakeup(queue.fileno(),
      () => { throw new Error('in ready'); },
      () => { watcher.pending = 0; throw new Error('in prepare'); });
    watcher.pending = NEXT_TURN;
    process.on('uncaughtException', (error) => {
      console.log(error.message);
      if (seen.push(error) === 3) watcher.close();
    });`);
  expect([status, stdout]).toEqual([0, 'in prepare\nin ready\nin ready']);
});

it('what ready throws ends a process that does not listen for it', () => {
  const { status, stderr } = run(`${program}
    new_wakeup(queue.fileno(), () => { throw new Error('in ready'); }, () => {});`);
  expect(status).toBe(1);
  expect(stderr).toContain('Error: in ready');
});

it('process.exit in ready ends the process', () => {
  const { status, signal } = run(`${program}
    new_wakeup(queue.fileno(), () => process.exit(7), () => {});`);
  expect([status, signal]).toEqual([7, null]);
});

it.each(['bun', 'deno'])(
  'says in %s, which would end the process, that libuv is missing',
  (name) => {
    const { status, stdout } = run(`
    const versions = { ...process.versions, ${name}: '1.2.3' };
    globalThis.process = Object.create(process, { versions: { value: versions } });
    const { epoll, kqueue, new_wakeup } = await import(${JSON.stringify(entryUrl)});
    const queue = process.platform === 'linux' ? new epoll() : new kqueue();
    try {
      new_wakeup(queue.fileno(), () => {}, () => {});
    } catch (error) {
      console.log(error.message);
    }
    queue.close();`);
    expect({ status, stdout }).toEqual({
      status: 0,
      stdout: `a loop needs libuv, which ${name === 'bun' ? 'Bun' : 'Deno'} 1.2.3 lacks: run the program with Node.js, or use poll() and poll2() in place of loop()`,
    });
  },
);
