/**
 * What a pool and its groups do, for whoever listens.
 *
 * Rooms that do something worth knowing emit an event; rooms that log, count or
 * show it listen. Neither knows the other. An event that nobody listens to costs
 * one look at a field.
 *
 * @module
 */

/** The events, by name, each with what is told of it. */
export interface Events {
  /** A getter ran. `error` is what it failed with, `undefined` if it gave a value. */
  load: { group: string; key: string; ms: number; error: unknown };
  /**
   * A request to a peer ended: one key or many, a write or a probe. `error` is why
   * the peer gave no answer, `undefined` if it gave one.
   */
  request: { peer: string; method: string; ms: number; error: unknown };
  /** A peer is out of reach (`"open"`), or answers again (`"closed"`). */
  state: { peer: string; state: "open" | "closed" };
  /**
   * A peer has another list of nodes than this process; reported once for each
   * list. `peer` is `undefined` if the process is in no list of this one.
   */
  list: { peer: string | undefined };
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

/** Hands each event to those who listen to it. */
export class Observer {
  readonly #listeners: { [E in keyof Events]?: readonly Listener<E>[] } = {};

  /** Calls `listener` for each event of that name. Returns what ends that. */
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

  /** Whether anybody listens. Ask before measuring or building what is told. */
  hears(name: keyof Events): boolean {
    return this.#listeners[name] !== undefined;
  }

  /**
   * Tells all who listen, in the order in which they began to. What a listener
   * throws is dropped: it must not disturb what it listens to.
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
