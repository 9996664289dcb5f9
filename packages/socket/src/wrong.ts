/** Errors for wrong arguments, with the `code` that Node's own have. */
export const wrong = {
  type(message: string): TypeError {
    return Object.assign(new TypeError(message), { code: 'ERR_INVALID_ARG_TYPE' });
  },
  range(message: string): RangeError {
    return Object.assign(new RangeError(message), { code: 'ERR_OUT_OF_RANGE' });
  },
};
