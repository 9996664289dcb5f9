/** What MAIL and RCPT name. */
import { isUtf8 } from 'node:buffer';

/** An address in angle brackets, which may be empty or have a quoted part, and what follows it. */
const PATH = /^ *<((?:"(?:\\[ -~]|[ !#-[\]-~\x80-\xff])*"|[!#-;=?-~\x80-\xff])*)>(?: (.*))?$/;

export function pathAfter(keyword: string, text: string): RegExpExecArray | [] {
  const found = text.slice(0, keyword.length).toUpperCase() === keyword;
  return (found && PATH.exec(text.slice(keyword.length))) || [];
}

/** What was received as latin1; null unless it is ASCII, or UTF-8 where that was announced. */
export function addressOf(path: string, mayBeUtf8: boolean): string | null {
  const bytes = Buffer.from(path, 'latin1');
  if (bytes.every((byte) => byte < 0x80)) return path;
  return mayBeUtf8 && isUtf8(bytes) ? bytes.toString() : null;
}
