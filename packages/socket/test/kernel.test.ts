/** Another binding and another clock in the place of the system's. */
import {
  type Address,
  AF_INET,
  errno,
  gaierror,
  poll,
  read,
  resolve,
  Socket,
  select,
} from '@asyncore/socket';
import {
  type Binding,
  binding,
  clock,
  native,
  on_change,
  use_binding,
  use_clock,
} from '@asyncore/socket/kernel';
import { afterEach, expect, it, onTestFinished } from 'vitest';
import { own, run } from './support.js';

afterEach(() => {
  use_binding(native);
  use_clock(null);
});

it('a binding in the place of the native one gets every call', () => {
  const calls: unknown[] = [];
  const before = use_binding({
    ...native,
    socket: (...args) => calls.push(['socket', ...args]) + 6,
    read: (...args) => calls.push(['read', args[0], args[2]]) - 2,
    close: (...args) => calls.push(['close', ...args]) - 3,
  });
  expect(before).toBe(native);
  const socket = new Socket();
  expect(read(3, 5)).toEqual(Buffer.alloc(0));
  socket.close();
  expect(calls).toEqual([
    ['socket', AF_INET, 1, 0],
    ['read', 3, 5],
    ['close', 7],
  ]);
  expect(use_binding(native)).not.toBe(native);
  expect(own(new Socket()).fileno()).toBeGreaterThan(2);
});

it('a native function is called without its object, and so may another be', async () => {
  const unbound = Object.fromEntries(
    Object.entries(native).map(([name, value]) => {
      if (typeof value !== 'function') return [name, value];
      return [
        name,
        function (this: unknown, ...args: unknown[]) {
          if (this !== used && this !== undefined) throw new Error(`${name} has another this`);
          return Reflect.apply(value, undefined, args);
        },
      ];
    }),
  ) as unknown as Binding; // the same names and functions
  const used = unbound;
  use_binding(unbound);
  const listener = own(new Socket());
  listener.bind(['127.0.0.1', 0]);
  listener.listen();
  const client = own(new Socket());
  client.connect_ex(listener.getsockname());
  const poller = new poll();
  poller.register(listener.fileno(), 1);
  expect(poller.poll(5)).toEqual([[listener.fileno(), 1]]);
  const [server] = listener.accept();
  own(server).send(Buffer.from('x'));
  expect(client.recv(1).toString()).toBe('x');
});

it('a change is told to those who asked for it, once it is made', () => {
  const seen: boolean[] = [];
  on_change(() => seen.push(binding === native));
  use_binding({ ...native });
  use_binding(native);
  expect(seen).toEqual([false, true]);
});

it('a descriptor is closed by the binding that made it, and its releases are kept apart', () => {
  const closed: number[] = [];
  const other = (): Binding => ({
    ...native,
    own: () => 0,
    socket: () => 1 << 21,
    close: (fd) => closed.push(fd) - 1,
  });
  const told: string[] = [];
  use_binding(other());
  const first = new Socket();
  first.on_release(() => told.push('first'));
  use_binding(other());
  const second = new Socket(); // of the same number
  second.on_release(() => told.push('second'));
  use_binding(native);
  first.close();
  expect(told).toEqual(['first']);
  second.close();
  expect([told, closed.length]).toEqual([['first', 'second'], 2]);
});

it('what is collected is closed where it was made', () => {
  const { stdout } = run(
    `
    import { Socket } from '@asyncore/socket';
    import { native, use_binding } from '@asyncore/socket/kernel';
    const closed = [];
    const warned = new Promise((resolve) => process.on('warning', resolve));
    const other = { ...native, own: () => 0, socket: () => 1 << 21, close: (fd) => closed.push(fd) };
    use_binding(other);
    (() => { new Socket(); })();
    use_binding(native);
    const collect = setInterval(gc, 1);
    await warned;
    await new Promise((resolve) => setImmediate(resolve));
    clearInterval(collect);
    console.log(use_binding(other) === native, closed);`,
    '--expose-gc',
    '--no-warnings',
  );
  expect(stdout).toBe('true [ 2097152 ]');
});

it('the binding says which descriptors select(2) refuses', () => {
  use_binding({ ...native, fd_setsize: 5 });
  const poller = new select();
  expect(() => poller.register(5, 1)).toThrow(
    'select: descriptor 5 is too high, select(2) takes those below 5 (FD_SETSIZE)',
  );
  poller.register(4, 1);
});

it('the binding looks names up', async () => {
  const asked: [string, number][] = [];
  use_binding({
    ...native,
    async lookup(host, family) {
      asked.push([host, family]);
      if (host !== 'here') throw Object.assign(new Error('not here'), { errno: -3008 });
      return [{ address: '10.0.0.1', family }];
    },
  });
  const found: Address = await resolve(AF_INET, ['here', 80]);
  expect(found).toEqual(['10.0.0.1', 80]);
  const error = await resolve(AF_INET, ['there', 80]).catch((error) => error);
  expect(error).toBeInstanceOf(gaierror);
  expect(error.code).toBe('ENOTFOUND');
  expect(asked).toEqual([
    ['here', 4],
    ['there', 4],
  ]);
});

it('a wait that a signal breaks off goes on for what is left by the clock', () => {
  let now = 1000;
  const waits: number[] = [];
  use_clock({ ...clock, now: () => now });
  use_binding({
    ...native,
    poll(_pairs, _count, timeout) {
      waits.push(timeout);
      now += 400;
      return waits.length < 3 ? -errno.EINTR : 0;
    },
  });
  const poller = new poll();
  expect(poller.poll(1)).toEqual([]);
  expect(waits).toEqual([1000, 600, 200]);
});

it('the clock is that of Node, fake timers included, until another takes its place', () => {
  const { now } = performance;
  onTestFinished(() => {
    performance.now = now;
  });
  performance.now = () => 12345;
  expect(clock.now()).toBe(12345);
  const before = use_clock({ ...clock, now: () => 1 });
  expect(clock.now()).toBe(1);
  expect(use_clock(before).now()).toBe(1);
  expect(clock.now()).toBe(12345);
});
