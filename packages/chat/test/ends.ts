import { async_chat } from '@asyncore/chat';
import { type channel_map, dispatcher_with_send } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import type { Random } from '@asyncore/test-support/random';
import { type Journal, STREAM, type Story, type TERMINATORS } from './story.js';

/** Who has a channel, and its part in the connection that it has now. */
export interface Role {
  story: Story;
}

/** What the ends of a round have around them. */
export interface Stage extends Journal {
  readonly map: channel_map;
  readonly random: Random;
  /** What a handler may do besides. */
  perhaps(): void;
  /** What a handler of input gives: nothing, or a promise. */
  later(role: Role, story: Story): Promise<void> | undefined;
}

export type End = ReturnType<typeof chat> | ReturnType<typeof plain>;

export function chat(round: Stage, role: Role, sock: Socket | null) {
  class Chat extends async_chat {
    terminator: (typeof TERMINATORS)[number] = null;
    collected = 0;

    collect_incoming_data(data: Buffer): Promise<void> | undefined {
      const { story } = role;
      story.heardInput(`collect ${data.length}`);
      story.came(data);
      story.isCollecting = true; // the next found_terminator may be of this terminator still
      let result: Promise<void> | undefined;
      try {
        round.perhaps();
        result = round.later(role, story);
      } finally {
        // So too while it does not read, and then goes on from here.
        story.isCollecting = result !== undefined || !async_chat.prototype.readable.call(this);
      }
      return result;
    }
    found_terminator(): Promise<void> | undefined {
      const { story } = role;
      story.heardInput('found');
      story.isCollecting = false;
      const found = [this.terminator].flat().filter((each) => typeof each === 'string');
      // Of those that fit here, the longest.
      const [longest = ''] = found
        .filter(
          (each) =>
            STREAM.toString('latin1', story.received, story.received + each.length) === each,
        )
        .sort((one, other) => other.length - one.length);
      if (found.length > 0 && longest === '') round.fail(`${story.name}: no terminator is here`);
      story.came(Buffer.from(longest));
      if (found.length === 0) this.terminator = null; // of a number nothing is left
      round.perhaps();
      return round.later(role, story);
    }
    override handle_drain(): void {
      role.story.heard('drain');
      round.perhaps();
    }
  }
  const chat = told(round, new Chat(sock, round.map), role);
  chat.set_terminator(null);
  chat.ac_in_buffer_size = round.random.pick([1, 100, 4096, 65_536]);
  chat.ac_out_buffer_size = round.random.pick([10, 4096, 65_536]);
  // Of one end only: two that do not read while they wait to be read would wait for ever.
  const limits = role.story.name.endsWith('a') ? [0, 1000, 100_000] : [0];
  chat.ac_out_high_water = round.random.pick(limits);
  return chat;
}

export function plain(round: Stage, role: Role, sock: Socket | null) {
  class Plain extends dispatcher_with_send {
    readSize = round.random.pick([1, 100, 4096, 65_536]);

    override handle_read(): Promise<void> | undefined {
      const { story } = role;
      story.heardInput('read');
      const data = this.recv(this.readSize);
      if (data.length > 0) story.came(data);
      if (!story.isOver) round.perhaps();
      return round.later(role, story);
    }
  }
  return told(round, new Plain(sock, round.map), role);
}

/** What both kinds have in common. */
function told<C extends async_chat | dispatcher_with_send>(
  round: Stage,
  channel: C,
  role: Role,
): C {
  const { close, handle_close, handle_eof, handle_timeout, recv, _send_chunks } = channel;
  channel.log_info = () => {};
  // A chat that waits for a promise hands on later what it has received: that is no progress.
  channel.recv = (...args) => {
    const data = recv.apply(channel, args);
    if (data.length > 0) role.story.moved();
    return data;
  };
  channel._send_chunks = (chunks) => {
    const { story } = role;
    const sent = _send_chunks.call(channel, chunks);
    if (sent > 0) story.moved();
    return sent;
  };
  channel.handle_timeout = () => {
    const { story } = role;
    story.heard('timeout');
    const quiet = performance.now() - story.movedAt;
    if (quiet < channel.timeout * 1000) round.fail(`${story.name}: a timeout after ${quiet} ms`);
    story.isDone = true;
    story.isOrderly = false;
    handle_timeout.call(channel);
  };
  channel.handle_connect = () => {
    const { story } = role;
    story.heard('connect');
    story.moved();
    round.perhaps();
  };
  // The other end may have been reset before this one knew that it was connected.
  channel.handle_connect_error = (error) => {
    role.story.heard(`${error}`);
    channel.close();
  };
  channel.handle_eof = () => {
    const { story } = role;
    story.heard('eof');
    round.perhaps();
    if (story.isOver) return;
    story.isOrderly = true;
    handle_eof.call(channel);
  };
  channel.handle_close = () => {
    const { story } = role;
    story.heard('handle_close');
    story.closing();
    story.closes += 1;
    handle_close.call(channel);
    round.perhaps();
  };
  channel.handle_error = (error) => {
    if ((error as Error).message !== 'mine') {
      round.fail(`${role.story.name}: ${(error as Error).stack}`);
    }
    role.story.isOrderly = false;
    channel.close();
  };
  channel.close = () => {
    const { story } = role;
    story.closing();
    if (story.closes === 0) story.isClosed = true;
    close.call(channel);
  };
  return channel;
}
