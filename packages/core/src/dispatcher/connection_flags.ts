// The state of a connection, one bit each, to keep thousands of quiet channels small.
export const CONNECTED = 1 << 0;
export const ACCEPTING = 1 << 1;
export const CONNECTING = 1 << 2;
/** The peer will send no more. */
export const ENDED = 1 << 3;
/** handle_close was called for this connection, or close. */
export const OVER = 1 << 4;
/** `close` was called, and there is no new socket yet. */
export const CLOSED = 1 << 5;
/** The peer was gone before the channel was made (accept(2) returns such connections), and the channel has yet to be told. */
export const GONE = 1 << 6;
/** The default handle_read has logged its warning: from then on the loop watches for a hang-up only. */
export const DEAF = 1 << 7;
/** Something was received, sent, accepted or connected since the clock was last read. */
export const MOVED = 1 << 8;
/** A send failed because the peer is gone. What the peer sent before is read first. */
export const SEND_FAILED = 1 << 9;
/** Everything was sent, and what the peer still sends is read and discarded. */
export const LINGERING = 1 << 10;
/** There is, or was, a connection since the channel last began anew. */
export const MET = 1 << 11;
/** The transport does not say how much it holds, and its last recv returned something. */
export const MAY_HOLD_MORE = 1 << 12;
/** TCP_NODELAY was set, or need not be. */
export const TUNED = 1 << 13;
/** The object was searched for fields that hide the channel's attributes. */
export const EXAMINED = 1 << 14;
/** The channel has logged that a predicate returns an object. */
export const EXPLAINED = 1 << 15;

/** handle_close was called: the peer ended the connection, or an error did. */
export const TOLD = 1 << 19;
/** The transport has changed by itself, and its state was not checked since. */
export const STIRRED = 1 << 21;
/** The descriptor was given away (`detach`). */
export const DETACHED = 1 << 20;
/** Our half is ended: nothing can be sent any more. */
export const SHUT = 1 << 22;
/** It was logged that something was refused because it came after the end. */
export const REFUSED = 1 << 23;
/** What is queued is being given to the channel's own way of sending. */
export const HANDING = 1 << 24;
/** When it was last asked, it answered that it waits for input and for nothing else, as most do. */
export const ONLY_READS = 1 << 25;
/** The constructor of `dispatcher` has returned. From then on the fields of a subclass may be there. */
export const MADE = 1 << 26;
/** An attempt to connect is being completed, and no read or write event has come since that began. */
export const COMPLETING = 1 << 27;

// Handlers of one kind run one at a time: a handler of this kind has returned a promise that is pending.
export const READING = 1 << 16;
export const WRITING = 1 << 17;
export const URGENT = 1 << 18;

/** The flags that a new connection keeps. */
export const KEPT = MADE | EXAMINED | EXPLAINED;
