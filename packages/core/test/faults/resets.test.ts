/** Peers that reset the connection, at each stage of its life. */
import type { OSError } from '@asyncore/socket';
import { expect, it } from 'vitest';
import {
  accepted,
  clients,
  connection,
  listener,
  listening,
  onEveryPoller,
  Recorder,
  reset,
  Sender,
  Stage,
} from '../support.js';

const hello = Buffer.from('hello');

/** A listener that makes a recorder of each connection it accepts. */
function server(stage: Stage): Recorder {
  const channel = listening(new Recorder(stage));
  channel.handle_accepted = (sock) => {
    stage.say('accepted');
    new Recorder(stage, sock);
  };
  return channel;
}

onEveryPoller((use_poll) => {
  it('a connection reset before it is accepted is told once, and the next one is served', async () => {
    const stage = new Stage(use_poll);
    const door = server(stage);
    const [first, second] = clients(door, 2);
    reset(first);
    second.send(hello);
    await stage.until('read 5');
    await stage.until('close');
    expect(stage.trace.toSorted()).toEqual(['accepted', 'accepted', 'close', 'read 5']);
    expect(stage.map.size).toBe(2);
  });

  it('what came before the reset of a connection not yet accepted is read', async () => {
    const stage = new Stage(use_poll);
    const [client] = clients(server(stage), 1);
    client.send(hello);
    reset(client);
    await stage.until('close');
    expect(stage.trace).toEqual(['accepted', 'read 5', 'close']);
  });

  it('a connection reset as soon as it is accepted is told once', async () => {
    const stage = new Stage(use_poll);
    const [client] = clients(server(stage), 1);
    await stage.until('accepted');
    reset(client);
    await stage.until('close');
    await stage.passes();
    expect(stage.trace).toEqual(['accepted', 'close']);
  });

  it('what came before a reset in the middle of a message is read, once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    new Recorder(stage, ours);
    theirs.send(hello);
    await stage.until('read 5');
    theirs.send(hello.subarray(0, 2));
    reset(theirs);
    await stage.loop();
    expect(stage.trace).toEqual(['read 5', 'read 2', 'close']);
  });

  it('a reset while much is still to be sent is told once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const sender = new Sender(stage, ours);
    sender.send(Buffer.alloc(16 << 20));
    theirs.recv(65536);
    await stage.passes();
    reset(theirs);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  it('a reset between two sends of one handler is told once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    const sender = new Sender(stage, ours);
    sender.handle_read = () => {
      sender.recv(100);
      sender.send(hello);
      reset(theirs);
      for (let i = 0; i < 3; i++) {
        sender.send(hello);
        sender.initiate_send();
      }
    };
    theirs.send(hello);
    await stage.loop();
    expect(stage.trace).toEqual(['close']);
  });

  it('a server that resets what it has accepted is told to its client once', async () => {
    const stage = new Stage(use_poll);
    const door = listener();
    const client = new Recorder(stage);
    client.handle_connect_error = (error) => {
      stage.say(`failed ${(error as OSError).code}`);
      client.close();
    };
    client.create_socket();
    client.connect(door.getsockname());
    reset(accepted(door));
    await stage.loop();
    expect(stage.trace.length).toBe(1);
    expect(stage.trace[0]).toMatch(/^failed ECONNRESET$/);
  });

  it('a channel that resets its connection hears nothing more of it, and its peer once', async () => {
    const stage = new Stage(use_poll);
    const [ours, theirs] = connection();
    new Recorder(stage, theirs);
    const channel = new Recorder(stage, ours);
    channel.send(hello);
    reset(ours);
    channel.close();
    await stage.loop();
    expect(stage.trace).toEqual(['read 5', 'close']);
  });
});
