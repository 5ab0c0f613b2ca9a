/**
 * Where the list of nodes comes from, if it is not given once for all.
 *
 * @module
 */

import { dnsPeers, filePeers, type PeerLists } from "../discovery.ts";
import type { Kind } from "./kinds.ts";

/** A place that has the list of nodes. */
export type Discovery =
  /** The addresses of a name, for nodes that listen on one port. */
  | {
    readonly kind: "dns";
    readonly hostname: string;
    readonly port: number;
    /** The version of IP; 0: both. */
    readonly family: 0 | 4 | 6;
  }
  /** SRV records. */
  | { readonly kind: "srv"; readonly name: string }
  /** A file with an origin in each line. */
  | { readonly kind: "file"; readonly path: string };

const PATTERN = "^(dns[46]?:[^:]+:\\d{1,5}|(srv|file):.+)$";

/** A place, as it is written. */
export const discovery: Kind<Discovery> = {
  placeholder: "PLACE",
  rule: "dns:HOST:PORT, dns4:HOST:PORT, dns6:HOST:PORT, srv:NAME or file:FILE",
  schema: { type: "string", pattern: PATTERN },
  parse: (text) => {
    if (!new RegExp(PATTERN).test(text)) return undefined;
    const [, kind, rest] = /^(\w+):(.+)$/.exec(text)!;
    if (kind === "srv") return { kind, name: rest! };
    if (kind === "file") return { kind, path: rest! };
    const [hostname, port] = rest!.split(":");
    if (Number(port) > 65535) return undefined;
    const family = Number(kind!.slice(3)) as 0 | 4 | 6;
    return { kind: "dns", hostname: hostname!, port: Number(port), family };
  },
};

/** The lists that a place has, one after the other. */
export function listsOf(
  place: Discovery,
  { protocol, everyMs }: { protocol: "http" | "https"; everyMs: number },
): PeerLists {
  switch (place.kind) {
    case "dns": {
      const { hostname, port, family } = place;
      return dnsPeers({ hostname, port, family, protocol }, { everyMs });
    }
    case "srv":
      return dnsPeers({ srv: place.name, protocol }, { everyMs });
    case "file":
      return filePeers(place.path, { everyMs });
  }
}
