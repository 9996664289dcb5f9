/** Attributes as fields of a class: what works in Python works, or is passed over with a line in the log. */
import type { Address } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  connection,
  listener,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  patient,
  Recorder,
  Sender,
  Stage,
} from '../support.js';

// The compiler refuses such fields; a program in JavaScript has no compiler.
function withFields(base: typeof Sender): typeof Sender {
  return class Fielded extends base {
    constructor(stage: Stage, sock: Socket | null = null) {
      super(stage, sock);
      const field = { configurable: true, enumerable: true, writable: true };
      for (const [name, value] of Object.entries({
        socket: null,
        connected: false,
        accepting: false,
        connecting: false,
        addr: null as Address | null,
      })) {
        Object.defineProperty(this, name, { ...field, value });
      }
    }
  };
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it('of a channel of a socket are passed over, each with one line', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = connection(family);
      const channel = new (withFields(Sender))(stage, ours);
      theirs.send(Buffer.from('hello'));
      await stage.until('read 5');
      expect(stage.trace.slice(0, -1)).toEqual(
        ['connected', 'accepting', 'connecting', 'addr', 'socket'].map((name) =>
          expect.stringContaining(`Fielded has a field "${name}"`),
        ),
      );
      channel.send(Buffer.from('answer'));
      expect(String(theirs.recv(100))).toBe('answer');
    });

    it('of each channel of a class are, whichever way the first one got its socket', async () => {
      const stage = new Stage(use_poll);
      const Fielded = withFields(Sender);
      const first = new Fielded(stage);
      first.create_socket(family);
      for (let i = 1; i <= 2; i++) {
        const [ours, theirs] = connection(family);
        const channel = new Fielded(stage, ours);
        theirs.send(Buffer.from('hello'));
        await stage.until(() => stage.count('read 5') === i);
        expect(channel.connected).toBe(true);
      }
      expect(stage.trace.filter((line) => line.includes('has a field'))).toHaveLength(3 * 5);
    });

    it('are passed over, too, when the base class has made a socket before they were set', async () => {
      const stage = new Stage(use_poll);
      class Base extends Sender {
        constructor(stage: Stage) {
          super(stage);
          this.create_socket(family);
        }
      }
      new (withFields(Base))(stage);
      await stage.passes(1);
      expect(stage.trace.filter((line) => line.includes('has a field'))).toHaveLength(5);
    });

    it('of a channel are, too, when the constructor of one before it has thrown', async () => {
      const stage = new Stage(use_poll);
      class Base extends Sender {
        constructor(stage: Stage, sock: Socket | null = null) {
          super(stage, sock);
          if (stage.count('welcome') === 0) throw new Error('not welcome'); // its fields are not there yet
        }
      }
      const Fielded = withFields(Base);
      expect(() => new Fielded(stage, connection(family)[0])).toThrow('not welcome');
      await stage.passes(2);
      stage.say('welcome');
      const channel = new Fielded(stage, connection(family)[0]);
      await stage.passes(2);
      expect(channel.connected).toBe(true);
    });

    it.each([null, undefined])(
      '_fileno = %s keeps no channel in its map that is closed',
      async (value) => {
        const stage = new Stage(use_poll);
        class Fielded extends Sender {
          override _fileno = value as null;
        }
        const [ours, theirs] = connection(family);
        new Fielded(stage, ours);
        theirs.send(Buffer.from('hello'));
        theirs.close();
        await stage.loop();
        expect([stage.trace, stage.map.size]).toEqual([['read 5', 'close'], 0]);
      },
    );

    it('of one that connects are as well, also when it is connected at once', async () => {
      const stage = new Stage(use_poll);
      const door = listener(family);
      const channel = new (withFields(Sender))(stage);
      channel.create_socket(family);
      channel.connect(door.getsockname());
      await stage.until('connect');
      expect(channel.connected).toBe(true);
      channel.send(Buffer.from('hello'));
      await stage.passes(2);
      expect(String(own(patient(door.accept()[0])).recv(100))).toBe('hello');
    });

    it('of a listener are as well', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new (withFields(Sender))(stage), family);
      server.handle_accepted = (sock: Socket) => {
        own(sock);
        stage.say('accepted');
      };
      const client = new Recorder(stage);
      client.create_socket(family);
      client.connect(server.getsockname());
      await stage.until('accepted');
    });
  });
});

onEveryPoller((use_poll) => {
  it.each([[[]], [{}]])('a predicate that gives %j is said once, in debug', async (answer) => {
    const stage = new Stage(use_poll);
    const [ours] = connection();
    const channel = new Recorder(stage, ours);
    channel.debug = true;
    channel.writable = () => answer as unknown as boolean;
    channel.handle_write = () => {};
    await stage.passes(5);
    expect(stage.trace).toEqual([
      expect.stringMatching(/^error: writable of Recorder returns an object/),
    ]);
  });

  it("a program's own closing is its own", async () => {
    const stage = new Stage(use_poll);
    class Closing extends Sender {
      override closing = true;
    }
    const [ours, theirs] = connection();
    const channel = new Closing(stage, ours);
    channel.handle_read = () => {
      channel.recv(10);
      channel.send(Buffer.from('goodbye'));
      channel.close();
    };
    theirs.send(Buffer.from('?'));
    await stage.loop();
    expect(String(theirs.recv(100))).toBe('goodbye');
  });
});
