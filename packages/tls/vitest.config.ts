import { join } from 'node:path';
import { overEveryKind } from '../../vitest.kinds.ts';
import { STREAMS as OF_CHAT } from '../chat/test/streams.ts';
import { STREAMS as OF_CORE } from '../core/test/streams.ts';

const packages = join(import.meta.dirname, '..');

export default overEveryKind(
  ['tls'],
  { folder: join(packages, 'core'), files: OF_CORE },
  { folder: join(packages, 'chat'), files: OF_CHAT },
);
