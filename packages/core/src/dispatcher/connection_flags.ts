// What is known of a connection, a bit each: thousands of quiet channels keep it.
export const CONNECTED = 1 << 0;
export const ACCEPTING = 1 << 1;
export const CONNECTING = 1 << 2;
/** The peer will send no more. */
export const ENDED = 1 << 3;
/** handle_close was called for this connection, or close. */
export const OVER = 1 << 4;
/** `close` was called, and there is no new socket yet. */
export const CLOSED = 1 << 5;
/** The peer was gone before the channel was made (accept(2) gives such), and it is to be told. */
export const GONE = 1 << 6;
/** The unhandled read was logged: from then on it is watched for a hang-up only. */
export const DEAF = 1 << 7;
/** Something was received, sent, accepted or connected since the clock was last read. */
export const MOVED = 1 << 8;
/** Sending met the end. What the peer said before is read first. */
export const BROKEN = 1 << 9;
/** All was sent, and what the peer still sends is read away. */
export const LINGERING = 1 << 10;
/** There was a connection in this life, or there is. */
export const MET = 1 << 11;
/** The transport does not say what it holds, and its last recv gave something. */
export const MAY_HOLD_MORE = 1 << 12;
/** TCP_NODELAY was set, or need not be. */
export const TUNED = 1 << 13;
/** The class was looked at for fields that hide the channel's attributes. */
export const EXAMINED = 1 << 14;
/** That a predicate gives an object was said. */
export const EXPLAINED = 1 << 15;

/** handle_close was called: the peer ended the connection, or an error did. */
export const TOLD = 1 << 19;
/** The transport has changed of itself, and its state was not looked at since. */
export const STIRRED = 1 << 21;
/** Its descriptor was given away. */
export const DETACHED = 1 << 20;

// The handlers of one kind run one at a time: these are waiting for a promise.
export const READING = 1 << 16;
export const WRITING = 1 << 17;
export const URGENT = 1 << 18;

/** What a new connection begins with. */
export const KEPT = EXAMINED | EXPLAINED;
