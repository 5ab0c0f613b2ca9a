/**
 * Tells listeners what a pool and its groups do.
 *
 * Rooms that do something worth knowing emit an event; rooms that log, count or
 * show it listen. Neither knows the other. An event that nobody listens to costs
 * one look at a field.
 *
 * @module
 */

/** The events by name, and what a listener is told of each. */
export interface Events {
  /**
   * A load ended. `ms` includes the wait for its turn. `error` is what the getter
   * failed with, or why it did not run; `undefined` if it gave a value.
   */
  load: { group: string; key: string; ms: number; error: unknown };
  /**
   * A request to a peer ended: one key or many, a write or a probe. `error` is why
   * there is no answer: the peer's fault, or the reason of a caller that left. It is
   * `undefined` if there is one.
   */
  request: { peer: string; method: string; ms: number; error: unknown };
  /**
   * A peer is out of reach (`"open"`), or answers again (`"closed"`). `reason` is why
   * it is out of reach.
   */
  state: {
    peer: string;
    state: "open" | "closed";
    reason: string | undefined;
  };
  /** A peer was asked for a key of a group that it does not have. */
  noGroup: { peer: string; what: string };
  /**
   * A peer has another list of nodes than this process; reported once for each
   * list. `peer` is `undefined` if the process is in no list of this one; `name` is
   * what it calls itself, which may be anything.
   */
  list: { peer: string | undefined; name: string };
  /**
   * A peer missed removals of these keys, or of the whole group, and may have handed
   * out the old values. It has been told by now, or has left for good.
   */
  outdated: {
    peer: string;
    group: string;
    keys: readonly string[] | undefined;
  };
  /** An entry left memory to make room for another. */
  eviction: { group: string; store: "main" | "hot" };
}

type Listener<E extends keyof Events> = (event: Events[E]) => void;

/** Hands each event to its listeners. */
export class Observer {
  readonly #listeners: { [E in keyof Events]?: readonly Listener<E>[] } = {};

  /** Calls `listener` for each event of that name. Returns a function that ends it. */
  on<E extends keyof Events>(name: E, listener: Listener<E>): () => void {
    const set = (listeners: readonly Listener<E>[]): void => {
      // Absent when empty, so that hears() is one look.
      if (listeners.length > 0) {
        Object.assign(this.#listeners, { [name]: listeners });
      } else delete this.#listeners[name];
    };
    // A function of its own: the same listener may have been given twice.
    const own: Listener<E> = (event) => listener(event);
    set([...this.#of(name), own]);
    return () => set(this.#of(name).filter((other) => other !== own));
  }

  /** Whether anybody listens. Ask before you measure or build what an event tells. */
  hears(name: keyof Events): boolean {
    return this.#listeners[name] !== undefined;
  }

  /**
   * Calls the listeners in the order in which they were added. What a listener throws
   * is dropped: it must not disturb what it listens to.
   */
  emit<E extends keyof Events>(name: E, event: Events[E]): void {
    for (const listener of this.#of(name)) {
      try {
        listener(event);
      } catch {
        // See above.
      }
    }
  }

  #of<E extends keyof Events>(name: E): readonly Listener<E>[] {
    return (this.#listeners[name] ?? []) as readonly Listener<E>[];
  }
}
