/** Handlers of input that return promises: what was sent in one go is handed on one by one, in order. */
import { socketpair } from '@asyncore/socket';
import { hasInet6 } from '@asyncore/test-support/has_inet6';
import { describe, expect, it } from 'vitest';
import { b, Chat, onEveryPoller, Stage } from './support.js';

const unable = hasInet6() ? '' : ' (runs where ::1 is up: ip -6 address add ::1 dev lo)';

/** A promise, and what settles it. */
function gate(): { opened: Promise<void>; open: () => void } {
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}

/** Has each `found_terminator` wait until it is opened. */
function held(chat: Chat): ReturnType<typeof gate> {
  const { opened, open } = gate();
  const { found_terminator } = chat;
  chat.found_terminator = async () => {
    found_terminator.call(chat);
    await opened;
  };
  return { opened, open };
}

describe.each([
  ['inet', (stage: Stage) => stage.pair(), false],
  [`inet6${unable}`, (stage: Stage) => stage.pair('::1'), unable !== ''],
  ['unix', () => socketpair(), false],
])('%s', (_, pair, isLeftOut) => {
  describe.skipIf(isLeftOut)('while found_terminator waits', () => {
    onEveryPoller((use_poll) => {
      it('what follows a command is not taken for another, though it came with it', async () => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = pair(stage);
        const chat = new Chat(stage, '\n', ours);
        const { opened, open } = gate();
        const { found_terminator } = chat;
        chat.found_terminator = async () => {
          found_terminator.call(chat);
          if (chat.contents.at(-1) !== 'DATA') return;
          await opened;
          chat.set_terminator('.\n');
          chat.found_terminator = () => {
            found_terminator.call(chat);
            chat.set_terminator('\n');
          };
        };
        theirs.send(b('HELO\nDATA\nQUIT is a word here\n.\nQUIT\n'));
        await stage.until(() => chat.contents.length === 2);
        await stage.passes(3);
        expect(chat.contents).toEqual(['HELO', 'DATA']);
        open();
        await stage.until(() => chat.contents.length === 4);
        expect(chat.contents).toEqual(['HELO', 'DATA', 'QUIT is a word here\n', 'QUIT']);
        theirs.close();
      });

      it('no more is received than one recv gives', async () => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = pair(stage);
        const chat = new Chat(stage, '\n', ours);
        chat.ac_in_buffer_size = 10;
        const { open } = held(chat);
        let received = 0;
        const { recv } = chat;
        chat.recv = (size) => {
          const data = recv.call(chat, size);
          received += data.length;
          return data;
        };
        theirs.send(b('line\n'.repeat(100)));
        await stage.until(() => received > 0);
        await stage.passes(5);
        expect([received, chat.contents.length]).toEqual([10, 1]);
        open();
        await stage.until(() => chat.contents.length === 100);
        theirs.close();
      });

      it('the end that follows is told when all was handed on', async () => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = pair(stage);
        const chat = new Chat(stage, '\n', ours);
        const { open } = held(chat);
        theirs.send(b('one\ntwo\nthree\n'));
        theirs.close();
        await stage.until(() => chat.contents.length === 1);
        await stage.passes(3);
        expect([chat.contents, chat.said]).toEqual([['one'], []]);
        open();
        await stage.loop();
        expect([chat.contents, chat.said]).toEqual([['one', 'two', 'three'], ['close']]);
      });

      it('a channel that closes itself is handed nothing more', async () => {
        const stage = new Stage(use_poll);
        const [ours, theirs] = pair(stage);
        const chat = new Chat(stage, '\n', ours);
        const { opened, open } = held(chat);
        theirs.send(b('one\ntwo\n'));
        await stage.until(() => chat.contents.length === 1);
        chat.close();
        open();
        await opened;
        await stage.passes(3);
        expect([chat.contents, chat.said]).toEqual([['one'], []]);
        theirs.close();
      });
    });
  });
});
