/** Two processes over one checkout's library: what a get costs both of them. */

import { readFile } from "node:fs/promises";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Child, startChild } from "./_child.ts";
import { print } from "./_lines.ts";
import type { Ports } from "./_peer.ts";
import { busiest } from "./_profile.ts";

/** How long a turn takes whose CPU is measured. */
const TURN_MS = 1_000;

const PROGRAM = fileURLToPath(new URL("_peer.ts", import.meta.url));

/** Starts `_peer.ts` over the library in `folder`, which is a URL. */
export function startPeer(
  role: "serve" | "ask",
  folder: URL,
  ...more: string[]
): Promise<Child> {
  return startChild(
    process.execPath,
    ["run", "--quiet", "--allow-all", PROGRAM, role, folder.href, ...more],
    role === "serve" ? /^\{/ : /^ready$/,
  );
}

/** What a get took: answers per second, and microseconds of CPU in each process. */
export interface Cost {
  rate: number;
  serving: number;
  asking: number;
}

/** One process serves, and the other asks it. */
export interface Pair {
  server: Child;
  asker: Child;
  cost(inFlight: number, ms?: number): Promise<Cost>;
  end(): Promise<void>;
}

/** Starts both processes over the library in `folder`. */
export async function startPair(folder: URL): Promise<Pair> {
  const server = await startPeer("serve", folder);
  const { pool }: Ports = JSON.parse(server.ready);
  const asker = await startPeer("ask", folder, `http://127.0.0.1:${pool}`);
  const cpu = async (): Promise<[number, number]> => [
    Number(await server.command("cpu")),
    Number(await asker.command("cpu")),
  ];
  return {
    server,
    asker,
    cost: async (inFlight, ms = TURN_MS) => {
      const before = await cpu();
      const answer = await asker.command(`ask ${inFlight} ${ms}`);
      const after = await cpu();
      const [answered, took] = answer.split(" ").map(Number);
      return {
        rate: answered! / took! * 1000,
        serving: (after[0] - before[0]) / answered!,
        asking: (after[1] - before[1]) / answered!,
      };
    },
    end: async () => {
      await asker.end();
      await server.end();
    },
  };
}

/**
 * Asks for so many seconds, so that a profiler can be attached, and prints what a
 * get cost. With `profile`, a prefix, it writes `….serve.cpuprofile` and
 * `….ask.cpuprofile` and prints what took the time.
 */
export async function hold(
  folder: URL,
  seconds: number,
  inFlight: number,
  profile?: string,
): Promise<void> {
  const pair = await startPair(folder);
  const processes = { serve: pair.server, ask: pair.asker };
  try {
    print(
      `serve: process ${pair.server.pid}, ask: process ${pair.asker.pid}\n`,
    );
    await pair.cost(inFlight);
    if (profile !== undefined) {
      for (const child of Object.values(processes)) {
        await child.command("profile");
      }
    }
    const { rate, serving, asking } = await pair.cost(inFlight, seconds * 1000);
    print(
      `${inFlight} in flight: ${
        rate.toFixed(0)
      } gets per second; CPU of a get: ` +
        `${serving.toFixed(2)} µs to serve, ${asking.toFixed(2)} µs to ask\n`,
    );
    if (profile === undefined) return;
    for (const [role, child] of Object.entries(processes)) {
      const file = `${profile}.${role}.cpuprofile`;
      await child.command(`profiled ${file}`);
      const lines = busiest(JSON.parse(await readFile(file, "utf8")));
      print(`\n${file}, percent of the time:\n${lines.join("\n")}\n`);
    }
  } finally {
    await pair.end();
  }
}
