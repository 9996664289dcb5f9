import type { Case, Sample } from './cases.js';
import { Child } from './child.js';
import { freePort } from './free_port.js';
import { type Limit, Load } from './load.js';
import type { Server } from './servers.js';

export interface Settings {
  /** The load generator, compiled. */
  load: string;
  /** The processors that server and load have to themselves. */
  serverCore: number;
  loadCore: number;
  /** Ends what is measured. */
  limit: Limit;
  /** How much of the usual warming-up there is. */
  warmUp: number;
}

/** Whether a server can take part in a case. */
export function suits(server: Server, one: Case): boolean {
  return (
    server.most >= one.connections && server.command(one.protocol, one.bufferSize, '') !== null
  );
}

/** Starts a server, measures it, and ends it. */
export async function measure(one: Case, server: Server, settings: Settings): Promise<Sample> {
  const { load, serverCore, loadCore, limit } = settings;
  const free = await freePort();
  const command = server.command(one.protocol, one.bufferSize, free) as string[];
  const child = new Child(server.name, serverCore, command);
  let loading: Load | undefined;
  try {
    const [, told] = await child.heard(server.ready ?? /(\d+)$/);
    const port = told || free;
    loading = new Load(load, loadCore, port);
    const share = settings.warmUp * server.share;
    return await one.measure({ server, child, load: loading, port, loadCore, limit, share });
  } finally {
    await loading?.stop();
    await child.stop();
  }
}
