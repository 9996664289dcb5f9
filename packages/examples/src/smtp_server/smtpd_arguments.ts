/** The arguments of MAIL, RCPT and VRFY as smtpd takes them: angle brackets may be left out. */

const ATOMS = String.raw`[^\s()<>[\]:;@\\,."]+(?:\.[^\s()<>[\]:;@\\,."]+)*`;
const LOCAL = String.raw`(?:"(?:[^"\\]|\\.)*"|${ATOMS})`;
const DOMAIN = String.raw`(?:\[[^[\]\\]*\]|${ATOMS})`;
const ADDRESS = `${LOCAL}(?:@${DOMAIN})?`;
const BRACKETED = new RegExp(`^<(${ADDRESS})?>(.*)$`, 's');
const BARE = new RegExp(`^(${ADDRESS})((?:\\s.*)?)$`, 's');

/** The address behind `keyword`, `'<>'` for the empty one, and what follows it; null without one. */
export function addressIn(text: string, keyword = ''): { address: string; rest: string } | null {
  if (text.slice(0, keyword.length).toUpperCase() !== keyword) return null;
  const path = text.slice(keyword.length).trim();
  const [, address, rest] = (path.startsWith('<') ? BRACKETED : BARE).exec(path) ?? [];
  if (rest === undefined) return null;
  return { address: address ?? '<>', rest: rest.trim() };
}

/** `NAME=VALUE` and `NAME`, whose value is true, by their names; null where one is neither. */
export function parametersIn(words: string[]): Map<string, string | true> | null {
  const parameters = new Map<string, string | true>();
  for (const word of words) {
    const [, name, value] = /^([\p{L}\p{N}]+)(?:=(.+))?$/su.exec(word) ?? [];
    if (name === undefined) return null;
    parameters.set(name, value ?? true);
  }
  return parameters;
}
