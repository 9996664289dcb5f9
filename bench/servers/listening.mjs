/**
 * What every JavaScript server here has: it tells its port, and on SIGUSR2 it collects its garbage
 * and tells how many bytes of JavaScript's heap, and of memory held by it, remain.
 */
import process from 'node:process';

/** All of it: an argument would make it a small collection in Node, and in Bun one that goes on beside. */
const collect = globalThis.gc ?? (() => globalThis.Bun.gc(true));

process.on('SIGUSR2', async () => {
  // What is finalized by one collection is freed by a later one.
  for (let i = 0; i < 4; i++) {
    collect();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const { heapUsed, external } = process.memoryUsage();
  console.log(`collected ${heapUsed + external}`);
});

export function listening(port) {
  console.log(`listening on ${port}`);
}
