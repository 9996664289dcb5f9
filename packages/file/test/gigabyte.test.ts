/** Much data: a gigabyte, or what ASYNCORE_TEST_MEGABYTES says. */
// In a process of its own: it measures memory.
import { spawn } from 'node:child_process';
import { file_dispatcher } from '@asyncore/file';
import { expect, it } from 'vitest';
import { close, onEveryPoller, pipe, Stage } from './support.js';

const MEGABYTES = Number(process.env.ASYNCORE_TEST_MEGABYTES ?? 1024);
const LENGTH = MEGABYTES * (1 << 20);

/** The bytes at any place of the data: no block of it is like its neighbours. */
const PERIOD = 999_983;
const pattern = Buffer.alloc(2 * PERIOD);
for (let i = 0, x = 1; i < pattern.length; i++) {
  x = i % PERIOD === 0 ? 1 : (Math.imul(x, 1_103_515_245) + 12_345) >>> 0;
  pattern[i] = x >>> 16;
}
const bytesAt = (position: number, length: number) =>
  pattern.subarray(position % PERIOD, (position % PERIOD) + length);

class Source extends file_dispatcher {
  position = 0;

  override readable(): boolean {
    return false;
  }

  override handle_write(): void {
    this.position += this.send(bytesAt(this.position, Math.min(65536, LENGTH - this.position)));
    if (this.position === LENGTH) this.close();
  }
}

class Sink extends file_dispatcher {
  position = 0;
  same = true;
  most = 0;

  override handle_read(): void {
    const data = this.recv(65536);
    this.same &&= data.equals(bytesAt(this.position, data.length));
    this.position += data.length;
    if (this.position % (1 << 20) < data.length) {
      this.most = Math.max(this.most, process.memoryUsage.rss());
    }
  }

  override handle_close(): void {
    this.close();
  }
}

onEveryPoller((use_poll) => {
  it(`${MEGABYTES} MB go through cat identical, in constant memory`, async () => {
    const stage = new Stage(use_poll);
    const [input, toCat] = pipe();
    const [fromCat, output] = pipe();
    spawn('cat', { stdio: [input, output, 'inherit'] });
    const sink = new Sink(fromCat, stage.map);
    new Source(toCat, stage.map);
    for (const fd of [input, toCat, fromCat, output]) close(fd);
    const before = process.memoryUsage.rss();
    await stage.loop();
    expect(sink.same).toBe(true);
    expect(sink.position).toBe(LENGTH);
    expect((sink.most - before) / (1 << 20)).toBeLessThan(128);
  }, 120_000);
});
