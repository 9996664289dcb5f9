import type { Transport } from '@asyncore/socket';
import type { dispatcher } from './dispatcher.js';

/** The attributes that a field of a subclass would hide. */
const ATTRIBUTES = ['connected', 'accepting', 'connecting', 'addr', 'socket'] as const;

/** Removes fields of a subclass that hide what the constructor has set, and logs that. */
export function pass_over_fields(channel: dispatcher<Transport>): void {
  for (const name of ATTRIBUTES) {
    if (!Object.hasOwn(channel, name)) continue;
    Reflect.deleteProperty(channel, name);
    channel.log_info(
      `${channel.constructor.name} has a field "${name}", which would hide the channel's own attribute: the channel ignores it, so remove it`,
      'error',
    );
  }
}

/** Logs that a predicate returned an object: in JavaScript an empty array or object is true, in Python false. */
export function explain_truth(channel: dispatcher<Transport>, predicate: string): void {
  channel.log_info(
    `${predicate} of ${channel.constructor.name} returns an object, which is true even when it is empty: return a boolean, such as queue.length > 0`,
    'error',
  );
}
