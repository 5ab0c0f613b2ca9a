/**
 * What a process uses: its memory over time, and its open files. Linux alone tells.
 *
 * @module
 */

import { median } from "./latencies.ts";

const MIB = 2 ** 20;
const MINUTE_MS = 60_000;
/** The second half of a run is cut into so many parts. */
const PARTS = 12;

/** How many bytes of memory the process has. */
export async function rssOf(pid: number): Promise<number> {
  const status = await Deno.readTextFile(`/proc/${pid}/status`);
  return 1024 * Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]);
}

/** How many files and sockets the process has open. */
export async function filesOf(pid: number): Promise<number> {
  let count = 0;
  for await (const _ of Deno.readDir(`/proc/${pid}/fd`)) count++;
  return count;
}

/** The state of a socket whose other side has closed it, as the kernel writes it. */
const CLOSE_WAIT = "08";

/** How many connections to a port of this machine their clients have left, and the server has not. */
export async function abandonedOf(port: number): Promise<number> {
  const table = await Deno.readTextFile("/proc/net/tcp");
  const local = `:${port.toString(16).toUpperCase().padStart(4, "0")}`;
  return table.split("\n").filter((line) => {
    const [, address, , state] = line.trim().split(/\s+/);
    return state === CLOSE_WAIT && address!.endsWith(local);
  }).length;
}

interface Sample {
  readonly at: number;
  readonly bytes: number;
}

/** A kind of memory of a process over time. */
export class Usage {
  #samples: Sample[] = [];

  add(bytes: number): void {
    this.#samples.push({ at: performance.now(), bytes });
  }

  /** Forgets what came before: from now on it counts. */
  begin(): void {
    this.#samples = [];
  }

  get lastMiB(): number {
    return (this.#samples.at(-1)?.bytes ?? 0) / MIB;
  }

  get mostMiB(): number {
    return Math.max(0, ...this.#samples.map(({ bytes }) => bytes)) / MIB;
  }

  /**
   * By how many MiB a minute it grows in the second half of its samples: the median of the
   * slopes between any two parts of it. A part counts with its least sample: between two
   * collections of garbage, memory only seems to grow.
   */
  get slope(): number {
    const half = this.#samples.slice(this.#samples.length >> 1);
    const size = Math.max(1, Math.floor(half.length / PARTS));
    const least: Sample[] = [];
    for (let i = 0; i + size <= half.length; i += size) {
      const part = half.slice(i, i + size);
      const bytes = Math.min(...part.map(({ bytes }) => bytes));
      least.push({ at: median(part.map(({ at }) => at)), bytes });
    }
    const slopes = least.flatMap((a, i) =>
      least.slice(i + 1).map((b) => (b.bytes - a.bytes) / (b.at - a.at))
    );
    return median(slopes) * MINUTE_MS / MIB;
  }
}
