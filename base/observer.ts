/**
 * Tells the rooms of a pool what happens in its other rooms.
 *
 * Rooms that notice something worth knowing emit an event; rooms that log it or act
 * on it listen. Neither knows the other.
 *
 * @module
 */

/** The events by name, and what a listener is told of each. */
export interface Events {
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
}

type Listener<E extends keyof Events> = (event: Events[E]) => void;

/** Hands each event to its listeners. */
export class Observer {
  readonly #listeners: { [E in keyof Events]?: readonly Listener<E>[] } = {};

  /** Calls `listener` for each event of that name. Returns a function that ends it. */
  on<E extends keyof Events>(name: E, listener: Listener<E>): () => void {
    const set = (listeners: readonly Listener<E>[]): void => {
      Object.assign(this.#listeners, { [name]: listeners });
    };
    // A function of its own: the same listener may have been given twice.
    const own: Listener<E> = (event) => listener(event);
    set([...this.#of(name), own]);
    return () => set(this.#of(name).filter((other) => other !== own));
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
