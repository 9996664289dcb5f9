/** More connections at once than the listener's backlog has room for. */
import { AF_INET, AF_UNIX, errno, type OSError, POLLOUT, Socket, state_of } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  listening,
  onEveryFamily,
  onEveryPoller,
  own,
  Recorder,
  Sender,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

/** A listener with room for `backlog` that closes when it has accepted `most`. */
function server(stage: Stage, family: number, backlog: number, most: number): Recorder {
  const door = listening(new Recorder(stage), family, backlog);
  door.handle_accepted = (sock) => {
    const channel = new Recorder(stage, sock);
    channel.handle_read = () => {
      stage.say(`read ${channel.recv(10).length}`);
      channel.close();
    };
    stage.say('accepted');
    if (stage.count('accepted') === most) door.close();
  };
  return door;
}

onEveryPoller((use_poll) => {
  // The kernel drops what does not fit. A client that got no answer tries again a second later, one
  // that believes to be connected is let in by what it sends: tcp(7).
  it('a TCP listener whose backlog overflows serves everybody in the end', async () => {
    const stage = new Stage(use_poll);
    const door = server(stage, AF_INET, 4, 20);
    for (let i = 0; i < 20; i++) {
      const client = new Sender(stage);
      client.create_socket();
      client.handle_connect = () => void client.send(hello);
      client.connect(door.getsockname());
    }
    let waited = 0;
    const seconds = setInterval(() => {
      if (stage.count('read 5') < 20) waited += 1;
    }, 500);
    own({ close: () => clearInterval(seconds) });
    await stage.loop();
    expect(stage.count('accepted')).toBe(20);
    expect(stage.count('read 5')).toBe(20);
    expect(waited).toBeGreaterThan(0); // it did overflow
  }, 20_000);

  it('clients of a Unix listener whose backlog overflows get EAGAIN, and may try again', async () => {
    const stage = new Stage(use_poll);
    const door = server(stage, AF_UNIX, 4, 20);
    let refused = 0;
    const connect = (client: Sender) => {
      try {
        client.connect(door.getsockname());
      } catch (error) {
        expect((error as OSError).code).toBe('EAGAIN');
        refused += 1;
        setImmediate(connect, client);
      }
    };
    for (let i = 0; i < 20; i++) {
      const client = new Sender(stage);
      client.create_socket(AF_UNIX);
      client.handle_connect = () => void client.send(hello);
      connect(client);
    }
    expect(refused).toBeGreaterThan(0);
    await stage.loop();
    expect(stage.count('accepted')).toBe(20);
  });
});

onEveryFamily((family) =>
  onEveryPoller((use_poll) => {
    // JavaScript stops for milliseconds while it is compiled or its memory is cleaned. A client that the
    // kernel drops meanwhile tries again a second later.
    it('listen(5) has room for 128 that come at once, and one pass accepts them', async () => {
      const stage = new Stage(use_poll);
      const door = server(stage, family, 5, 128);
      for (let i = 0; i < 128; i++) {
        const client = own(new Socket(family));
        expect([0, errno.EINPROGRESS]).toContain(client.connect_ex(door.getsockname()));
        expect(state_of(client.fileno(), POLLOUT)).toBe(POLLOUT); // the kernel has not dropped it
      }
      await stage.loop({ count: 1 });
      expect(stage.count('accepted')).toBe(128);
    });
  }),
);
