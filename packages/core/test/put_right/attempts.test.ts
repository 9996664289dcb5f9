/** Attempts to connect that follow one another on a channel: each is told of its own end only. */
import { type dispatcher, poll, poll2 } from '@asyncore/core';
import { type Address, AF_INET, AF_INET6, type OSError } from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it } from 'vitest';
import { accepted, listener, onEveryPoller, Recorder, refusing, Stage } from '../support.js';

/** Tries addresses one after the other, on the same socket or on a new one each. */
class Trying extends Recorder {
  addresses: Address[] = [];
  family = AF_INET;
  isNewSocket = false;
  later = (next: () => void) => next();

  begin(addresses: Address[]): this {
    this.addresses = addresses;
    this.create_socket(this.family);
    this.#next();
    return this;
  }

  #next(): void {
    const address = this.addresses.shift();
    if (address === undefined) {
      this.stage.say('none left');
      this.close();
      return;
    }
    if (this.isNewSocket) this.create_socket(this.family);
    this.connect(address);
  }

  override handle_connect(): void {
    this.stage.say(`connected ${this.connected}`);
  }

  override handle_connect_error(error: unknown): void {
    this.stage.say(`failed ${(error as OSError).code}`);
    this.later(() => this.#next());
  }

  override handle_write(): void {
    this.stage.say('write');
    this.writable = () => false;
  }
}

/** The same, with the default of handle_connect_error: it begins anew in handle_close. */
class Reopening extends Trying {
  override handle_connect_error(error: unknown): void {
    this.stage.say(`failed ${(error as OSError).code}`);
    this.handle_close_event();
  }

  override handle_close(): void {
    this.create_socket(this.family);
    this.connect(this.addresses.shift() ?? '');
  }
}

const REFUSED = 'failed ECONNREFUSED';
const three = [REFUSED, REFUSED, REFUSED];

const unable = hasInet6() ? '' : ' (runs where ::1 is up: ip -6 address add ::1 dev lo)';

describe.each([
  ['inet', AF_INET, false],
  [`inet6${unable}`, AF_INET6, unable !== ''],
])('%s', (_, family, isLeftOut) => {
  describe.skipIf(isLeftOut)('attempts', () => {
    onEveryPoller((use_poll) => {
      describe.each([false, true])('with a new socket each: %s', (isNewSocket) => {
        it.each<[string, (next: () => void) => void]>([
          ['at once', (next) => next()],
          ['from a timer', (next) => setTimeout(next)],
          ['from a microtask', (next) => queueMicrotask(next)],
        ])('a list of addresses is tried one by one, %s', async (_, later) => {
          const stage = new Stage(use_poll);
          const door = listener(family);
          const channel = Object.assign(new Trying(stage), { family });
          Object.assign(channel, { isNewSocket, later });
          channel.begin([refusing(family), refusing(family), refusing(family), door.getsockname()]);
          await stage.until('connected true');
          const peer = accepted(door);
          peer.send(Buffer.from('hello'));
          await stage.until('read 5');
          expect(stage.trace).toEqual([...three, 'connected true', 'write', 'read 5']);
        });

        it('where none answers, each is told', async () => {
          const stage = new Stage(use_poll);
          const channel = Object.assign(new Trying(stage), { family });
          channel.isNewSocket = isNewSocket;
          channel.begin([refusing(family), refusing(family), refusing(family)]);
          await stage.loop();
          expect(stage.trace).toEqual([...three, 'none left']);
        });
      });

      it('two channels that begin anew for each other are told of their own only', async () => {
        const stage = new Stage(use_poll);
        const door = listener(family, 5);
        const channels = [
          Object.assign(new Trying(stage), { family }),
          Object.assign(new Trying(stage), { family }),
        ];
        const again = () => {
          for (const channel of channels) {
            if (channel.connected || channel.addresses.length === 0) continue;
            channel.create_socket(channel.family);
            channel.connect(channel.addresses.shift() ?? '');
          }
        };
        for (const channel of channels) {
          channel.later = again;
          channel.begin([refusing(family), door.getsockname(), door.getsockname()]);
        }
        await stage.until(() => stage.count('connected true') === 2);
        expect(stage.count(REFUSED)).toBeLessThanOrEqual(2);
        for (const channel of channels) expect(channel.getpeername()).toEqual(door.getsockname());
      });

      it('handle_close may begin the next one', async () => {
        const stage = new Stage(use_poll);
        const door = listener(family);
        const channel = Object.assign(new Reopening(stage), { family });
        channel.begin([refusing(family), refusing(family), refusing(family), door.getsockname()]);
        await stage.until('connected true');
        expect(stage.trace.slice(0, 4)).toEqual([...three, 'connected true']);
        expect(channel.getpeername()).toEqual(door.getsockname());
      });
    });

    describe.each([
      ['poll', poll],
      ['poll2', poll2],
    ])('%s', (_, pass) => {
      it.each([false, true])(
        'tries a list of addresses, with a new socket each: %s',
        (isNewSocket) => {
          const stage = new Stage();
          const door = listener(family);
          const channel = Object.assign(new Trying(stage), { family });
          channel.isNewSocket = isNewSocket;
          channel.begin([refusing(family), refusing(family), refusing(family), door.getsockname()]);
          for (let i = 0; i < 20 && stage.count('write') === 0; i++) pass(1, stage.map);
          expect(stage.trace).toEqual([...three, 'connected true', 'write']);
          expect((channel as dispatcher).getpeername()).toEqual(door.getsockname());
        },
      );
    });
  });
});
