import { close, get_blocking, Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import { run, thrown } from './support.js';

/** Runs `use` in a function that has returned, collects, and prints warnings and what is open. */
const collecting = (use: string) => `
  import * as socket from '@asyncore/socket';
  const warnings = [];
  process.on('warning', ({ name, message }) => warnings.push(name + ': ' + message));
  const turn = () => new Promise((resolve) => setImmediate(resolve));
  const fd = await (async () => { ${use} })();
  for (let i = 0; i < 50 && warnings.length === 0; i++) {
    gc();
    await turn();
  }
  await turn();
  let open = true;
  try { socket.get_blocking(fd); } catch { open = false; }
  console.log(JSON.stringify({ fd, warnings, open }));`;

const collected = (use: string) => {
  const { stdout, stderr } = run(collecting(use), '--expose-gc', '--no-warnings');
  expect(stderr).toBe('');
  return JSON.parse(stdout);
};

it('a Socket collected unclosed closes itself and says so', () => {
  const { fd, warnings, open } = collected('return new socket.Socket().fileno();');
  expect(warnings).toEqual([`ResourceWarning: unclosed Socket fd=${fd}`]);
  expect(open).toBe(false);
});

it('so does a queue, by its name', () => {
  const name = process.platform === 'linux' ? 'epoll' : 'kqueue';
  const { fd, warnings, open } = collected(`return new socket.${name}().fileno();`);
  expect(warnings).toEqual([`ResourceWarning: unclosed ${name} fd=${fd}`]);
  expect(open).toBe(false);
});

it('a closed one says nothing', () => {
  const { warnings, open } = collected(`
    const one = new socket.Socket();
    const fd = one.fileno();
    one.close();
    return fd;`);
  expect([warnings, open]).toEqual([[], false]);
});

it('one that gave its descriptor away says nothing and leaves it open', () => {
  const { warnings, open } = collected('return new socket.Socket().detach();');
  expect([warnings, open]).toEqual([[], true]);
});

it('one that is still in use is left alone', () => {
  const { warnings, open } = collected(`
    globalThis.kept = new socket.Socket();
    return kept.fileno();`);
  expect([warnings, open]).toEqual([[], true]);
});

it('on_release tells of one that is collected, and is let go with it', () => {
  const { warnings, open } = collected(`
    const one = new socket.Socket();
    one.on_release(() => warnings.push('released'));
    return one.fileno();`);
  expect([warnings[0], open]).toEqual(['released', false]);
});

it('so does one of a class that is collected with it', () => {
  const { fd, warnings, open } = collected(`
    class Local extends socket.Socket {}
    return new Local().fileno();`);
  expect(warnings).toEqual([`ResourceWarning: unclosed Local fd=${fd}`]);
  expect(open).toBe(false);
});

it('one of another class that comes after a closed one goes by its own name', () => {
  const { fd, warnings, open } = collected(`
    new (class Local extends socket.Socket {})().close();
    return new socket.Socket().fileno();`);
  expect(warnings).toEqual([`ResourceWarning: unclosed Socket fd=${fd}`]);
  expect(open).toBe(false);
});

it('each tells its own release of its end', () => {
  const { warnings } = collected(`
    const give = (name) => new socket.Descriptor(socket.dup(0), () => warnings.push(name));
    new socket.Descriptor(socket.dup(0));
    give('first');
    give('second');
    return 0;`);
  expect(warnings.slice(0, 2).toSorted()).toEqual(['first', 'second']);
});

it('each of several that are collected, one after the other too', () => {
  const { warnings } = collected(`
    const leak = async (count) => {
      const before = warnings.length;
      for (let i = 0; i < count; i++) new socket.Socket();
      for (let i = 0; i < 50 && warnings.length < before + count; i++) {
        gc();
        await turn();
      }
    };
    await leak(3);
    await leak(2);
    return 0;`);
  expect(warnings).toHaveLength(5);
});

it('small collections free what is closed', () => {
  const use = `
    import { Socket } from '@asyncore/socket';
    const round = () => {
      for (let i = 0; i < 2000; i++) new Socket().close();
      gc({ type: 'minor' });
      return process.memoryUsage().heapUsed;
    };
    for (let i = 0; i < 5; i++) round();
    const before = round();
    let after = 0;
    for (let i = 0; i < 10; i++) after = round();
    console.log(after - before);`;
  // Were each one kept until a large collection, it would be 1.5 MB.
  expect(Number(run(use, '--expose-gc').stdout)).toBeLessThan(500_000);
});

it('on_release tells everybody, after the descriptor was closed, whatever they throw', () => {
  const socket = new Socket();
  const fd = socket.fileno();
  const told: unknown[] = [];
  const tell = () => {
    told.push(thrown(() => get_blocking(fd)));
    throw new Error('mine');
  };
  socket.on_release(tell);
  socket.on_release(tell);
  expect(() => socket.close()).toThrow('mine');
  expect(told).toEqual([
    expect.objectContaining({ code: 'EBADF' }),
    expect.objectContaining({ code: 'EBADF' }),
  ]);
});

it.each(['close', 'detach'] as const)('on_release tells of %s, once', (method) => {
  const socket = new Socket();
  let told = 0;
  socket.on_release(() => (told += 1));
  const fd = socket.fileno();
  for (let i = 0; i < 2; i++) socket[method]();
  if (method === 'detach') close(fd);
  expect(told).toBe(1);
  expect(() => socket.on_release(null as never)).toThrow('on_release: callback must be a function');
});
