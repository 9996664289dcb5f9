/** Handlers that close what they are in the midst of, or start another pass. */
import { close_all, ExitNow, loop, poll, poll2 } from '@asyncore/core';
import { MSG_OOB } from '@asyncore/socket';
import { describe, expect, it } from 'vitest';
import { about, handlers } from '../events.js';
import { clients, connection, listening, onEveryPoller, own, Recorder, Stage } from '../support.js';

const hello = Buffer.from('hello');

/** A channel that has something to read. */
function neighbour(stage: Stage): Recorder {
  const [ours, theirs] = connection();
  const channel = new Recorder(stage, ours);
  channel.handle_read_event = () => {
    stage.say('neighbour');
    channel.recv(10);
  };
  theirs.send(hello);
  return channel;
}

/** A listener for whom a connection waits. */
function listener(stage: Stage): Recorder {
  const channel = listening(new Recorder(stage));
  channel.handle_read_event = () => {
    stage.say('listener');
    const [sock] = channel.accept() ?? [];
    if (sock) own(sock);
  };
  clients(channel, 1);
  return channel;
}

onEveryPoller((use_poll) => {
  describe.each(handlers)('%s', (handler) => {
    // Before and after it in the map, since select and poll deliver in its order.
    describe.each(['first', 'last'])('of the %s channel', (place) => {
      it.each([
        ['its own channel', ['self']],
        ['its neighbour', ['neighbour', 'self']],
        ['a listener', ['listener', 'self']],
        ['everything', ['neighbour', 'listener', 'self']],
      ])('may close %s', async (_, victims) => {
        const stage = new Stage(use_poll);
        const channels: Record<string, Recorder> = {};
        const others = () => {
          channels.neighbour = neighbour(stage);
          channels.listener = listener(stage);
        };
        if (place === 'last') others();
        channels.self = about(handler, new Recorder(stage), () => {
          stage.say('self');
          if (victims.length === 3) close_all(stage.map);
          else for (const victim of victims) channels[victim].close();
        });
        if (place === 'first') others();
        await stage.until('self');
        await stage.passes();
        const after = stage.trace.slice(stage.trace.indexOf('self') + 1);
        for (const [name, channel] of Object.entries(channels)) {
          const closed = victims.includes(name);
          expect(channel.fileno() === -1).toBe(closed);
          const lines = (closed ? after : stage.trace).filter((line) => line === name);
          expect(lines.length).toBe(closed ? 0 : 1);
        }
        expect(stage.map.size).toBe(3 - victims.length);
      });
    });

    describe.each([
      ['poll', poll],
      ['poll2', poll2],
    ] as const)('that calls %s', (_, pass) => {
      it('serves its neighbour there, once', async () => {
        const stage = new Stage(use_poll);
        const channel = about(handler, new Recorder(stage), () => {
          if (stage.count('inside') > 0) return; // it is still ready
          stage.say('inside');
          pass(1, stage.map);
          stage.say('outside');
          channel.close();
        });
        neighbour(stage);
        await stage.until('outside');
        await stage.passes();
        expect(stage.count('inside')).toBe(1);
        expect(stage.count('neighbour')).toBe(1);
        expect(stage.map.size).toBe(1);
      });

      it('lets ExitNow through both passes', async () => {
        const stage = new Stage(use_poll);
        let inside = false;
        const channel = about(handler, new Recorder(stage), () => {
          if (inside) return;
          inside = true;
          pass(1, stage.map);
        });
        neighbour(stage).handle_read_event = () => {
          if (inside) throw new ExitNow();
        };
        await expect(stage.loop()).rejects.toThrow(ExitNow);
        channel.close();
      });
    });

    it('cannot run a loop on its own map, and is told so', async () => {
      const stage = new Stage(use_poll);
      const channel = about(handler, new Recorder(stage), async () => {
        channel.close();
        await loop({ map: stage.map }).catch((error) => stage.say(error.message));
      });
      const quiet = new Recorder(stage, connection()[0]);
      await stage.until('loop: a loop already runs on this map: await the promise of that one');
      expect(quiet.connected).toBe(true);
    });
  });

  it('an urgent byte read in a pass within a handler is told no second time', async () => {
    const stage = new Stage(use_poll);
    const pairs = [connection(), connection()];
    const channels = pairs.map(([ours]) => new Recorder(stage, ours));
    for (const channel of channels) {
      channel.handle_expt = () => {
        stage.say(`urgent ${channel.socket?.recv(1, MSG_OOB)}`);
        if (stage.trace.length === 1) poll(1, stage.map);
      };
    }
    for (const [, theirs] of pairs) theirs.send(Buffer.from('!'), MSG_OOB);
    await stage.until(() => stage.trace.length > 1);
    await stage.passes();
    expect(stage.trace).toEqual(['urgent !', 'urgent !']);
  });

  it('passes may be nested deeply', async () => {
    const stage = new Stage(use_poll);
    const channels = Array.from({ length: 50 }, () => neighbour(stage));
    for (const channel of channels) {
      channel.handle_read_event = () => {
        channel.recv(10);
        stage.say('read');
        poll(0, stage.map);
        channel.close();
      };
    }
    await stage.loop();
    expect(stage.count('read')).toBe(50);
  });
});
