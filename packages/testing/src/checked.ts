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
  const { hosts = {} } = options as { hosts?: Record<string, unknown> };
  for (const [name, addresses] of Object.entries(hosts)) {
    if ([addresses].flat().every((address) => typeof address === 'string')) continue;
    throw new TypeError(`${call}: hosts has no address, nor a list of them, for ${name}`);
  }
}

export function checkedBody(call: string, body: unknown): void {
  if (typeof body !== 'function') throw new TypeError(`${call}: body must be a function`);
}
