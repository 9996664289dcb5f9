/**
 * The length of the longest prefix of `needle` that `haystack` ends with. So much has to be held back,
 * because the next bytes may complete the needle. Search for a whole `needle` first.
 *
 *     find_prefix_at_end('qwerty\r', '\r\n')     // 1
 *     find_prefix_at_end('qwertydkjf', '\r\n')   // 0
 *     find_prefix_at_end('data\r\n.', '\r\n.\r\n')   // 3
 *
 * Takes time in proportion to the needle, however often it repeats itself.
 */
export function find_prefix_at_end<T extends string | Uint8Array>(haystack: T, needle: T): number {
  let at = Math.max(0, haystack.length - needle.length + 1);
  while (at < haystack.length && haystack[at] !== needle[0]) at += 1;
  if (at === haystack.length || needle.length === 0) return 0;

  // Knuth, Morris and Pratt: `fallback[n]` is the answer for the first n of the needle itself.
  const fallback = fallbacks(needle, haystack.length - at);
  let matched = 0;
  for (; at < haystack.length; at += 1) {
    while (matched > 0 && haystack[at] !== needle[matched]) matched = fallback[matched];
    if (haystack[at] === needle[matched]) matched += 1;
  }
  return matched;
}

function fallbacks(needle: string | Uint8Array, length: number): Uint32Array {
  const fallback = new Uint32Array(length + 1);
  let matched = 0;
  for (let at = 1; at < length; at += 1) {
    while (matched > 0 && needle[at] !== needle[matched]) matched = fallback[matched];
    if (needle[at] === needle[matched]) matched += 1;
    fallback[at + 1] = matched;
  }
  return fallback;
}
