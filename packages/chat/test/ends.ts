import { async_chat } from '@asyncore/chat';
import { type channel_map, dispatcher_with_send } from '@asyncore/core';
import type { Socket } from '@asyncore/socket';
import type { Random } from '@asyncore/test-support/random';
import { type Journal, STREAM, type Story, type TERMINATORS } from './story.js';

/** What the ends of a round have around them. */
export interface Stage extends Journal {
  readonly map: channel_map;
  readonly random: Random;
  /** What a handler may do besides. */
  perhaps(): void;
}

export type End = ReturnType<typeof chat> | ReturnType<typeof plain>;

export function chat(round: Stage, story: Story, sock: Socket | null) {
  class Chat extends async_chat {
    terminator: (typeof TERMINATORS)[number] = null;
    collected = 0;

    collect_incoming_data(data: Buffer): void {
      story.heard(`collect ${data.length}`);
      story.came(data);
      story.isCollecting = true; // the next found_terminator may be of this terminator still
      try {
        round.perhaps();
      } finally {
        // So too while it does not read, and then goes on from here.
        story.isCollecting = !async_chat.prototype.readable.call(this);
      }
    }
    found_terminator(): void {
      story.heard('found');
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
    }
    override handle_drain(): void {
      story.heard('drain');
      round.perhaps();
    }
  }
  const chat = told(round, new Chat(sock, round.map), story);
  chat.set_terminator(null);
  chat.ac_in_buffer_size = round.random.pick([1, 100, 4096, 65_536]);
  chat.ac_out_buffer_size = round.random.pick([10, 4096, 65_536]);
  // Of one end only: two that do not read while they wait to be read would wait for ever.
  const limits = story.name.endsWith('a') ? [0, 1000, 100_000] : [0];
  chat.ac_out_high_water = round.random.pick(limits);
  return chat;
}

export function plain(round: Stage, story: Story, sock: Socket | null) {
  class Plain extends dispatcher_with_send {
    readSize = round.random.pick([1, 100, 4096, 65_536]);

    override handle_read(): void {
      story.heard('read');
      const data = this.recv(this.readSize);
      if (data.length > 0) story.came(data);
      if (!story.isOver) round.perhaps();
    }
  }
  return told(round, new Plain(sock, round.map), story);
}

/** What both kinds have in common. */
function told<C extends async_chat | dispatcher_with_send>(
  round: Stage,
  channel: C,
  story: Story,
): C {
  const { close, handle_close, handle_eof, handle_timeout, _send_chunks } = channel;
  channel.log_info = () => {};
  channel._send_chunks = (chunks) => {
    const sent = _send_chunks.call(channel, chunks);
    if (sent > 0) story.moved();
    return sent;
  };
  channel.handle_timeout = () => {
    story.heard('timeout');
    const quiet = performance.now() - story.movedAt;
    if (quiet < channel.timeout * 1000) round.fail(`${story.name}: a timeout after ${quiet} ms`);
    story.isDone = true;
    story.isOrderly = false;
    handle_timeout.call(channel);
  };
  channel.handle_connect = () => {
    story.heard('connect');
    story.moved();
    round.perhaps();
  };
  // The other end may have been reset before this one knew that it was connected.
  channel.handle_connect_error = (error) => {
    story.heard(`${error}`);
    channel.close();
  };
  channel.handle_eof = () => {
    story.heard('eof');
    round.perhaps();
    if (story.isOver) return;
    story.isOrderly = true;
    handle_eof.call(channel);
  };
  channel.handle_close = () => {
    story.heard('handle_close');
    story.closing();
    story.closes += 1;
    handle_close.call(channel);
    round.perhaps();
  };
  channel.handle_error = (error) => {
    if ((error as Error).message !== 'mine') {
      round.fail(`${story.name}: ${(error as Error).stack}`);
    }
    story.isOrderly = false;
    channel.close();
  };
  channel.close = () => {
    story.closing();
    if (story.closes === 0) story.isClosed = true;
    close.call(channel);
  };
  return channel;
}
