/** What is stored. */
import { type Bytes, copyOf } from './bytes.js';

export interface Entry {
  value: Bytes;
  /** When it expires, in milliseconds since 1970. */
  deadline: number;
}

export const database = new Map<string, Entry>();

export function find(key: string): Entry | undefined {
  const entry = database.get(key);
  if (entry === undefined || entry.deadline === Infinity || entry.deadline > Date.now()) {
    return entry;
  }
  database.delete(key);
  return undefined;
}

export function store(key: string, value: Bytes, deadline: number): void {
  const entry = database.get(key);
  if (entry === undefined) {
    database.set(copyOf(key), { value: copyOf(value), deadline });
  } else {
    entry.value = copyOf(value);
    entry.deadline = deadline;
  }
}
