/** Whatever a channel wraps, it behaves as on a plain socket: what is received, sent, and told of the end. */
import { dispatcher_with_send } from '@asyncore/core';
import { SHUT_WR, Socket } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  ends,
  itUnless,
  listening,
  onEveryFamily,
  onEveryPoller,
  over,
  own,
  putOver,
  Recorder,
  readFrom,
  Sender,
  Stage,
} from './support.js';

class Channel extends dispatcher_with_send {
  readSize = 10;
  received = '';
  constructor(
    readonly stage: Stage,
    sock: Socket | null = null,
  ) {
    super(sock, stage.map);
  }
  override handle_read(): void {
    const data = this.recv(this.readSize);
    this.received += data;
    if (data.length > 0) this.stage.say(`${this.received.length}`);
  }
  override handle_close(): void {
    this.stage.say('close');
    this.close();
  }
  override handle_error(error: unknown): void {
    this.stage.say(String(error));
    this.close();
  }
}

const text = 'x'.repeat(100);
const numbers = Array.from({ length: 100 }, (_, i) => `${i} `).join('');

onEveryFamily((family) => {
  onEveryPoller((use_poll) => {
    const start = async (stage: Stage): Promise<[Channel, Socket]> => {
      const [ours, theirs] = await ends(family);
      return [new Channel(stage, ours), theirs];
    };

    it.each([1, 7, 1000])('all that came is read, %i bytes at a time', async (size) => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = await start(stage);
      channel.readSize = size;
      theirs.send(Buffer.from(text));
      await stage.until('100');
      await stage.passes(2); // it may have to look whether there is more
      expect([channel.received, await stage.isIdle()]).toEqual([text, true]);
    });

    it.each([1, 7, 1000])(
      'all that came before the end is read, %i bytes at a time',
      async (size) => {
        const stage = new Stage(use_poll);
        const [channel, theirs] = await start(stage);
        channel.readSize = size;
        theirs.send(Buffer.from(text));
        theirs.close();
        await stage.loop();
        const { trace } = stage;
        expect([channel.received, stage.count('close'), trace.at(-1)]).toEqual([text, 1, 'close']);
      },
    );

    it('a paused reader keeps what came, and rests', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = await start(stage);
      theirs.send(Buffer.from(text));
      await stage.until('10');
      channel.readable = () => false;
      const { length } = channel.received;
      await stage.passes(5);
      expect([channel.received.length, await stage.isIdle()]).toEqual([length, true]);
      theirs.close();
      await stage.passes(5);
      expect(stage.count('close')).toBe(0);
      channel.readable = () => true;
      await stage.loop();
      expect([channel.received, stage.count('close')]).toEqual([text, 1]);
    });

    it('what is sent arrives in order, and the end of a shutdown after it', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = await start(stage);
      channel.handle_read = () => {
        if (channel.recv(100).length === 0) return;
        for (let i = 0; i < 100; i++) channel.send(Buffer.from(`${i} `));
        channel.shutdown(SHUT_WR);
        stage.say('shut');
      };
      theirs.send(Buffer.from('?'));
      await stage.until('shut');
      await stage.passes(5);
      expect(String(await readFrom(theirs, 1000))).toBe(numbers);
      theirs.send(Buffer.from('still read'));
      channel.handle_read = Channel.prototype.handle_read;
      await stage.until('10');
    });

    it('a shutdown asked for while output waits comes when that is out', async () => {
      const stage = new Stage(use_poll);
      const size = 4 << 20;
      const server = listening(new Recorder(stage), family);
      server.handle_accepted = (sock) => {
        server.close();
        const channel = new Sender(stage, over(sock));
        channel.send(Buffer.alloc(size));
        channel.shutdown(SHUT_WR);
        channel.send(Buffer.from('is refused'));
      };
      const client = new Channel(stage);
      client._connected = () => putOver(client);
      let count = 0;
      client.handle_read = () => {
        count += client.recv(1 << 20).length;
      };
      client.create_socket(family);
      client.connect(server.getsockname());
      await stage.loop();
      expect(count).toBe(size);
      expect(stage.trace.filter((line) => line.includes('refused'))).toHaveLength(1);
      expect(stage.count('close')).toBe(2);
    });

    it('close_when_done reads away what still comes', async () => {
      const stage = new Stage(use_poll);
      const [channel, theirs] = await start(stage);
      theirs.send(Buffer.from(text));
      channel.send(Buffer.from('bye'));
      channel.close_when_done();
      await stage.passes(5);
      theirs.send(Buffer.from(text));
      theirs.close();
      await stage.loop();
      expect([stage.count('close'), stage.trace.at(-1)]).toEqual([1, 'close']);
    });

    it('a channel connects again, and nothing of its former connection is left', async () => {
      const stage = new Stage(use_poll);
      const said: string[] = [];
      const server = listening(new Recorder(stage), family);
      server.handle_accepted = (sock) => {
        const channel = new Channel(stage, over(sock));
        channel.readSize = 100;
        channel.handle_read = () => {
          const data = channel.recv(100);
          if (data.length === 0) return;
          said.push(String(data));
          channel.send(Buffer.from('!'));
          channel.close_when_done();
        };
      };
      const client = new Channel(stage);
      client._connected = () => putOver(client);
      const again = () => {
        client.create_socket(family);
        client.connect(server.getsockname());
      };
      client.handle_connect = () => void client.send(Buffer.from('hello'));
      client.handle_close = () => {
        stage.say('client close');
        if (said.length < 3) again();
        else client.close();
      };
      again();
      await stage.until(() => stage.count('client close') === 3);
      expect([said, client.received]).toEqual([['hello', 'hello', 'hello'], '!!!']);
    });

    const GIVEN_AWAY = 'it is made of a descriptor that the accepted socket has given away';
    itUnless({ buffering: GIVEN_AWAY, silent: GIVEN_AWAY, wanting: GIVEN_AWAY })(
      'max_connections counts a connection until its channel is closed',
      async () => {
        const stage = new Stage(use_poll);
        const server = listening(new Recorder(stage), family);
        server.max_connections = 1;
        const made: Channel[] = [];
        server.handle_accepted = (sock) => {
          made.push(new Channel(stage, over(sock)));
          stage.say(`made ${made.length}`);
        };
        for (let i = 0; i < 2; i++) own(new Socket(family)).connect_ex(server.getsockname());
        await stage.until('made 1');
        await stage.passes(3);
        expect(made.length).toBe(1);
        made[0].close();
        await stage.until('made 2');
      },
    );
  });
});
