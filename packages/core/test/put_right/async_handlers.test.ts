/** Handlers that give a promise: one of a kind at a time, and only errors of the channel's own socket close it. */
import { dispatcher, ExitNow } from '@asyncore/core';
import { OSError, Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  clients,
  ends,
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  readFrom,
  Sender,
  Stage,
} from '../support.js';

/** What a program waits for: the test says when. */
function awaited(): [promise: Promise<void>, go: (error?: unknown) => void] {
  let go = (_?: unknown) => {};
  const promise = new Promise<void>((resolve, reject) => {
    go = (error) => (error === undefined ? resolve() : reject(error));
  });
  return [promise, go];
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    it('an async handle_read that awaits before recv is called once, and again afterwards', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      const [promise, go] = awaited();
      channel.handle_read = async () => {
        stage.say('called');
        await promise;
        stage.say(String(channel.recv(2)));
      };
      theirs.send(Buffer.from('abcd'));
      await stage.until('called');
      await stage.passes();
      expect(stage.trace).toEqual(['called']);
      expect(await stage.isIdle()).toBe(true);
      go();
      await stage.until('cd');
      expect(stage.trace).toEqual(['called', 'ab', 'called', 'cd']);
    });

    it('meanwhile handlers of other kinds are called, and other channels served', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Recorder(stage, ours);
      const [promise, go] = awaited();
      channel.handle_read = async () => {
        await promise;
        stage.say(String(channel.recv(10)));
      };
      channel.writable = () => stage.count('write') < 3;
      channel.handle_write = () => stage.say('write');
      const [other, otherEnd] = await ends(family);
      new Recorder(stage, other);
      theirs.send(Buffer.from('late'));
      otherEnd.send(Buffer.from('hello'));
      await stage.until(() => stage.count('write') === 3 && stage.count('read 5') === 1);
      go();
      await stage.until('late');
    });

    it('what the peer sent before it closed is read when the promise is settled, then the end is told', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      const [promise, go] = awaited();
      channel.handle_read = async () => {
        await promise;
        const data = channel.recv(3);
        if (data.length > 0) stage.say(String(data));
      };
      theirs.send(Buffer.from('abcdef'));
      theirs.close();
      await stage.passes();
      expect([stage.trace, await stage.isIdle()]).toEqual([[], true]);
      go();
      await stage.loop();
      expect(stage.trace).toEqual(['abc', 'def', 'close']);
    });

    it('what is sent after an await goes out', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      channel.handle_read = async () => {
        channel.recv(10);
        channel.send(Buffer.from('before '));
        await null;
        channel.send(Buffer.from('after '));
        await new Promise(setImmediate);
        channel.send(Buffer.from('later'));
        stage.say('sent');
      };
      theirs.send(Buffer.from('?'));
      await stage.until('sent');
      void readFrom(theirs, 18).then((text) => stage.say(String(text)));
      await stage.until('before after later');
    });

    it('an async handle_write is not called again until it is settled', async () => {
      const stage = new Stage(use_poll);
      const [ours] = await ends(family);
      const channel = new Recorder(stage, ours);
      const [promise, go] = awaited();
      channel.writable = () => true;
      channel.handle_write = async () => {
        stage.say('write');
        await promise;
      };
      await stage.passes();
      expect(stage.trace).toEqual(['write']);
      go();
      await stage.passes(3);
      expect(stage.count('write')).toBeGreaterThan(1);
    });

    it('a channel closed meanwhile, or that began another connection, hears no more of it', async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends(family);
      const channel = new Sender(stage, ours);
      const [promise, go] = awaited();
      channel.handle_read = async () => {
        stage.say('called');
        await promise;
      };
      theirs.send(Buffer.from('?'));
      await stage.until('called');
      const [next, nextEnd] = await ends(family);
      own(ours);
      channel.set_socket(next);
      channel.connected = true;
      channel.handle_read = Recorder.prototype.handle_read;
      nextEnd.send(Buffer.from('hello'));
      await stage.until('read 5'); // does not wait for the former one
      go();
      await stage.passes(3);
      expect(stage.trace).toEqual(['called', 'read 5']);
    });
  });
});

