/** Files of the system that tell of a change with POLLPRI, once, to the first who asks. */
import { execFileSync, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { onEveryPoller, type UsePoll } from '@asyncore/test-support/stage';
import { describe, expect, it } from 'vitest';

const isAble = spawnSync('unshare', ['-m', 'true']).status === 0;
const unable = isAble ? '' : ' (runs on Linux as root: sudo npx vitest run changing_file)';

const packages = (path: string) => fileURLToPath(new URL(`../../../${path}`, import.meta.url));

/** What a program prints, in a namespace of its own for mounts. */
function inNamespace(use_poll: UsePoll, body: string): string {
  const program = `
    import { closeSync, openSync } from 'node:fs';
    import { execFileSync } from 'node:child_process';
    import { dispatcher, loop, poll2 } from '${packages('core/dist/index.js')}';
    import { file_dispatcher } from '${packages('file/dist/index.js')}';
    import { socketpair } from '${packages('socket/dist/index.js')}';
    const map = new Map();
    const fd = openSync('/proc/self/mounts', 'r');
    const mount = () => execFileSync('mount', ['-t', 'tmpfs', 'none', '/mnt']);
    let told = 0;
    class Mounts extends file_dispatcher {
      readable() { return false; }
      handle_expt() { told += 1; this.changed?.(); }
    }
    const run = (options) => loop({ use_poll: ${use_poll}, map, ...options });
    ${body}
    console.log(told);`;
  return execFileSync('unshare', ['-m', process.execPath, '--input-type=module', '-e', program], {
    encoding: 'utf8',
    timeout: 20_000,
  }).trim();
}

describe.skipIf(unable !== '')(`/proc/self/mounts${unable}`, () => {
  onEveryPoller((use_poll) => {
    it('tells of each change while the loop waits', () => {
      const told = inNamespace(
        use_poll,
        `const mounts = new Mounts(fd, map);
        mounts.changed = () => { if (told < 4) setTimeout(mount, 5); else mounts.close(); };
        setTimeout(mount, 5);
        await run();`,
      );
      expect(told).toBe('4');
    });

    it('tells of what changed before the loop waits', () => {
      const told = inNamespace(
        use_poll,
        `const mounts = new Mounts(fd, map);
        mounts.changed = () => mounts.close();
        const running = run();
        mount();
        await running;`,
      );
      expect(told).toBe('1');
    });

    it('tells it beside busy channels', () => {
      const told = inNamespace(
        use_poll,
        `const mounts = new Mounts(fd, map);
        const [a, b] = socketpair();
        const busy = new dispatcher(a, map);
        busy.handle_read = () => { busy.recv(10); b.send(Buffer.from('x')); };
        b.send(Buffer.from('x'));
        mounts.changed = () => {
          if (told < 4) setTimeout(mount, 5);
          else { mounts.close(); busy.close(); }
        };
        setTimeout(mount, 5);
        await run();
        b.close();`,
      );
      expect(told).toBe('4');
    });

    it('tells nothing where nothing changes, and costs no passes', () => {
      const told = inNamespace(
        use_poll,
        `const mounts = new Mounts(fd, map);
        const before = process.cpuUsage().user;
        await run({ timeout: 0.2, count: 1 });
        mounts.close();`,
      );
      expect(told).toBe('0');
    });

    it('changes hands between the loop and a synchronous pass', () => {
      const told = inNamespace(
        use_poll,
        `const mounts = new Mounts(fd, map);
        setTimeout(() => { mount(); poll2(0, map); mount(); }, 5);
        mounts.changed = () => { if (told === 2) mounts.close(); };
        await run();`,
      );
      expect(told).toBe('2');
    });
  });

  it('is told each change by poll2', () => {
    const told = inNamespace(
      undefined,
      `const mounts = new Mounts(fd, map);
      for (let i = 0; i < 4; i++) { mount(); poll2(0.1, map); }
      mounts.close();`,
    );
    expect(told).toBe('4');
  });
});
