/**
 * The errors that callers catch, and which of them end the search for a key.
 *
 * @module
 */

/** Formats a key or a name for an error message: quoted, and cut if it is long. */
export function quote(text: string): string {
  const shown = text.length > 100 ? text.slice(0, 100) + "…" : text;
  return JSON.stringify(shown);
}

/** Another program's text as one line of a message, cut off if it is long. */
export function lineOf(text: string): string {
  // deno-lint-ignore no-control-regex
  const line = text.replace(/[\x00-\x1f\x7f-\x9f\u2028\u2029]+/g, " ");
  return line.length > 300 ? line.slice(0, 300) + "…" : line;
}

/** Formats an unexpected value for an error message. */
export function describe(value: unknown): string {
  if (typeof value === "string") return quote(value);
  if (typeof value === "object" && value !== null) {
    return Object.prototype.toString.call(value);
  }
  if (typeof value === "bigint") return `${value}n`;
  return typeof value === "function" ? "a function" : String(value);
}

/**
 * Whether `value` is an `Error`, from any realm. What another realm made, such as a
 * test runner's, is no instance of this realm's class.
 */
export function isError(value: unknown): value is Error {
  if (value instanceof Error) return true;
  const tag = Object.prototype.toString.call(value);
  return tag === "[object Error]" || tag === "[object DOMException]";
}

/** The message of whatever was thrown. */
export function messageOf(error: unknown): string {
  try {
    return String(isError(error) ? error.message : error);
  } catch {
    return describe(error);
  }
}

/**
 * Lets `instanceof` know the errors of another copy of this package, too: one
 * process may have several, such as one that it bundled and one that it installed.
 */
function knowCopies(kind: { prototype: object }, name: string): void {
  const mark = Symbol.for(`geecache.${name}`);
  Object.defineProperty(kind.prototype, mark, { value: true });
  Object.defineProperty(kind, Symbol.hasInstance, {
    value(this: unknown, value: unknown): boolean {
      // A subclass inherits this, and is a narrower question.
      return this === kind
        ? isError(value) && mark in value
        : Function.prototype[Symbol.hasInstance].call(this, value);
    },
  });
}

/**
 * The getter said that there is no such key.
 *
 * @example Telling an absent key from a failed load
 * ```ts
 * import { Group, NotFoundError } from "@geecache/geecache";
 * import { assertRejects } from "@std/assert";
 *
 * const group = new Group("scores", () => undefined);
 * await assertRejects(() => group.get("kkk"), NotFoundError, "no such key");
 * ```
 */
export class NotFoundError extends Error {
  static {
    knowCopies(this, "NotFoundError");
  }

  /** The group that was asked. */
  readonly group: string;
  /** The key that it does not have. */
  readonly key: string;

  /** Makes the error for one key of a group. */
  constructor(group: string, key: string) {
    super(`Cannot get ${quote(key)} of group ${quote(group)}: no such key`);
    this.name = "NotFoundError";
    this.group = group;
    this.key = key;
  }
}

/**
 * The getter failed in another process, or threw something that is not an
 * `Error`. In the first case, `message` is that error's message. In the second,
 * `cause` is what was thrown.
 *
 * @example A getter that throws a string
 * ```ts
 * import { Group, LoadError } from "@geecache/geecache";
 * import { assertEquals, assertRejects } from "@std/assert";
 *
 * const group = new Group("scores", () => {
 *   throw "out of order";
 * });
 * const { cause } = await assertRejects(() => group.get("Tom"), LoadError);
 * assertEquals(cause, "out of order");
 * ```
 */
export class LoadError extends Error {
  static {
    knowCopies(this, "LoadError");
  }

  /** The group whose getter failed. */
  readonly group: string;
  /** The key that was to be loaded. */
  readonly key: string;

  /** Makes the error for one key of a group, with the getter's own message. */
  constructor(
    group: string,
    key: string,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "LoadError";
    this.group = group;
    this.key = key;
  }
}

/**
 * A peer could not answer. The key may still exist.
 *
 * @example The peer that missed a write
 * ```ts
 * import { HTTPPool, PeerError } from "@geecache/geecache";
 * import { assert, assertEquals, assertRejects } from "@std/assert";
 *
 * const pool = new HTTPPool("http://10.0.0.1:8080", {
 *   fetch: () => Promise.reject(new TypeError("no route to host")),
 * });
 * pool.setPeers(["http://10.0.0.1:8080", "http://10.0.0.2:8080"]);
 * const scores = pool.group("scores", () => "630");
 *
 * const { errors } = await assertRejects(() => scores.remove("Tom"), AggregateError);
 * assert(errors[0] instanceof PeerError);
 * assertEquals(errors[0].peer, "http://10.0.0.2:8080");
 * await pool.close();
 * ```
 */
export class PeerError extends Error {
  static {
    knowCopies(this, "PeerError");
  }

  /** The peer's id, which is its origin. */
  readonly peer: string;
  /** The HTTP status of its answer, if there was one. */
  declare readonly status?: number;

  /** Makes the error for one peer. */
  constructor(
    peer: string,
    message: string,
    options: ErrorOptions & { status?: number } = {},
  ) {
    super(message, options);
    this.name = "PeerError";
    this.peer = peer;
    if (options.status !== undefined) this.status = options.status;
  }
}

/**
 * Too much is under way, so this was not even tried. Loads in place of owners out
 * of reach are limited, and so are all loads of a group with `maxConcurrentLoads`: as
 * many run as may run at a time, and as many more wait as may wait.
 */
export class BusyError extends Error {
  static {
    knowCopies(this, "BusyError");
  }

  /** Makes the error. The message says what was not done, and why. */
  constructor(message: string) {
    super(message);
    this.name = "BusyError";
  }
}

/** Whether an error says that the group of that name has no such key. */
export function isNotFound(
  error: unknown,
  group: string,
  key: string,
): boolean {
  return error instanceof NotFoundError && error.group === group &&
    error.key === key;
}

/** Whether an owner's error ends the search, because its getter has answered. */
export function isFinal(error: unknown): boolean {
  return error instanceof NotFoundError || error instanceof LoadError;
}

/** Whether a peer is about to close. It still hands out what is in its memory. */
export function isDraining(error: unknown): boolean {
  return error instanceof PeerError && error.status === 503;
}

/**
 * Whether a peer stayed busy for as long as its caller could wait. The status
 * cannot tell: a proxy may answer with the same one for a dead peer.
 */
export function isBusy(error: unknown): boolean {
  return error instanceof PeerError && error.cause instanceof BusyError;
}
