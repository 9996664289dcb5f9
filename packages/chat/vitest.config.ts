import { overEveryKind } from '../../vitest.kinds.ts';
import { STREAMS } from './test/streams.ts';

export default overEveryKind(['buffering', 'silent', 'wanting'], {
  folder: import.meta.dirname,
  files: STREAMS,
});
