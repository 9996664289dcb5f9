const COMMON = ['globals', 'hosts', 'descriptors', 'loop', 'loopback'];

/** Throws a TypeError that names an unknown option. */
export function checkedOptions(call: string, options: object, more: readonly string[]): void {
  if (typeof options !== 'object' || options === null) {
    throw new TypeError(`${call}: options must be an object`);
  }
  const names = [...COMMON, ...more];
  for (const name of Object.keys(options)) {
    if (names.includes(name)) continue;
    throw new TypeError(`${call}: there is no option ${name}, only ${names.join(', ')}`);
  }
}

export function checkedBody(call: string, body: unknown): void {
  if (typeof body !== 'function') throw new TypeError(`${call}: body must be a function`);
}
