/** The test files of streams, which run over every kind of transport. */
export const STREAMS: readonly string[] = [
  'close_when_done',
  'keep_alive',
  'put_right/async_handlers',
  'put_right/hang_up',
  'put_right/lingering',
  'put_right/output',
  'stream',
  'timeout',
];
