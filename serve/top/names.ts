/**
 * Names of nodes that are short enough for a table.
 *
 * @module
 */

import { place } from "../page/assets/format.js";
import { safe } from "./plain_text.ts";

/**
 * Names by origin, without the end that all of them share, such as
 * `.geecache.default.svc.cluster.local:8080`. Of addresses, that is at most the port.
 */
export function namesOf(origins: readonly string[]): Map<string, string> {
  const parts = origins.map((origin) => partsOf(place(origin)));
  const [first = [], ...others] = parts;
  let shared = 0;
  while (
    others.length > 0 && shared < first.length - 1 &&
    others.every((other) =>
      shared < other.length - 1 &&
      other.at(-1 - shared) === first.at(-1 - shared)
    )
  ) shared++;
  return new Map(origins.map((origin, i) => [
    origin,
    safe(parts[i]!.slice(0, parts[i]!.length - shared).join("")),
  ]));
}

function partsOf(host: string): string[] {
  const isAddress = /^(\d+\.){3}\d+(:\d+)?$|^\[/.test(host);
  return host.split(isAddress ? /(?=:\d+$)/ : /(?=[.:])/);
}
