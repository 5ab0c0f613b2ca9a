/** Go's groupcache: a process that serves, and one that asks it. */

import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import process from "node:process";
import { fileURLToPath } from "node:url";
import { type Child, run, Skipped, startChild } from "./_child.ts";
import { ROUND_MS } from "./_rate.ts";
import type { Values } from "./_values.ts";

const GOPATH = "/usr/share/gocode";
const INSTALL =
  "needs Go and groupcache: apt-get install golang-go golang-github-golang-groupcache-dev";

/** Asks a groupcache process for all values, which it has in memory. */
export interface GoSide {
  /** Answers per second with so many in flight. */
  rate(inFlight: number): Promise<number>;
  /** The same, where the client keeps as many connections as are in use. */
  tunedRate(inFlight: number): Promise<number>;
  end(): Promise<void>;
}

async function build(folder: string): Promise<string> {
  const program = `${folder}/groupcache`;
  const { HOME, GOCACHE } = process.env;
  await run("go", ["build", "-o", program, "groupcache.go"], {
    cwd: fileURLToPath(new URL("./", import.meta.url)),
    env: {
      ...process.env,
      CGO_ENABLED: "0",
      GO111MODULE: "off",
      GOFLAGS: "",
      GOPATH,
      GOCACHE: HOME || GOCACHE ? GOCACHE : `${folder}/cache`,
    },
  });
  return program;
}

async function rateOf(asker: Child, inFlight: number): Promise<number> {
  const answer = await asker.command(`${inFlight} ${ROUND_MS}`);
  const [answered, micros] = answer.split(" ").map(Number);
  return answered! / micros! * 1e6;
}

/**
 * Builds `groupcache.go` and starts its processes.
 *
 * @param connections How many connections the client of `tunedRate()` keeps.
 * @throws {Skipped} If Go or groupcache is not installed.
 */
export async function startGo(
  { keys, bytes }: Values,
  connections: number,
): Promise<GoSide> {
  const source = `${GOPATH}/src/github.com/golang/groupcache/http.go`;
  if (await stat(source).catch(() => undefined) === undefined) {
    throw new Skipped(INSTALL);
  }
  const folder = await mkdtemp(`${tmpdir()}/geecache-`);
  const children: Child[] = [];
  const end = async (): Promise<void> => {
    for (const child of children.splice(0).reverse()) await child.end();
  };
  try {
    const program = await build(folder);
    const start = async (ready: RegExp, ...more: string[]): Promise<Child> => {
      const size = ["-keys", `${keys.length}`, "-bytes", `${bytes}`];
      const child = await startChild(program, [...size, ...more], ready);
      children.push(child);
      return child;
    };
    const { ready: origin } = await start(/^http:/);
    const asker = await start(/^ready$/, "-ask", origin);
    const tuned = await start(
      /^ready$/,
      ...["-ask", origin, "-connections", `${connections}`],
    );
    return {
      rate: (inFlight) => rateOf(asker, inFlight),
      tunedRate: (inFlight) => rateOf(tuned, inFlight),
      end,
    };
  } catch (error) {
    await end();
    const noGo = error instanceof Skipped;
    throw noGo ? new Skipped(INSTALL) : error;
  } finally {
    // A program that runs needs its file no more.
    await rm(folder, { recursive: true });
  }
}
