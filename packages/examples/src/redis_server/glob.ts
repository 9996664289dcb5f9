/** Patterns, as KEYS and CONFIG GET take them. */
import { Refusal } from './refusal.js';

/** In bytes. A key may have to be compared with all of a pattern at each of its characters. */
const LONGEST_PATTERN = 256;

/** Whether a key fits a pattern of *, ?, [a-z], [^a] and \\x, in time in proportion to both lengths. */
export function glob(pattern: string): (key: string) => boolean {
  if (pattern.length > LONGEST_PATTERN) throw new Refusal('the pattern is too long');
  const tokens = (pattern.match(/\[\^?(?:\\.|[^\\\]])*\]?|\\.|./gs) ?? []).map(charTest);
  return (key) => {
    let [token, star, mark] = [0, -1, 0];
    for (let at = 0; at < key.length; ) {
      if (tokens[token] === '*') {
        star = token++;
        mark = at;
      } else if (token < tokens.length && (tokens[token] as CharTest)(key[at])) {
        token++;
        at++;
      } else if (star >= 0) {
        token = star + 1;
        at = ++mark;
      } else {
        return false;
      }
    }
    return tokens.slice(token).every((rest) => rest === '*');
  };
}

type CharTest = (char: string) => boolean;

function charTest(token: string): CharTest | '*' {
  if (token === '*') return '*';
  if (token === '?') return () => true;
  if (!token.startsWith('[')) return (char) => char === token.at(-1);
  const [, not, body] = /^\[(\^?)(.*?)\]?$/s.exec(token) ?? [];
  const ranges = [...body.matchAll(/\\?(.)(?:-\\?(.))?/gs)].map(([, a, b = a]) => [a, b].sort());
  return (char) => ranges.some(([from, to]) => from <= char && char <= to) !== (not === '^');
}
