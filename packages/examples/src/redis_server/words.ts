/** Requests that somebody types, without lengths. */

/** The words of an inline request, which may be quoted; null where a quotation does not end. */
export function words(line: string): string[] | null {
  const word =
    /[\t-\r ]*(?![\t-\r ])([^\t-\r "']*)(?:"((?:\\.|[^\\"])*)"|'((?:\\'|[^'])*)')?(?=[\t-\r ])/sy;
  const found: string[] = [];
  let end = line.length; // without the spaces, which /[\t-\r ]*$/ would look for far too often
  while (end > 0 && /[\t-\r ]/.test(line[end - 1])) end -= 1;
  while (word.lastIndex < end) {
    const match = word.exec(line);
    if (match === null) return null;
    const [, plain, double = '', single = ''] = match;
    found.push(plain + double.replaceAll(ESCAPE, unescaped) + single.replaceAll("\\'", "'"));
  }
  return found;
}

const ESCAPE = /\\(?:x([0-9a-f]{2})|(.))/gis;
const ESCAPED: Record<string, string> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' };

function unescaped(_: string, code: string | undefined, letter: string): string {
  return code === undefined
    ? (ESCAPED[letter] ?? letter)
    : String.fromCharCode(Number.parseInt(code, 16));
}
