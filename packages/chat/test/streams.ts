/** The test files of conversations, which run over every kind of transport. */
export const STREAMS: readonly string[] = [
  'async_chat_high_water',
  'async_chat_input',
  'async_chat_output',
  'async_chat_producer',
  'asynchat',
];
