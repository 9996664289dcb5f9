/** Who may send, and whether somebody is that. */
import { createHash, timingSafeEqual } from 'node:crypto';

/** Who may send. */
export interface Account {
  user: string;
  password: string;
  /** Only after AUTH is mail taken. */
  isRequired?: boolean;
  /** AUTH is taken without TLS too. */
  inClear?: boolean;
}

/** Takes the same time, whatever is wrong. */
export function isSame(given: string, wanted = ''): boolean {
  const [one, other] = [given, wanted].map((text) => createHash('sha256').update(text).digest());
  return timingSafeEqual(one, other);
}
