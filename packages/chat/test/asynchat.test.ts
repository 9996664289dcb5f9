/** What CPython's test_asynchat.py tests, in our own words. */
import { async_chat, find_prefix_at_end, simple_producer } from '@asyncore/chat';
import { describe, expect, it } from 'vitest';
import { accepted, b, Chat, listening, onEveryPoller, Peer, Stage } from './support.js';

const QUIT = 'QUIT\n';
const DATA = "hello world, I'm not dead yet!\n";

/** Sends back what it got before QUIT, `portion` bytes at a time. */
class EchoPeer extends Peer {
  override handle_read(): void {
    super.handle_read();
    const { text } = this;
    if (!text.endsWith(QUIT)) return;
    this.isReading = false;
    this.say(text.slice(0, -QUIT.length));
  }

  override handle_write(): void {
    super.handle_write();
    if (!this.writable()) this.close();
  }
}

/** A client that connects, and the server it talks to. */
function talk(stage: Stage, terminator: Buffer | number | null): [Chat, EchoPeer] {
  const door = listening();
  const client = new Chat(stage, terminator);
  client.create_socket();
  client.connect(door.getsockname());
  const [theirs] = accepted(door);
  door.close();
  return [client, new EchoPeer(stage, theirs)];
}

onEveryPoller((use_poll) => {
  describe.each(['\n', '\r\n', 'qqq'])('the line terminator %j', (term) => {
    it.each([1, 2, 3])('is found in an answer that comes %i bytes at a time', async (portion) => {
      const stage = new Stage(use_poll);
      const [client, peer] = talk(stage, b(term));
      peer.portion = client.ac_in_buffer_size = portion;
      client.push(b('hello '));
      client.push(b(`world${term}`));
      client.push(b(`I'm not dead yet!${term}`));
      client.push(b(QUIT));
      await stage.loop();
      expect(client.contents).toEqual(['hello world', "I'm not dead yet!"]);
      expect(client.said).toEqual(['close']);
    });
  });

  it.each([1, 6])('the number terminator %i is reached, then all is collected', async (length) => {
    const stage = new Stage(use_poll);
    const [client] = talk(stage, length);
    client.push(b(DATA + QUIT));
    await stage.loop();
    expect(client.contents).toEqual([DATA.slice(0, length)]);
    expect(client.buffer).toBe(DATA.slice(length));
    expect(client.get_terminator()).toBe(0);
  });

  it('without a terminator all is collected', async () => {
    const stage = new Stage(use_poll);
    const [client] = talk(stage, null);
    client.push(b(DATA));
    client.push(b(QUIT));
    await stage.loop();
    expect([client.contents, client.buffer]).toEqual([[], DATA]);
  });

  it('a simple_producer is sent to its end', async () => {
    const stage = new Stage(use_poll);
    const [client] = talk(stage, b('\n'));
    client.push_with_producer(new simple_producer(b(`hello world\n${DATA}${QUIT}`), 8));
    await stage.loop();
    expect(client.contents).toEqual(['hello world', DATA.trim()]);
  });

  it('bytes may be pushed as a producer', async () => {
    const stage = new Stage(use_poll);
    const [client] = talk(stage, b('\n'));
    client.push_with_producer(b(`hello world\n${DATA}${QUIT}`));
    await stage.loop();
    expect(client.contents).toEqual(['hello world', DATA.trim()]);
  });

  it('an empty line is found', async () => {
    const stage = new Stage(use_poll);
    const [client] = talk(stage, b('\n'));
    client.push(b(`hello world\n\n${DATA}`));
    client.push(b(QUIT));
    await stage.loop();
    expect(client.contents).toEqual(['hello world', '', DATA.trim()]);
  });

  it('close_when_done closes when all is sent', async () => {
    const stage = new Stage(use_poll);
    const [client, peer] = talk(stage, b('\n'));
    client.push(b(DATA));
    client.push(b(QUIT));
    client.close_when_done();
    await stage.until(() => client.said.includes('close'));
    await stage.until(() => peer.text === DATA + QUIT);
    expect(client.contents).toEqual([]);
  });

  it('push takes any bytes and nothing else', async () => {
    const stage = new Stage(use_poll);
    const [client] = talk(stage, b('\n'));
    client.push(b('buffer\n'));
    client.push(new Uint8Array(b('array\n')));
    client.push(new DataView(new Uint8Array(b('view\n')).buffer));
    expect(() => client.push(10 as never)).toThrow(TypeError);
    expect(() => client.push('unicode')).toThrow(TypeError);
    client.push(b(QUIT));
    await stage.loop();
    expect(client.contents).toEqual(['buffer', 'array', 'view']);
  });
});

it('a recv that would block is no error', async () => {
  const stage = new Stage();
  const [ours] = stage.pair();
  const chat = new Chat(stage, null, ours);
  chat.handle_read(); // by hand: a subclass may do something behind it
  chat.readable = () => true;
  // As an event that comes for nothing: the loop calls it like this.
  const { read } = await import('@asyncore/core');
  read(chat);
  expect(chat.said).toEqual([]);
  expect(chat.connected).toBe(true);
});

it('find_prefix_at_end tells how much of the needle is there', () => {
  expect(find_prefix_at_end('qwerty\r', '\r\n')).toBe(1);
  expect(find_prefix_at_end('qwertydkjf', '\r\n')).toBe(0);
});

it('a negative terminator is refused, connected or not', () => {
  expect(() => new async_chat(null, new Map()).set_terminator(-1)).toThrow(RangeError);
});
