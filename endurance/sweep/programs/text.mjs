/** Text of `length` characters that is nowhere the same, so that a piece lost or doubled shows. */
export function text(tag, length) {
  let all = '';
  for (let i = 0; all.length < length; i++) all += `${tag}${i}.`;
  return all.slice(0, length);
}
