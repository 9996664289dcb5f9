/** The one of `names` that is most like `name`, if one is like it: for "did you mean". */
export function similar(name: string, names: readonly string[]): string | undefined {
  const words = name.toLowerCase().replaceAll(/[^a-z0-9]+/g, '_');
  const ranked = names
    .map((each) => ({ each, far: each.startsWith(words) ? 0 : distance(words, each) }))
    .sort((a, b) => a.far - b.far);
  const [best] = ranked;
  return best !== undefined && best.far <= Math.max(2, words.length / 4) ? best.each : undefined;
}

/** How many letters to change, leave out or add. */
function distance(a: string, b: string): number {
  let last = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const changed = last[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1);
      row[j] = Math.min(last[j] + 1, row[j - 1] + 1, changed);
    }
    last = row;
  }
  return last[b.length];
}