onEveryPoller((use_poll) => {
  const foreign = new Socket();
  own(foreign);
  const errors: [string, () => unknown, string[]][] = [
    ['another socket', () => OSError.of(foreign, new OSError('recv', 104)), ['error ECONNRESET']],
    [
      'nobody, as fetch throws it',
      () => Object.assign(new Error('read'), { code: 'ECONNRESET' }),
      ['error ECONNRESET'],
    ],
  ];
  it.each(errors)('a late ECONNRESET of %s goes to handle_error', async (_, make, told) => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Sender(stage, ours);
    channel.handle_error = (error) => stage.say(`error ${(error as { code: string }).code}`);
    channel.handle_read = async () => {
      channel.recv(100);
      await null;
      throw make();
    };
    theirs.send(Buffer.from('?'));
    await stage.until(() => stage.trace.length > 0);
    await stage.passes(3);
    expect([stage.trace, channel.connected]).toEqual([told, true]);
  });

  it("a late error of the channel's own socket means that it is disconnected", async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Sender(stage, ours);
    channel.handle_read = async () => {
      channel.recv(100);
      await null;
      throw OSError.of(ours, new OSError('recv', 104));
    };
    theirs.send(Buffer.from('?'));
    await stage.loop();
    expect([stage.trace, (channel.close_reason as Error).message]).toEqual([
      ['close'],
      'recv ECONNRESET',
    ]);
  });

  it('ExitNow of one handler survives what the output of another channel lets escape', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const [other] = await ends();
    const failing = new Sender(stage, other);
    failing.initiate_send = () => {
      throw new Error('flush');
    };
    failing.handle_error = (error) => {
      throw error;
    };
    const channel = new Sender(stage, ours);
    channel.handle_read = () => {
      failing.send(Buffer.from('x'));
      throw new ExitNow('bye');
    };
    theirs.send(Buffer.from('?'));
    await expect(stage.loop()).rejects.toThrow(ExitNow);
  });

  onEveryFamily((family) => {
    it('EAGAIN thrown from handle_accepted closes the connection, and is told', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Recorder(stage), family);
      server.handle_error = (error) => stage.say((error as Error).message);
      server.handle_accepted = () => {
        throw new OSError('open', 11);
      };
      const [client] = clients(server, 1);
      await stage.until(() => stage.trace.length > 0);
      expect(client.recv(1).length).toBe(0);
      expect([stage.trace, server.accepting]).toEqual([['open EAGAIN'], true]);
    });

    it.each(['constructor', 'constructor and close', 'handle_accepted and close'])(
      'a newcomer whose %s fails takes nothing along',
      async (what) => {
        const stage = new Stage(use_poll);
        class Newcomer extends dispatcher {
          readonly field?: { end(): void };
          constructor(sock: Socket) {
            super(sock, stage.map);
            if (what.startsWith('constructor')) throw new Error('first');
          }
          override close(): void {
            if (what.endsWith('close')) (this.field as { end(): void }).end();
            super.close();
          }
        }
        const server = listening(new Recorder(stage), family);
        server.handle_error = dispatcher.prototype.handle_error;
        server.handle_accepted = (sock) => {
          new Newcomer(sock);
          throw new Error('first');
        };
        const [client] = clients(server, 1);
        await stage.until(() => stage.trace.length > 0);
        expect(client.recv(1).length).toBe(0);
        expect([stage.map.size, server.accepting]).toEqual([1, true]);
        expect(stage.trace).toEqual([
          expect.stringMatching(/closing the new connection of .*first/),
        ]);
      },
    );

    it('accept throws EMFILE when the listener has taken its rest, and null when nobody is there', async () => {
      const stage = new Stage(use_poll);
      const server = listening(new Recorder(stage), family);
      expect(server.accept()).toBe(null);
      const socket = server.socket as Socket;
      const { accept_ex } = socket;
      socket.accept_ex = () => 24;
      expect(() => server.accept()).toThrow(expect.objectContaining({ code: 'EMFILE' }));
      socket.accept_ex = accept_ex;
      server.handle_accepted = (sock) => {
        own(sock);
        stage.say('accepted');
      };
      clients(server, 1);
      await stage.passes(3);
      expect(stage.trace).toEqual([
        expect.stringMatching(/accept EMFILE.*goes on accepting when it can/),
      ]);
      await stage.until('accepted');
    });

    it.each([1, 71, 100, 101, 103, 110, 113])(
      'errno %i of one accept closes no listener',
      async (errno) => {
        const stage = new Stage(use_poll);
        const server = listening(new Recorder(stage), family);
        const socket = server.socket as Socket;
        const { accept_ex } = socket;
        socket.accept_ex = () => {
          socket.accept_ex = accept_ex;
          return errno;
        };
        server.handle_accepted = (sock) => {
          own(sock);
          stage.say('accepted');
        };
        clients(server, 1);
        await stage.until('accepted');
        expect(stage.trace).toEqual(['accepted']);
      },
    );
  });

  it('a listen that fails leaves accepting false, and can be tried again', () => {
    const stage = new Stage(use_poll);
    const taken = listening(new Recorder(stage));
    const channel = new Recorder(stage);
    channel.create_socket();
    const socket = channel.socket as Socket;
    const { listen } = socket;
    socket.listen = () => {
      throw new OSError('listen', 98);
    };
    expect(() => channel.listen(5)).toThrow(/EADDRINUSE/);
    expect(channel.accepting).toBe(false);
    socket.listen = listen;
    channel.listen(5);
    expect([channel.accepting, taken.accepting]).toEqual([true, true]);
  });

  it('close of a channel with output that meets ENOBUFS tells handle_error, and closes', async () => {
    const stage = new Stage(use_poll);
    const [ours] = await ends();
    const channel = new Sender(stage, ours);
    channel.handle_error = (error) => stage.say((error as Error).message);
    channel.out_buffer = Buffer.from('x');
    ours.send = () => {
      throw new OSError('send', 105);
    };
    channel.close();
    expect([stage.trace, ours.fileno(), stage.map.size]).toEqual([['send ENOBUFS'], -1, 0]);
  });
});
