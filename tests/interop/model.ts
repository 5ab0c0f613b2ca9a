/**
 * What the nodes of one ring answer and load.
 *
 * @module
 */

import type { ConsistentHash, ProtocolName } from "../../mod.ts";
import type { Node } from "./nodes.ts";

/** One ring that is tested. */
export interface Setup {
  readonly title: string;
  readonly protocol: ProtocolName;
  /** The Go program and how it is started. */
  readonly program: "geecache" | "groupcache";
  readonly flags: readonly string[];
  readonly basePath: string;
  /** Whether Go serves its pool through `http.ServeMux`, which redirects unclean paths. */
  readonly mux: boolean;
  /** The key that our node owns, of `.` and `..`; a Go node owns the other one. */
  readonly ourDots: "." | "..";
}

/** Labels with the value of each, to be compared. */
export type Facts = Map<string, string>;

/** Fails with some of the differences, each short enough for a line. */
export function expectSame(actual: Facts, expected: Facts): void {
  const show = (text: string | undefined): string =>
    text === undefined
      ? "nothing"
      : text.length < 120
      ? JSON.stringify(text)
      : `${JSON.stringify(text.slice(0, 100))}… (${text.length})`;
  const lines: string[] = [];
  for (const label of new Set([...expected.keys(), ...actual.keys()])) {
    const [a, e] = [actual.get(label), expected.get(label)];
    if (a === e) continue;
    lines.push(`${show(label)}: got ${show(a)}, expected ${show(e)}`);
  }
  if (lines.length === 0) return;
  const more = lines.length > 12 ? [`and ${lines.length - 12} more`] : [];
  throw new Error([...lines.slice(0, 12), ...more].join("\n"));
}

export function expect(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(otherwise);
}

/** Whether Go's ServeMux leaves a path as it is. */
export function isClean(key: string): boolean {
  const segments = key.split("/");
  return segments.every((segment, i) =>
    segment !== "." && segment !== ".." &&
    (segment !== "" || i === segments.length - 1)
  );
}

/**
 * What the nodes of one ring answer and load.
 *
 * - A key is loaded by its owner, and kept there.
 * - Go's clients send `url.QueryEscape(key)`, whose `+` for a space the other
 *   side reads as a plus. A Go owner asked for that other key passes it on to
 *   its owner; ours answers it itself, because it never asks on a peer's behalf.
 * - A Go node loads a key itself if its owner says anything but 200, a getter's
 *   error included. Ours takes that error for the answer.
 * - A key that a path cannot carry is loaded where it was asked.
 */
export class Model {
  readonly #nodes: ReadonlyMap<string, Node>;
  readonly #ring: ConsistentHash;
  readonly #setup: Setup;
  readonly #held = new Set<string>();
  /** How often each node must have loaded each key. */
  readonly loads: Facts = new Map();

  constructor(nodes: readonly Node[], ring: ConsistentHash, setup: Setup) {
    this.#nodes = new Map(nodes.map((node) => [node.origin, node]));
    this.#ring = ring;
    this.#setup = setup;
  }

  ownerOf(key: string): Node {
    return this.#nodes.get(this.#ring.get(key)!)!;
  }

  /** What `node` answers when the run asks it for `key`. */
  get(node: Node, key: string): string {
    const owner = this.ownerOf(key);
    if (owner === node || this.#held.has(`${node.name} ${key}`)) {
      return this.#load(node, key);
    }
    if (this.#carries(node, owner, key)) {
      const sent = node.ours ? key : key.replaceAll(" ", "+");
      const answer = owner.ours
        ? this.#load(owner, sent)
        : this.get(owner, sent);
      if (node.ours || answer.startsWith("200 ")) return answer;
    }
    return this.#load(node, key);
  }

  #load(node: Node, key: string): string {
    const label = `${node.name} ${key}`;
    const fails = key.startsWith("fail:");
    if (fails || !this.#held.has(label)) {
      this.loads.set(label, String(Number(this.loads.get(label) ?? 0) + 1));
    }
    if (fails) return `500 ${node.origin} cannot load ${key}`;
    this.#held.add(label);
    return `200 ${valueOf(key)}`;
  }

  /** Whether a key gets from one node to another in a path. */
  #carries(from: Node, to: Node, key: string): boolean {
    const { basePath, mux } = this.#setup;
    const path = `${basePath}interop/${encodeURIComponent(key)}`;
    // Our client sends no path that a server might refuse for its length.
    if (from.ours && path.length > 4_096) return false;
    // Deno refuses such a path; Go takes a megabyte.
    if (to.ours && path.length > 65_534) return false;
    return to.ours || !mux || isClean(key);
  }
}

export function valueOf(key: string): string {
  return key.startsWith("empty:") ? "" : `${key}|from the slow source`;
}
