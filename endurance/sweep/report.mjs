/** What the sweep says of its violations: those of one call that show alike together, with one to play again. */

const quoted = (word) => (/^\w+$/.test(word) ? word : `'${word}'`);
/** The place of what goes wrong before anything is altered. */
export const BEGIN = 'begin';
/** In characters: what is shown of a complaint. */
const MOST = 600;
const BRIEF = 160;

const callOf = ({ place }) => place.split(/[# ]/)[0];
const titleOf = ({ outcome }) => outcome.slice(outcome.indexOf(':') + 1);

/** `lost listener`: what kinds of complaint there are. */
const kindsOf = ({ complaints }) =>
  [...new Set(complaints.map((each) => each.split(':')[0]))].sort().join(' ');

function grouped(all, keyOf) {
  const groups = new Map();
  for (const each of all) {
    const key = keyOf(each);
    groups.set(key, [...(groups.get(key) ?? []), each]);
  }
  return groups;
}

/** `EPERM 12, EACCES 3`. */
const tally = (all, nameOf) =>
  [...grouped(all, nameOf)].map(([name, { length }]) => `${name} ${length}`).join(', ');

/** The command that plays the place of a complaint again. */
function replay({ program, poller, place }) {
  const one = `--programs ${program} --pollers ${quoted(poller)}`;
  if (place === BEGIN) return `npm run sweep -- ${one}`;
  const [, seed] = /^seed (\d+)$/.exec(place) ?? [];
  if (!seed) return `npm run sweep -- --only ${program} ${quoted(poller)} ${place}`;
  return `npm run sweep -- --random ${one} --seed ${seed} --seconds 0`;
}

/** One line, printed as soon as it is known: the first that was wrong, and how to play it again. */
export const brief = (each) => `${each.complaints[0].slice(0, BRIEF)}  <- ${replay(each)}`;

/** The lines to print about all complaints of all results. */
export function* report(complaints) {
  const groups = grouped(complaints, (each) => `${callOf(each)}: ${kindsOf(each)}`);
  for (const [title, group] of [...groups].sort(([a], [b]) => (a < b ? -1 : 1))) {
    const [first] = group;
    yield `FAILED: ${title}, at ${group.length} ${group.length === 1 ? 'place' : 'places'}`;
    if (first.kind && callOf(first) !== 'seed') yield `  outcomes: ${tally(group, titleOf)}`;
    yield `  programs: ${tally(group, ({ program, poller }) => `${program} on ${poller}`)}`;
    yield first.kind ? `  the first, which is to be ${first.kind}:` : '  the first:';
    for (const complaint of first.complaints) yield `    ${complaint.slice(0, MOST)}`;
    if (first.told) yield `    told: ${first.told}`;
    if (first.loopError) yield `    the loop rejected with ${first.loopError}`;
    yield `  ${replay(first)}`;
  }
}
