/**
 * One process of a pair, over the library of this checkout or of another one:
 *
 *     deno run --allow-all bench/_peer.ts serve LIBRARY
 *     deno run --allow-all bench/_peer.ts ask LIBRARY ORIGIN
 *
 * `LIBRARY` is the URL of the folder that holds `http.ts`. Its first line says that
 * it is ready; one that serves prints its ports. Then it answers commands, one a
 * line, until its input ends:
 *
 * - `ask IN-FLIGHT MS`: how many values came, and in how many milliseconds
 * - `cpu`: the microseconds of CPU that the process has used
 * - `profile`: starts a profile
 * - `profiled FILE`: writes the profile into a file
 *
 * @module
 */

import process from "node:process";
import { createInterface } from "node:readline";
import { askerOf } from "./_asker.ts";
import { SILENT } from "./_measure.ts";
import { startProfile } from "./_profile.ts";
import { answers } from "./_rate.ts";
import { ALL, SMALL, valueOf } from "./_values.ts";

/** The ports of a process that serves. */
export interface Ports {
  pool: number;
  /** A server that answers with the same value to everything. */
  constant: number;
}

/** The library of a checkout. */
type Library = typeof import("../http.ts");

/** Answers the commands that differ: what asks. */
type Commands = (words: string[]) => Promise<string>;

async function serve({ HTTPPool }: Library): Promise<Commands> {
  let warm = false;
  const pool = new HTTPPool("http://127.0.0.1:1", { logger: SILENT });
  for (const values of ALL) {
    const group = pool.group(values.group, (key) => {
      // Only hits are measured: a miss must not pass for a slow hit.
      if (warm) throw new Error(`${key} was not in memory`);
      return valueOf(values, key);
    });
    await group.getMany(values.keys);
  }
  warm = true;
  const options = { hostname: "127.0.0.1", port: 0, onListen: () => {} };
  const body = new TextEncoder().encode(valueOf(SMALL, SMALL.keys[0]!));
  const ports: Ports = {
    pool: Deno.serve(options, pool.handler).addr.port,
    constant: Deno.serve(
      options,
      () =>
        new Response(body, {
          headers: { "Content-Type": "application/octet-stream" },
        }),
    ).addr.port,
  };
  console.log(JSON.stringify(ports));
  return (words) => Promise.reject(new Error(`It only serves: ${words}`));
}

function ask({ HTTPPool }: Library, origin: string): Commands {
  const get = askerOf(HTTPPool, [origin]).get(SMALL);
  console.log("ready");
  return async ([, inFlight, ms]) => {
    const { answered, ms: took } = await answers(
      Number(inFlight),
      SMALL.keys,
      SMALL.bytes,
      get,
      Number(ms),
    );
    return `${answered} ${took}`;
  };
}

if (import.meta.main) {
  const [role, folder, origin] = process.argv.slice(2);
  const library: Library = await import(new URL("http.ts", folder).href);
  const commands = role === "serve"
    ? await serve(library)
    : ask(library, origin!);
  let endProfile: ((file: string) => Promise<void>) | undefined;
  for await (const line of createInterface({ input: process.stdin })) {
    const words = line.split(" ");
    if (words[0] === "cpu") {
      const { user, system } = process.cpuUsage();
      console.log(user + system);
    } else if (words[0] === "profile") {
      endProfile = await startProfile();
      console.log("started");
    } else if (words[0] === "profiled") {
      await endProfile!(line.slice("profiled ".length));
      console.log("written");
    } else console.log(await commands(words));
  }
  // The process ends with its parent, however that ends.
  process.exit();
}
