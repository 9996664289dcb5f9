/** A file_dispatcher whose public methods are called everywhere. As a worker it plays them. */
import { parentPort } from 'node:worker_threads';
import { file_dispatcher } from '@asyncore/file';
import { allFailuresOf, CALLS, quiet } from '@asyncore/test-support/every_method';

class File extends quiet(file_dispatcher) {}

/** @type {import('@asyncore/test-support/every_method').Kind} */
export const KIND = {
  // On a descriptor of a socket, which can be read and written.
  make: (sock, map) => {
    const file = new File(sock, map);
    sock.close();
    return file;
  },
  calls: { ...CALLS, set_file: (c, round) => c.set_file(round.pair()[0]) },
  connects: false,
};

if (parentPort) parentPort.postMessage(await allFailuresOf(KIND));
