/** The one clock of timers, in milliseconds: Node's globals as they are at the call. */
export const clock = {
  /** Milliseconds since some moment in the past; never goes back. */
  now: (): number => performance.now(),
  setTimeout: (callback: () => void, milliseconds: number): NodeJS.Timeout =>
    setTimeout(callback, milliseconds),
  clearTimeout: (timer: NodeJS.Timeout | undefined): void => clearTimeout(timer),
};
