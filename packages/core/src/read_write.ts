import { POLLERR, POLLHUP, POLLIN, POLLNVAL, POLLOUT, POLLPRI } from '@asyncore/socket';
import type { channel } from './channel.js';
import { handling, settle, tellClosed } from './handlers/handling.js';

type Handling<K extends keyof channel> = Pick<channel, K | 'handle_error'>;

/** Delivers a read event. What the handler throws goes to `handle_error`, ExitNow to the caller. */
export function read(obj: Handling<'handle_read_event'>): void {
  handling(obj, (obj) => settle(obj, obj.handle_read_event()));
}

/** Delivers a write event; errors as with `read`. */
export function write(obj: Handling<'handle_write_event'>): void {
  handling(obj, (obj) => settle(obj, obj.handle_write_event()));
}

/** Delivers an exceptional condition; errors as with `read`. */
export function _exception(obj: Handling<'handle_expt_event'>): void {
  handling(obj, (obj) => settle(obj, obj.handle_expt_event()));
}

/** Delivers what poll(2) said in `flags` (POLLIN and so on); errors as with `read`. */
export function readwrite(
  obj: Handling<'handle_read_event' | 'handle_write_event' | 'handle_expt_event' | 'handle_close'>,
  flags: number,
): void {
  handling(obj, (obj) => {
    if (flags & POLLIN) settle(obj, obj.handle_read_event());
    if (flags & POLLOUT) settle(obj, obj.handle_write_event());
    if (flags & POLLPRI) settle(obj, obj.handle_expt_event());
    if (flags & (POLLHUP | POLLERR | POLLNVAL)) tellClosed(obj);
  });
}
