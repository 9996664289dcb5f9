import { type channel_map, socket_map } from './channel.js';
import { checkMap } from './checked.js';
import { is_exit } from './exit_now.js';

/**
 * Closes every channel of `map` and empties it. An EBADF is ignored. Any other error is thrown at
 * once, and the remaining channels stay open, unless `ignore_all` is true. ExitNow is always
 * thrown.
 */
export function close_all(map: channel_map | null = socket_map, ignore_all = false): void {
  checkMap('close_all', map);
  map ??= socket_map;
  for (const channel of [...map.values()]) {
    try {
      channel.close?.();
    } catch (error) {
      if (is_exit(error)) throw error;
      const { code } = error as NodeJS.ErrnoException;
      if (code !== 'EBADF' && !ignore_all) throw error;
    }
  }
  map.clear();
}
