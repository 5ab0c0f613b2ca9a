/**
 * Who waits for which key, and what serves them: spans that have to know of each other.
 *
 * A load serves all who wait for its key, so it belongs to none of them: it has links to
 * them, also to those who come later. What waits now is all that is remembered.
 *
 * @module
 */

import type { Link, Span, SpanContext } from "./api.ts";

/** How many links a span gets; the SDKs of OpenTelemetry keep as many. */
const MAX_LINKS = 128;

/** A span that serves keys, and how many links it has. */
interface Serving {
  readonly span: Span;
  links: number;
}

/** What there is of one key. */
interface OfKey {
  readonly waiting: Set<SpanContext>;
  readonly serving: Set<Serving>;
}

/** The spans of one pool that wait for keys, and those that serve them. */
export class Waiting {
  /** By group and key. */
  readonly #keys = new Map<string, OfKey>();

  /** How many keys are waited for or served. */
  get size(): number {
    return this.#keys.size;
  }

  /** A span waits for keys. Call what it returns when it does not any more. */
  wait(
    group: string,
    keys: readonly string[],
    context: SpanContext,
  ): () => void {
    if (!isRecorded(context)) return () => {};
    const served = new Set<Serving>();
    for (const key of keys) {
      const { waiting, serving } = this.#of(group, key);
      waiting.add(context);
      for (const one of serving) served.add(one);
    }
    for (const one of served) {
      if (one.links >= MAX_LINKS) continue;
      one.links++;
      one.span.addLink?.({ context });
    }
    return () =>
      this.#end(group, keys, ({ waiting }) => waiting.delete(context));
  }

  /** Links to all who wait for one of these keys. */
  linksOf(group: string, keys: readonly string[]): Link[] {
    if (this.#keys.size === 0) return [];
    const contexts = new Set<SpanContext>();
    for (const key of keys) {
      const waiting = this.#keys.get(idOf(group, key))?.waiting;
      for (const context of waiting ?? []) {
        if (contexts.size === MAX_LINKS) break;
        contexts.add(context);
      }
    }
    return Array.from(contexts, (context) => ({ context }));
  }

  /**
   * A span serves keys. Who waits for one of them later is linked, too. Call what it
   * returns when it does not any more.
   *
   * @param links How many links it has.
   */
  serve(
    group: string,
    keys: readonly string[],
    span: Span,
    links: number,
  ): () => void {
    if (!isRecorded(span.spanContext())) return () => {};
    const one: Serving = { span, links };
    for (const key of keys) this.#of(group, key).serving.add(one);
    return () => this.#end(group, keys, ({ serving }) => serving.delete(one));
  }

  #of(group: string, key: string): OfKey {
    const id = idOf(group, key);
    let found = this.#keys.get(id);
    if (found === undefined) {
      found = { waiting: new Set(), serving: new Set() };
      this.#keys.set(id, found);
    }
    return found;
  }

  #end(
    group: string,
    keys: readonly string[],
    end: (ofKey: OfKey) => void,
  ): void {
    for (const key of keys) {
      const id = idOf(group, key);
      const found = this.#keys.get(id);
      if (found === undefined) continue;
      end(found);
      const isOver = found.waiting.size === 0 && found.serving.size === 0;
      if (isOver) this.#keys.delete(id);
    }
  }
}

/** The name of a group has no slash. */
function idOf(group: string, key: string): string {
  return `${group}/${key}`;
}

/** Whether the span ends up where somebody can follow a link to it. */
export function isRecorded({ traceFlags }: SpanContext): boolean {
  return (traceFlags & 1) === 1;
}
