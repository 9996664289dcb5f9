/** Errors for wrong arguments, with the `code` that Node's own have. */
export const wrong = {
  /** Of a wrong type: ERR_INVALID_ARG_TYPE. */
  type(message: string): TypeError {
    return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
  },
  /** Out of range: ERR_OUT_OF_RANGE. */
  range(message: string): RangeError {
    return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
  },
};

/** `value`, unless it is no 32-bit integer: then it throws. */
export function int32(call: string, what: string, value: unknown): number {
  if (typeof value !== 'number') {
    throw wrong.type(`${call}: ${what} must be an integer${hint(what, value)}`);
  }
  if (value !== (value | 0)) throw wrong.range(`${call}: ${what} must be a 32-bit integer`);
  return value;
}

const CONSTANTS = ['family', 'type', 'level', 'option'];

function hint(what: string, value: unknown): string {
  if (value === undefined && CONSTANTS.includes(what)) {
    return ': got undefined: this system may lack the constant';
  }
  if (typeof value !== 'string') return '';
  if (/^[A-Z][A-Z0-9_]+$/.test(value)) return `: the constant ${value}, not its name in quotes`;
  return /^-?\d+$/.test(value) ? `: the number ${value}, not a string` : '';
}
