import type { async_chat } from '@asyncore/chat';
import { read } from '@asyncore/core';
import { type Socket, socketpair } from '@asyncore/socket';

/** What a chat that is fed these chunks by hand answers to them. */
export function answersTo(make: (sock: Socket) => async_chat, chunks: string[]): string {
  const [ours, theirs] = socketpair();
  const chat = make(ours);
  let answers = '';
  chat.push = (data) => {
    answers += Buffer.from(data as string, 'latin1').toString('latin1');
    return true;
  };
  for (const chunk of chunks) {
    chat.recv = () => Buffer.from(chunk, 'latin1');
    read(chat);
  }
  chat.close();
  theirs.close();
  return answers;
}

/** Whether a chat to which `input` comes again and again stops reading, when nobody takes its answers. */
export function isHeldUp(make: (sock: Socket) => async_chat, input: string): boolean {
  const [ours, theirs] = socketpair();
  const chat = make(ours);
  chat.recv = () => Buffer.from(input, 'latin1');
  for (let i = 0; i < 1000 && chat.readable(); i++) read(chat);
  const isReading = chat.readable();
  theirs.close();
  chat.close();
  return !isReading;
}
