/** A Redis server on this machine, and ioredis as its client. */

import { createServer } from "node:net";
import { startChild } from "./_child.ts";
import type { Ask } from "./_rate.ts";
import { valueOf, type Values } from "./_values.ts";

/** A client of a Redis server that holds values of one or more groups. */
export interface RedisSide {
  /** Gets a value as bytes, with auto-pipelining. */
  get(values: Values): Ask;
  /** Gets many values as bytes with one command. */
  mget(values: Values): Ask<readonly string[]>;
  end(): Promise<void>;
}

/** A port that nothing listens on: Redis cannot choose one itself. */
function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer().on("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

/**
 * Starts a server that keeps nothing on disk, and stores the values.
 *
 * @throws {Skipped} If Redis is not installed.
 */
export async function startRedis(all: readonly Values[]): Promise<RedisSide> {
  const port = await freePort();
  const args = `--port ${port} --bind 127.0.0.1 --appendonly no --save`;
  const child = await startChild(
    "redis-server",
    [...args.split(" "), ""],
    /Ready to accept/,
  );
  const { Redis } = await import("ioredis");
  const redis = new Redis({
    host: "127.0.0.1",
    port,
    enableAutoPipelining: true,
  });
  const nameOf = ({ group }: Values, key: string): string => `${group}/${key}`;
  for (const values of all) {
    await redis.mset(
      values.keys.flatMap((key) => [nameOf(values, key), valueOf(values, key)]),
    );
  }
  return {
    get: (values) => async (key) =>
      (await redis.getBuffer(nameOf(values, key)))!.length,
    mget: (values) => async (keys) => {
      let bytes = 0;
      const names = keys.map((key) => nameOf(values, key));
      for (const value of await redis.mgetBuffer(names)) bytes += value!.length;
      return bytes;
    },
    end: async () => {
      redis.disconnect();
      await child.end();
    },
  };
}
