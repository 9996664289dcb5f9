import { close_all, loop } from '@asyncore/core';

/** What Python does with a loop in a thread, while the program goes on. */
export async function withLoop(main: () => Promise<void>): Promise<void> {
  const running = loop(); // thread = Thread(target=asyncore.loop); thread.start()
  try {
    await main();
  } finally {
    close_all();
    await running; // thread.join()
  }
}
