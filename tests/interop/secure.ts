/**
 * Rings of processes that ask each other over TLS: by HTTP/2 where both sides know it.
 *
 * @module
 */

import type { RuntimeName } from "../../scripts/runtimes.ts";
import { freePorts } from "../support/process.ts";
import { identities } from "../support/tls.ts";
import { agree, type Commands, linked } from "./mixed.ts";
import { Node, trust } from "./nodes.ts";
import { check } from "./trial.ts";

interface Ring {
  readonly title: string;
  readonly names: readonly (RuntimeName | "deno")[];
  readonly flags: readonly string[];
}

const RINGS: readonly Ring[] = [
  {
    title: "TLS: two of Deno that ask in HTTP/2 alone",
    names: ["deno", "deno"],
    flags: ["--h2"],
  },
  {
    title: "TLS: Deno that asks node:http2 in HTTP/2 alone, and is asked by it",
    names: ["deno", "node24"],
    flags: ["--h2"],
  },
  {
    title:
      "TLS: Deno, three Nodes and Bun, as they agree on HTTP/1.1 or HTTP/2",
    names: ["deno", "node20", "node22", "node24", "bun"],
    flags: [],
  },
];

/** Tests such rings. */
export async function trySecureRings(
  commands: Commands,
  folder: string,
): Promise<void> {
  const { ca, ours } = await identities();
  const files = { "ca.crt": ca, "a.crt": ours.cert, "a.key": ours.key };
  for (const [name, text] of Object.entries(files)) {
    await Deno.writeTextFile(`${folder}/${name}`, text);
  }
  using client = Deno.createHttpClient({ caCerts: [ca] });
  trust.client = client;
  try {
    for (const ring of RINGS) await tryRing(ring, commands, folder);
  } finally {
    delete trust.client;
  }
}

async function tryRing(
  { title, names, flags }: Ring,
  commands: Commands,
  folder: string,
): Promise<void> {
  console.log(title);
  const origins = freePorts(names.length)
    .map((port) => `https://127.0.0.1:${port}`);
  const nodes = names.map((name, i) =>
    new Node(`${name} ${i + 1}`, origins[i]!, [
      ...[...commands.get(name)!, origins[i]!, origins.join()],
      ...["--certs", folder, ...flags],
    ])
  );
  const keys = Array.from({ length: 300 }, (_, i) => `user:${i}`);
  const slow = Array.from({ length: 12 }, (_, i) => `slow:${i}`);
  try {
    await Promise.all(nodes.map(({ running }) => running));
    await check("300 keys, asked of each", () => agree(nodes, keys));
    await check("each asks each over a link", () => linked(nodes, keys));
    await check("keys that load for 300 ms", () => agree(nodes, slow));
  } finally {
    await Promise.all(nodes.map((node) => node.kill()));
  }
}
