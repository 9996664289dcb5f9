/**
 * Several byte strings searched for at once, from left to right.
 *
 *     const list = new needle_list([Buffer.from('\n'), Buffer.from('\r\n')]);
 *     list.find(Buffer.from('one\r\ntwo'), 0);   // 3, and list.found is '\r\n'
 *     list.find(Buffer.from('one\r'), 0);        // 3, and list.found is null: the next byte will tell
 *     list.find(Buffer.from('one'), 0);          // 3, the buffer's length, and list.found is null
 */
export class needle_list {
  /** The needle that the last `find` found: the shortest of those that begin at that place. */
  found: Uint8Array | null = null;
  /** What makes `found` a longer needle if it follows, shortest first. */
  endings: readonly Uint8Array[] = [];

  private readonly needles: readonly Uint8Array[];
  private readonly endingsOf = new Map<Uint8Array, readonly Uint8Array[]>();
  private readonly firstBytes = new Uint8Array(256);

  constructor(needles: readonly Uint8Array[]) {
    this.needles = needles.toSorted((a, b) => a.length - b.length);
    for (const needle of this.needles) {
      this.endingsOf.set(needle, endingsAfter(needle, this.needles));
      this.firstBytes[needle[0]] = 1;
    }
  }

  /**
   * Where the first needle begins, or where one may begin whose rest is still to come. It goes over the
   * bytes once, for all needles: a needle that never comes would else be looked for on each short line.
   */
  find(buffer: Uint8Array, from: number): number {
    for (let at = from; at < buffer.length; at += 1) {
      if (this.firstBytes[buffer[at]] === 1 && this.begins(buffer, at)) return at;
    }
    this.found = null;
    return buffer.length;
  }

  private begins(buffer: Uint8Array, at: number): boolean {
    for (const needle of this.needles) {
      const equal = equalBytes(buffer, at, needle);
      if (equal === needle.length) {
        this.found = needle;
        this.endings = this.endingsOf.get(needle) ?? [];
        return true;
      }
      if (at + equal === buffer.length) {
        this.found = null;
        return true;
      }
    }
    return false;
  }
}

/** How many bytes of `buffer`, from `at` on, are those that `needle` begins with. */
export function equalBytes(buffer: Uint8Array, at: number, needle: Uint8Array): number {
  const most = Math.min(needle.length, buffer.length - at);
  let equal = 0;
  while (equal < most && buffer[at + equal] === needle[equal]) equal += 1;
  return equal;
}

/** The rest of each of `needles` that begins with `start` and is longer. */
export function endingsAfter(start: Uint8Array, needles: readonly Uint8Array[]): Uint8Array[] {
  return needles
    .filter(({ length }) => length > start.length)
    .filter((needle) => equalBytes(needle, 0, start) === start.length)
    .map((needle) => needle.subarray(start.length));
}
