/** So many pieces are kept apart, as asynchat keeps them. */
const FEW = 4;
/** The size of a block of small pieces, in bytes: it begins small, and doubles as it fills. */
const LEAST = 64;
const MOST = 65536;
/** A piece of this size or more takes little more memory than its bytes, and stays as it is. */
const LARGE = 2048;

/**
 * How far the blocks made here are filled. Only who has the last bytes may go on behind them: a view
 * that somebody kept shows the same for ever.
 */
const filled = new WeakMap<ArrayBufferLike, number>();

/**
 * Puts `data` behind the other `pieces`. From the fifth on, small ones are joined into the last, so that
 * they take no more than about twice the memory of their bytes, however many they are and wherever they
 * were cut. The time is linear in the bytes.
 */
export function collect(pieces: Buffer[], data: Buffer): void {
  const last = pieces.at(-1);
  if (last !== undefined && isScrap(last)) pieces[pieces.length - 1] = copied(last);
  if (last === undefined || pieces.length < FEW || isLarge(data)) pieces.push(data);
  else if (!append(pieces, data)) startBlock(pieces, data);
}

function isLarge(data: Buffer): boolean {
  return data.length >= LARGE && !isScrap(data);
}

/** A piece that is cut out of a larger block keeps all of that in memory. */
function isScrap({ length, buffer }: Buffer): boolean {
  return length * 2 < buffer.byteLength && buffer.byteLength > LEAST;
}

/** A copy in memory of its own: `Buffer.from` puts small ones into a block with those of others. */
export function copied(bytes: Buffer): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length);
  copy.set(bytes);
  return copy;
}

/** Whether there was room behind the last piece. */
function append(pieces: Buffer[], data: Buffer): boolean {
  const last = pieces[pieces.length - 1];
  const { buffer, byteOffset } = last;
  const end = byteOffset + last.length;
  if (filled.get(buffer) !== end || buffer.byteLength - end < data.length) return false;
  const longer = Buffer.from(buffer, byteOffset, last.length + data.length);
  longer.set(data, last.length);
  filled.set(buffer, end + data.length);
  pieces[pieces.length - 1] = longer;
  return true;
}

/** Makes a block with room behind `data`, and takes the last piece into it unless that is large. */
function startBlock(pieces: Buffer[], data: Buffer): void {
  const last = pieces[pieces.length - 1];
  const joins = filled.has(last.buffer) ? last.length <= MOST / 2 : !isLarge(last);
  const before = joins ? last.length : 0;
  const length = before + data.length;
  const block = Buffer.allocUnsafeSlow(Math.max(LEAST, Math.min(length * 2, MOST), length));
  if (joins) {
    block.set(last);
    pieces.pop();
  }
  block.set(data, before);
  filled.set(block.buffer, length);
  pieces.push(block.subarray(0, length));
}
