/** Attributes of a class, a prototype or an instance, as Python's programs set them. */
import { async_chat, type Terminator } from '@asyncore/chat';
import { expect, it } from 'vitest';
import { Chat, connected, onEveryPoller, Stage } from './support.js';

// `terminator` is an accessor of async_chat that is not declared, so that a class may have the field.
class Lines extends Chat {
  terminator: Terminator | string = '\n';
}
class OnPrototype extends Chat {}
Object.assign(OnPrototype.prototype, { terminator: '\n' });

onEveryPoller((use_poll) => {
  it.each([Lines, OnPrototype])('terminator of %o is the terminator', async (kind) => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, (sock) => new kind(stage, null, sock));
    peer.say('one\ntwo\nthr');
    await stage.until(() => chat.contents.length === 2);
    expect([chat.contents, chat.get_terminator()]).toEqual([['one', 'two'], Buffer.from('\n')]);
  });

  it.each(['at once', 'after an await'])(
    'set in found_terminator %s it holds for what has already been received',
    async (when) => {
      const stage = new Stage(use_poll);
      class Counted extends Lines {
        override found_terminator(): void | Promise<void> {
          super.found_terminator();
          const next = () => {
            this.terminator = this.contents.length % 2 === 1 ? 3 : '\n';
          };
          if (when === 'at once') return next();
          return Promise.resolve().then(next);
        }
      }
      const [chat, peer] = await connected(stage, (sock) => new Counted(stage, null, sock));
      peer.say('3\na\nb5\nc\nd');
      await stage.until(() => chat.contents.length === 4);
      expect(chat.contents).toEqual(['3', 'a\nb', '5', 'c\nd']);
    },
  );

  it('set on an instance it holds, and what set_terminator says afterwards holds too', async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, (sock) => new Chat(stage, null, sock));
    Object.assign(chat, { terminator: '|' });
    peer.say('one|two;three|');
    await stage.until(() => chat.contents.length === 2);
    chat.set_terminator(';');
    peer.say('four;');
    await stage.until(() => chat.contents.length === 3);
    expect(chat.contents).toEqual(['one', 'two;three', 'four']);
  });

  it('ac_in_buffer_size and ac_out_buffer_size are what one call asks for, wherever they are set', async () => {
    const stage = new Stage(use_poll);
    class Small extends Lines {
      override ac_in_buffer_size = 4;
      override ac_out_buffer_size = 3;
    }
    const [chat, peer, ours] = await connected(stage, (sock) => new Small(stage, null, sock));
    const asked = new Set<number>();
    const { recv } = ours;
    ours.recv = (size, flags) => {
      asked.add(size);
      return recv.call(ours, size, flags);
    };
    peer.say('one line\n');
    await stage.until(() => chat.contents.length === 1);
    const given: number[] = [];
    const { _send_chunks } = chat;
    chat._send_chunks = (chunks) => {
      given.push(chunks.reduce((sum, { length }) => sum + length, 0));
      return _send_chunks.call(chat, chunks);
    };
    chat.push(Buffer.from('12345678'));
    await stage.until(() => peer.length === 8);
    expect([[...asked], given]).toEqual([[4], [3, 3, 2]]);
  });

  it("a program's own closing loses nothing", async () => {
    const stage = new Stage(use_poll);
    const [chat, peer] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    chat.closing = true;
    chat.push(Buffer.from('goodbye'));
    chat.close();
    await stage.until(() => peer.ended);
    expect([peer.text, chat.said]).toEqual(['goodbye', []]);
  });

  it('a push after close is refused, and logged once, also after discard_buffers', async () => {
    const stage = new Stage(use_poll);
    const [chat] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    chat.close();
    for (let i = 0; i < 3; i++) expect(chat.push(Buffer.alloc(10))).toBe(false);
    chat.discard_buffers();
    for (let i = 0; i < 3; i++) expect(chat.push(Buffer.alloc(10))).toBe(false);
    chat.push_with_producer({ more: () => Buffer.alloc(10) });
    expect(chat.said).toEqual([
      expect.stringMatching(/^error: push after close is refused: <Chat/),
    ]);
    expect(chat._output().unsent).toBe(0);
  });

  it('handle_read called by hand when nothing is there returns', async () => {
    const stage = new Stage(use_poll);
    const [chat] = await connected(stage, (sock) => new Chat(stage, '\n', sock));
    let went = false;
    chat.handle_read = () => {
      async_chat.prototype.handle_read.call(chat);
      went = true;
    };
    chat.handle_read();
    expect([went, chat.said]).toEqual([true, []]);
  });
});
