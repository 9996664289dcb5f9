/** What somebody typed, as text. */

/**
 * What telnet says about itself: these are never bytes of UTF-8. What begins and does not end takes the
 * rest along, for to look for the end from each of many beginnings would take a very long time.
 */
const TELNET = /\xff(?:[\xfb-\xfe].|\xfa.*?(?:\xff\xf0|$)|.)/gs;

/** What would move the cursor, ring the bell, colour the screen or turn the direction of writing. */
const CONTROL = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu;

/** Text without anything that could play tricks on somebody's terminal. */
export function plain(bytes: Buffer): string {
  const typed = bytes.toString('latin1').replaceAll(TELNET, '');
  const text = Buffer.from(typed, 'latin1').toString().replaceAll('\t', ' ');
  return text.replaceAll(CONTROL, '').trim();
}
