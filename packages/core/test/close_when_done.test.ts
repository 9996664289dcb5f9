import { dispatcher_with_send, type Socket } from '@asyncore/core';
import { expect, it } from 'vitest';
import {
  ends,
  itUnless,
  KIND,
  listener,
  onEveryFamily,
  onEveryPoller,
  readAllOf,
  Stage,
} from './support.js';

/** Why a test is left out over wanting. */
const GREETS = 'it wakes its reader once, to greet';

class Sender extends dispatcher_with_send {
  override linger_time = 0.05; // nothing comes that would have to be read

  constructor(
    readonly stage: Stage,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
  }

  override handle_connect(): void {}

  override log_info(message: unknown, type?: string): void {
    this.stage.say(`${type}: ${message}`);
  }

  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }
}

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    itUnless({ wanting: GREETS })(
      'sends everything before it closes, however slowly that is read',
      async () => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = await ends(family);
        const channel = new Sender(stage, ours);
        const size = KIND === 'plain' ? 1 << 24 : 1 << 23; // more than the kernel takes
        channel.send(Buffer.alloc(size));
        channel.close_when_done();
        await stage.passes();
        expect([channel.connected, stage.trace]).toEqual([true, []]);
        theirs.setblocking(false);
        let left = size;
        while (left > 0 && channel.connected) {
          await stage.passes(1);
          left -= readAllNow(theirs);
        }
        await stage.loop();
        theirs.setblocking(true);
        expect(left - (await readAllOf(theirs)).length).toBe(0);
        expect(stage.trace).toEqual(['close']);
      },
    );
  });
});

function readAllNow(socket: { recv(size: number): Buffer }): number {
  try {
    return socket.recv(1 << 20).length;
  } catch {
    return 0; // nothing yet
  }
}

onEveryPoller((use_poll) => {
  itUnless({ wanting: GREETS })(
    'closes at once, from the loop, when nothing is left to send',
    async () => {
      const stage = new Stage(use_poll);
      const [ours, theirs] = await ends();
      new Sender(stage, ours).close_when_done();
      expect(stage.trace).toEqual([]);
      await stage.loop();
      expect([stage.trace, (await theirs.recv(1)).length]).toEqual([['close'], 0]);
    },
  );

  itUnless({ wanting: GREETS })('refuses what is sent after it, and says so once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = await ends();
    const channel = new Sender(stage, ours);
    channel.send(Buffer.from('spam'));
    channel.close_when_done();
    expect([channel.closing, channel.send(Buffer.from('eggs'))]).toEqual([true, 0]);
    channel.send(Buffer.from('ham'));
    await stage.loop();
    expect(String(await readAllOf(theirs))).toBe('spam');
    expect(stage.trace).toEqual([
      expect.stringMatching(/^error: send after close_when_done is refused: <Sender connected /),
      'close',
    ]);
  });

  it('holds for a channel that is still connecting, and not for its next connection', async () => {
    const stage = new Stage(use_poll);
    const door = listener();
    const channel = new Sender(stage);
    const attempt = () => {
      channel.create_socket();
      channel.connect(door.getsockname());
      channel.send(Buffer.from('spam'));
    };
    attempt();
    channel.close_when_done();
    await stage.loop();
    expect([stage.trace, channel.closing]).toEqual([['close'], false]);
    attempt();
    await stage.passes();
    expect([channel.connected, channel.out_buffer.length]).toEqual([true, 0]);
  });
});
