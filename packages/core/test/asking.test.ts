/** Which channels the loop asks what they wait for, when, and how soon it sees a change. */
import { closeSync, openSync, readSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import {
  announce_changes,
  close_all,
  dispatcher,
  dispatcher_with_send,
  endpoint,
  loop,
  poll2,
} from '@asyncore/core';
import { AF_UNIX, MSG_OOB } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { connection, countPasses, duck, onEveryPoller, own, Recorder, Stage } from './support.js';

const hello = Buffer.from('hello');

/** Says each time it is asked; its answers change only when it says so. */
class Settled extends Recorder {
  override readable(): boolean {
    this.stage.say('asked');
    return true;
  }
  override writable(): boolean {
    return false;
  }
}
announce_changes(Settled.prototype, 'readable', 'writable');

/** Overrides what Settled has, and is asked on every pass therefore. */
class Restless extends Settled {
  override readable(): boolean {
    return super.readable();
  }
}

onEveryPoller((use_poll) => {
  describe('a quiet channel', () => {
    it('is asked once, however many passes there are', async () => {
      const stage = new Stage(use_poll);
      new Settled(stage, connection()[0]);
      await stage.passes(50);
      expect(stage.trace).toEqual(['asked']);
    });

    it('is asked again after it did something', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      new Settled(stage, ours);
      setTimeout(() => theirs.send(hello), 5);
      await stage.until('read 5');
      await stage.passes(); // in another loop, which asks once more
      expect(stage.trace).toEqual(['asked', 'read 5', 'asked', 'asked']);
    });

    it('that goes on reading is asked by two predicates alone', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = own(new dispatcher_with_send(ours, stage.map));
      const known = channel[endpoint];
      const { interest } = known;
      let asked = 0;
      known.interest = () => {
        asked += 1;
        return interest.call(known);
      };
      channel.handle_read = () => {
        stage.say(`read ${channel.recv(10).length}`);
        channel.send(hello);
        if (stage.trace.length < 20) theirs.send(hello);
      };
      theirs.send(hello);
      await stage.until(() => stage.trace.length === 20);
      expect(asked).toBe(1);
    });

    it('is told of urgent data after a timer that read such data and answered at once', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = own(new dispatcher_with_send(ours, stage.map));
      channel.handle_read = () => void channel.recv(10);
      channel.handle_expt = () => {
        stage.say('urgent');
        if (stage.count('urgent') === 2) return;
        setTimeout(() => {
          channel.recv(1, MSG_OOB);
          channel.send(hello);
          setTimeout(() => theirs.send(hello, MSG_OOB), 5);
        }, 5);
      };
      theirs.send(hello, MSG_OOB);
      await stage.until(() => stage.count('urgent') === 2);
    });

    it('costs an active one nothing', async () => {
      const stage = new Stage(use_poll);
      const quiet = new Stage(use_poll, stage.map);
      for (let i = 0; i < 200; i++) new Settled(quiet, connection()[0]);
      await stage.passes(1);
      quiet.trace.length = 0;
      const [ours, theirs] = connection();
      const channel = new Recorder(stage, ours);
      channel.handle_read = () => {
        channel.recv(10);
        stage.say('read');
        theirs.send(hello);
      };
      theirs.send(hello);
      await stage.until(() => stage.count('read') === 100);
      expect(quiet.trace.length).toBe(200); // when the loop began
    });
  });

  it('a channel whose class overrides a predicate is asked on every pass', async () => {
    const stage = new Stage(use_poll);
    new Restless(stage, connection()[0]);
    await stage.passes(10);
    expect(stage.trace.length).toBeGreaterThanOrEqual(10);
  });

  it('a channel served by a pass of its own, between two of the loop, is asked again', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    class Once extends Recorder {
      override readable(): boolean {
        return stage.trace.length === 0;
      }
      override handle_read(): void {
        this.stage.say(`read ${this.recv(1)}`);
      }
    }
    new Once(stage, ours);
    // What is ready first in the same turn of Node's loop belongs to another loop.
    const other = new Stage(use_poll);
    const [near, far] = connection();
    const neighbour = new Recorder(other, near);
    neighbour.handle_read = () => {
      neighbour.close();
      poll2(0, stage.map);
    };
    setTimeout(() => {
      far.send(hello);
      theirs.send(hello);
    }, 5);
    await Promise.all([other.loop(), stage.loop({ timeout: 0.1, count: 2 })]);
    expect(stage.trace).toEqual(['read h']);
  });

  it('an object without more than the methods is asked on every pass', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const object = duck({
      readable: () => {
        stage.say('asked');
        return true;
      },
      handle_read_event: () => stage.say(`read ${ours.recv(10)}`),
    });
    stage.map.set(ours.fileno(), object);
    await stage.passes(10);
    expect(stage.count('asked')).toBeGreaterThanOrEqual(10);
    theirs.send(hello);
    await stage.until('read hello');
  });

  it('an object gets the events that it waits for', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const object = duck({
      readable: () => stage.count('write') > 0,
      writable: () => stage.count('write') === 0,
      handle_read_event: () => {
        stage.say('read');
        throw new Error('spam');
      },
      handle_write_event: () => stage.say('write'),
      handle_error: (error) => {
        stage.say(`error ${(error as Error).message}`);
        stage.map.clear();
      },
    });
    stage.map.set(ours.fileno(), object);
    theirs.send(hello);
    await stage.loop();
    expect(stage.trace).toEqual(['write', 'read', 'error spam']);
  });

  describe('an object with an async handler', () => {
    it.each(['handle_read_event', 'handle_write_event', 'handle_expt_event'] as const)(
      'is not told again while %s is pending',
      async (handler) => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = connection();
        let done = () => {};
        const object = duck({
          readable: () => handler !== 'handle_write_event',
          writable: () => handler === 'handle_write_event',
          [handler]: () => {
            stage.say('begins');
            return new Promise<void>((resolve) => {
              done = resolve;
            });
          },
        });
        if (handler === 'handle_expt_event') object.handle_read_event = () => void ours.recv(10);
        stage.map.set(ours.fileno(), object);
        theirs.send(hello, handler === 'handle_expt_event' ? MSG_OOB : 0);
        await stage.until('begins');
        const passes = countPasses();
        expect(await stage.isIdle()).toBe(true);
        expect([stage.count('begins'), passes() < 20]).toEqual([1, true]);
        setTimeout(() => {
          done();
          if (handler !== 'handle_expt_event') return;
          ours.recv(1, MSG_OOB);
          setTimeout(() => theirs.send(hello, MSG_OOB), 5);
        }, 5);
        await stage.until(() => stage.count('begins') === 2);
      },
    );

    it('is told of the other readiness meanwhile', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const object = duck({
        writable: () => stage.count('write') === 0,
        handle_read_event: () => new Promise(() => stage.say('read')),
        handle_write_event: () => stage.say('write'),
      });
      stage.map.set(ours.fileno(), object);
      theirs.send(hello);
      await stage.until(() => stage.trace.length === 2);
      expect(stage.trace.sort()).toEqual(['read', 'write']);
    });

    it('is told of the end when that has come', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(AF_UNIX);
      const object = duck({
        async handle_read_event() {
          stage.say('begins');
          await new Promise((resolve) => setTimeout(resolve, 10)); // so that the end comes meanwhile
          stage.say(`read ${ours.recv(10)}`);
        },
        handle_close: () => stage.say('close'),
      });
      stage.map.set(ours.fileno(), object);
      theirs.send(hello);
      theirs.close();
      await stage.until('close');
      expect(stage.trace.filter((line) => line !== 'begins')).toEqual([
        'read hello',
        'read ',
        'close',
      ]);
    });

    it('that fails is asked again', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const object = duck({
        async handle_read_event() {
          ours.recv(1);
          throw new Error('spam');
        },
        handle_error: () => stage.say('error'),
      });
      stage.map.set(ours.fileno(), object);
      theirs.send(hello);
      await stage.until(() => stage.count('error') === 5);
    });
  });

  it('a listening object is never waited for to be writable', async () => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    const object = duck({
      accepting: true,
      writable: () => true,
      handle_write_event: () => stage.say('write'),
    });
    stage.map.set(ours.fileno(), object);
    await stage.passes();
    expect(stage.trace).toEqual([]);
  });

  describe('a change is seen at once when made', () => {
    const ways: Record<string, (change: () => void) => void> = {
      'in a timer': (change) => setTimeout(change, 5),
      'in an immediate': (change) => setImmediate(change),
      'in a next tick': (change) => process.nextTick(change),
      'in a microtask': queueMicrotask,
      'after some promises': async (change) => {
        for (let i = 0; i < 10; i++) await null;
        change();
      },
      'after reading a file': async (change) => {
        await readFile('package.json');
        change();
      },
    };
    const wayNames = Object.keys(ways);

    // The loop's timeout is 30 seconds, the test's own is 5.
    describe.each(['before the loop waits', 'in a handler'])('%s', (where) => {
      const start = (stage: Stage, change: () => void) => {
        if (where === 'before the loop waits') {
          change();
          return;
        }
        const [ours, theirs] = connection();
        const trigger = new Recorder(stage, ours);
        trigger.handle_read = () => {
          trigger.recv(10);
          change();
        };
        setTimeout(() => theirs.send(hello), 5);
      };

      it.each(wayNames)('%s, to a quiet channel', async (way) => {
        const stage = new Stage(use_poll);
        const channel = new dispatcher_with_send(connection()[0], stage.map);
        channel.handle_write = () => {
          channel.initiate_send();
          stage.say('sent');
        };
        start(stage, () =>
          ways[way](() => {
            channel.out_buffer = hello;
          }),
        );
        await stage.until('sent');
      });

      it.each(wayNames)('%s, to a channel with predicates of its own', async (way) => {
        const stage = new Stage(use_poll);
        let ready = false;
        class Own extends Recorder {
          override writable(): boolean {
            return ready;
          }
          override handle_write(): void {
            this.stage.say('write');
          }
        }
        new Own(stage, connection()[0]);
        start(stage, () =>
          ways[way](() => {
            ready = true;
          }),
        );
        await stage.until('write');
      });
    });

    /** Sets off `change` the next time that a predicate of `stage` is asked after a timer. */
    const inPredicate = (stage: Stage, change: () => void) => {
      const channel = new Recorder(stage, connection()[0]);
      let armed = false;
      channel.readable = () => {
        if (armed) change();
        armed = false;
        return true;
      };
      // Late enough for the test runner to have nothing to do.
      setTimeout(() => {
        armed = true;
      }, 150);
    };

    it('in a predicate', async () => {
      const stage = new Stage(use_poll);
      const channel = new dispatcher_with_send(connection()[0], stage.map);
      channel.handle_write = () => stage.say('write');
      inPredicate(stage, () => {
        channel.out_buffer = hello;
      });
      await stage.until('write');
    });

    it.each([0, 1])('in a predicate of another loop, loop %i', async (changed) => {
      const stages = [new Stage(use_poll), new Stage(use_poll)];
      const stage = stages[changed];
      const channel = new dispatcher_with_send(connection()[0], stage.map);
      let since = 0;
      channel.handle_write = () => {
        // The test runner, too, turns Node's loop once in a while.
        stage.say(performance.now() - since < 250 ? 'at once' : 'late');
        for (const { map } of stages) close_all(map);
      };
      inPredicate(stages[1 - changed], () => {
        since = performance.now();
        channel.out_buffer = hello;
      });
      await Promise.all(stages.map((stage) => stage.loop()));
      expect(stage.trace).toEqual(['at once']);
    });
  });

  describe('assigned to an instance later on', () => {
    it.each(['readable', 'handle_read'] as const)('%s counts', async (name) => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new dispatcher(ours, stage.map);
      theirs.send(hello);
      if (name === 'readable') {
        channel.readable = () => false;
        channel.handle_read = () => stage.say(`read ${channel.recv(10)}`);
      }
      setTimeout(() => {
        if (name === 'readable') channel.readable = () => true;
        else channel.handle_read = () => stage.say(`read ${channel.recv(10)}`);
      }, 5);
      await stage.until('read hello');
    });

    it.each(['writable', 'handle_write'] as const)('%s counts', async (name) => {
      const stage = new Stage(use_poll);
      const channel = new dispatcher(connection()[0], stage.map);
      if (name === 'writable') {
        channel.writable = () => false;
        channel.handle_write = () => stage.say('write');
      }
      setTimeout(() => {
        if (name === 'writable') channel.writable = () => true;
        else channel.handle_write = () => stage.say('write');
      }, 5);
      await stage.until('write');
    });

    // As ported programs set it that make their own sockets.
    it('connected counts', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection();
      const channel = new dispatcher(null, stage.map);
      channel.set_socket(ours);
      channel.handle_read = () => channel.close();
      theirs.send(hello);
      setTimeout(() => {
        channel.connected = true;
      }, 5);
      await stage.loop();
    });

    it('a predicate is asked on every pass', async () => {
      const stage = new Stage(use_poll);
      const channel = new dispatcher(connection()[0], stage.map);
      let open = false;
      channel.handle_write = () => stage.say('write');
      setTimeout(() => {
        channel.writable = () => open;
      }, 5);
      setTimeout(() => {
        open = true;
      }, 10);
      await stage.until('write');
    });
  });

  it('a regular file is always ready', async () => {
    const stage = new Stage(use_poll);
    const fd = openSync('package.json', 'r');
    own({ close: () => closeSync(fd) });
    let text = '';
    const object = duck({
      handle_read_event() {
        const chunk = Buffer.alloc(100);
        const length = readSync(fd, chunk);
        text += chunk.toString('utf8', 0, length);
        if (length === 0) stage.map.delete(fd);
      },
      writable: () => text.length < 100,
      handle_write_event: () => stage.say('write'),
    });
    stage.map.set(fd, object);
    const [ours, theirs] = connection();
    const channel = new Recorder(stage, ours);
    channel.handle_read = () => channel.close();
    theirs.send(hello);
    await loop({ map: stage.map, use_poll });
    expect(JSON.parse(text).name).toBe('@asyncore/core');
    expect(stage.count('write')).toBe(1);
  });
});
