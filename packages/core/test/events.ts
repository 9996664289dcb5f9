/** How to get each handler of a channel called. */
import { dispatcher } from '@asyncore/core';
import { AF_INET, MSG_OOB, SHUT_WR, Socket } from '@asyncore/socket';
import { connection, listening, own, type Recorder, refusing } from './support.js';

const hello = Buffer.from('hello');

/** How to get a handler called, with a channel and its connection's other end. */
const events = {
  handle_read: (_, theirs) => theirs.send(hello),
  handle_write: () => {},
  handle_expt: (_, theirs) => theirs.send(hello, MSG_OOB),
  handle_eof: (_, theirs) => theirs.shutdown(SHUT_WR),
  handle_close: (_, theirs) => theirs.close(),
  handle_connect: (channel) => {
    const server = own(listening(new dispatcher(null, new Map())));
    channel.close();
    channel.create_socket();
    channel.connect(server.getsockname());
  },
  handle_connect_error: (channel) => {
    channel.close();
    channel.create_socket();
    channel.connect(refusing());
  },
  handle_accept: (channel) => serve(channel),
  handle_accepted: (channel) => serve(channel),
} satisfies Record<string, (channel: Recorder, theirs: Socket) => void>;

export type Handler = keyof typeof events;
export const handlers = Object.keys(events) as Handler[];

function serve(channel: Recorder): void {
  channel.close();
  listening(channel);
  own(new Socket(AF_INET)).connect_ex(channel.getsockname());
}

/** A channel whose `handler` is `body`, about to be called. */
export function about(handler: Handler, channel: Recorder, body: () => void): Recorder {
  const [ours, theirs] = connection();
  channel.set_socket(ours);
  channel.connected = true;
  channel[handler] = body;
  events[handler](channel, theirs);
  return channel;
}
