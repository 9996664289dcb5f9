/** The library's own handlers, which only log a warning; dispatcher.ts puts them here. */
export const unhandled: {
  read?: () => void;
  write?: () => void;
  write_event?: () => void;
} = {};
