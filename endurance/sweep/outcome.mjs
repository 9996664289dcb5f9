/** One way in which a call can end otherwise: what `OUTCOMES` says, a row at a time. */
import { constants } from 'node:os';
import { OUTCOMES } from './outcomes.mjs';

/** What Node has no name for, by the numbers of Linux. */
const ERRNO = {
  ...constants.errno,
  ...{
    ENOSR: 63,
    ENONET: 64,
    ESOCKTNOSUPPORT: 94,
    ETOOMANYREFS: 109,
    EHOSTDOWN: 112,
    ENOTSOCK: 88,
  },
};
const KINDS = { one_byte: 2, half: 3, nothing: 4, late: 5 };
const ERROR = 1;
/** In milliseconds. */
const LATE = 12;

/**
 * An outcome of `call`: `name` is an errno or a kind (`EINTR:made`: the call is made, and then fails),
 * `kind` of which class, `times` how often in a row, and Infinity for ever.
 */
function outcome(call, kind, written, times) {
  const [name, made] = written.split(':');
  const error = ERRNO[name];
  if (error === undefined && !(name in KINDS)) throw new Error(`${call}: no outcome ${name}`);
  const often = times === 1 ? '' : times === Infinity ? ':ever' : `:x${times}`;
  const isMade = made !== undefined || kind === 'one_lost';
  return {
    call,
    kind,
    name,
    times,
    made: isMade,
    is: error === undefined ? KINDS[name] : ERROR,
    argument: error ?? (name === 'late' ? LATE : 0),
    title: `${name}${often}${isMade ? ':made' : ''}`,
  };
}

/**
 * All outcomes of a call that a program may meet. `stubborn` programs leave a channel open that was told of
 * an error, and others close it.
 */
export function outcomesOf(call, stubborn) {
  const { manual, repeated = {}, ...kinds } = OUTCOMES[call];
  const all = [];
  for (const [kind, outcomes] of Object.entries(kinds)) {
    if (kind === (stubborn ? 'told' : 'goes_on')) continue;
    for (const name of Object.keys(outcomes)) {
      all.push(outcome(call, kind, name, 1));
      if (kind === 'one_lost') continue;
      for (const times of [repeated[name] ?? []].flat()) {
        if (times === Infinity && kind !== 'told') continue;
        all.push(outcome(call, kind, name, times));
      }
    }
  }
  return all;
}

/** The outcome of a random run: every call may be interrupted, short or empty, and nobody may notice. */
export const RANDOM = {
  call: 'random',
  kind: 'transparent',
  name: 'random',
  times: 1,
  made: false,
  title: 'random',
};

/** How the command line names one place: `recv#3:EINTR:x3`. */
export const placeOf = ({ call, title }, n) => `${call}#${n}:${title}`;
