/**
 * Tests rings of different processes: `deno task test:interop`. The first ring has
 * Deno, Node and Bun. Then each of these has a peer in Go that speaks our own
 * protocol, which needs Go. Then, for each protocol of the Go programs, a ring has two
 * Go processes and one of ours, which needs Debian's groupcache, too.
 *
 * A model of one page says what each node must answer and load, including Go's own
 * peculiarities; every difference from the model is a fault.
 *
 * @module
 */

import { ConsistentHash } from "../../mod.ts";
import { freePorts } from "../support/process.ts";
import { commandsOf, tryMixedRing } from "./mixed.ts";
import type { Setup } from "./model.ts";
import { tryNativeRings } from "./native.ts";
import { children, killAll, Node } from "./nodes.ts";
import { trySecureRings } from "./secure.ts";
import { tally, Trial } from "./trial.ts";

const SETUPS: readonly Setup[] = [
  {
    title: "geecache, raw",
    protocol: "geecache",
    program: "geecache",
    flags: [],
    basePath: "/_geecache/",
    mux: false,
    ourDots: ".",
  },
  {
    title: "geecache, protobuf",
    protocol: "geecache-protobuf",
    program: "geecache",
    flags: ["-protobuf"],
    basePath: "/_geecache/",
    mux: false,
    ourDots: "..",
  },
  {
    title: "groupcache",
    protocol: "groupcache",
    program: "groupcache",
    flags: [],
    basePath: "/_groupcache/",
    mux: false,
    ourDots: "..",
  },
  {
    title: "groupcache behind a ServeMux",
    protocol: "groupcache",
    program: "groupcache",
    flags: ["-mux"],
    basePath: "/_groupcache/",
    mux: true,
    ourDots: ".",
  },
];

const GOPATH = "/usr/share/gocode";
const INSTALL = "apt-get install golang-go golang-github-golang-groupcache-dev";
const HERE = new URL("./", import.meta.url);
/** Far longer than the whole run takes. */
const LIMIT_MS = 300_000;

/** The folder of the programs, which is removed whatever happens. */
let folder: string | undefined;

function clearAway(): void {
  killAll();
  if (folder !== undefined) Deno.removeSync(folder, { recursive: true });
  folder = undefined;
}

/** Three origins; the first is ours and owns one of `.` and `..`, but not the other. */
function freeOrigins(ourDots: string): string[] {
  for (;;) {
    const origins = freePorts(3).map((port) => `http://127.0.0.1:${port}`);
    const ring = new ConsistentHash(origins);
    const [one, two] = [ring.get("."), ring.get("..")] as [string, string];
    if (one === two) continue;
    const first = ourDots === "." ? one : two;
    return [first, ...origins.filter((origin) => origin !== first)];
  }
}

async function tryOut(setup: Setup, folder: string): Promise<void> {
  console.log(setup.title);
  const origins = freeOrigins(setup.ourDots);
  const [ours, ...others] = origins as [string, string, string];
  const peers = origins.join();
  const node = new URL("node.ts", HERE).href;
  const nodes = [
    new Node("ours", ours, [
      ...[Deno.execPath(), "run", "--quiet", "--allow-net=127.0.0.1", node],
      ...["--self", ours, "--peers", peers],
      ...["--protocol", setup.protocol, "--port", new URL(ours).port],
    ]),
    ...others.map((origin, i) =>
      new Node(`Go ${i + 1}`, origin, [
        `${folder}/${setup.program}`,
        ...["-self", origin, "-peers", peers],
        ...setup.flags,
      ])
    ),
  ];
  try {
    await Promise.all(nodes.map(({ running }) => running));
    await new Trial(setup, nodes).run();
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
  }
}

async function hasGo(): Promise<boolean> {
  try {
    const go = new Deno.Command("go", { args: ["version"], stdout: "piped" });
    const { success, stdout } = await go.output();
    console.log(new TextDecoder().decode(stdout).trim());
    return success;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function hasGroupcache(): Promise<boolean> {
  try {
    await Deno.stat(`${GOPATH}/src/github.com/golang/groupcache/http.go`);
    return true;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}

async function build(program: string, folder: string): Promise<void> {
  const cache = Deno.env.has("HOME") || Deno.env.has("GOCACHE");
  const go = new Deno.Command("go", {
    args: ["build", "-o", `${folder}/${program}`, `${program}.go`],
    cwd: HERE,
    env: {
      CGO_ENABLED: "0",
      GO111MODULE: "off",
      GOFLAGS: "",
      GOPATH,
      ...(cache ? {} : { GOCACHE: `${folder}/cache` }),
    },
    stdout: "inherit",
    stderr: "inherit",
  });
  const child = go.spawn();
  children.add(child);
  const { success } = await child.status;
  children.delete(child);
  if (!success) throw new Error(`${program}.go does not build`);
}

async function main(): Promise<number> {
  let lacks = false;
  const leaveOut = (rings: string, without: string): void => {
    console.log(`${rings} are left out, without ${without}: ${INSTALL}`);
    lacks = true;
  };
  folder = await Deno.makeTempDir();
  try {
    const commands = await commandsOf(folder);
    await tryMixedRing(commands);
    await trySecureRings(commands, folder);
    if (await hasGo()) {
      await build("native", folder);
      await tryNativeRings(commands, `${folder}/native`);
      if (await hasGroupcache()) {
        await build("geecache", folder);
        await build("groupcache", folder);
        for (const setup of SETUPS) await tryOut(setup, folder);
      } else leaveOut("rings of GeeCache and groupcache", "groupcache");
    } else leaveOut("rings with Go", "Go");
  } finally {
    clearAway();
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed > 0 || (lacks && Deno.env.has("CI")) ? 1 : 0;
}

if (import.meta.main) {
  const giveUp = (why: string) => (): void => {
    console.log(why);
    clearAway();
    console.log(`${tally.passed} passed, ${tally.failed + 1} failed`);
    Deno.exit(1);
  };
  setTimeout(giveUp(`The run takes more than ${LIMIT_MS} ms`), LIMIT_MS);
  Deno.addSignalListener("SIGINT", giveUp("Interrupted"));
  if (Deno.build.os !== "windows") {
    Deno.addSignalListener("SIGTERM", giveUp("Terminated"));
  }
  Deno.exit(await main());
}
