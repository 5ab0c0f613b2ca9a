/**
 * Objects of the runtime's own classes that are built when somebody looks.
 *
 * A `Request` or a `Response` costs a server on Node as much as all the rest of
 * an answer from memory. These are instances of those classes that know the few
 * things that are nearly always asked for; anything else is asked of a real one,
 * made then.
 *
 * @module
 */

/** A class that stands in for `T`, and builds a `T` at need. */
interface Lazy<T> {
  readonly prototype: { real(): T };
}

type Ask = (...args: unknown[]) => unknown;

/**
 * Makes `lazy` a class below `base`: what it does not have itself, it takes from
 * what its `real()` gives. By name, since that need not be a `base`: a framework
 * may have put a class of its own in its place by then, as Hono's server does.
 */
export function fillIn<T extends object>(
  lazy: Lazy<T>,
  base: { readonly prototype: T },
): void {
  const members = Object.getOwnPropertyDescriptors(base.prototype);
  // The symbols, too: how an object prints itself is one.
  for (const name of Reflect.ownKeys(members)) {
    if (name === "constructor" || Object.hasOwn(lazy.prototype, name)) continue;
    const { get, value } = (members as Record<
      PropertyKey,
      PropertyDescriptor
    >)[name]!;
    if (get !== undefined) {
      Object.defineProperty(lazy.prototype, name, {
        configurable: true,
        get(this: { real(): T }): unknown {
          return Reflect.get(this.real(), name);
        },
      });
    } else if (typeof value === "function") {
      Object.defineProperty(lazy.prototype, name, {
        configurable: true,
        value(this: { real(): T }, ...args: unknown[]): unknown {
          const real = this.real() as Record<PropertyKey, Ask>;
          return real[name]!(...args);
        },
      });
    }
  }
  Object.setPrototypeOf(lazy.prototype, base.prototype);
}

/** An answer from memory: a `Response` once somebody looks at more than its status. */
export class LazyAnswer {
  readonly status: number;
  /** What was given, for whoever knows this class. */
  readonly given: Record<string, string>;
  /** A string is ASCII: a character for each byte. */
  readonly payload: Uint8Array<ArrayBuffer> | string | null;
  #real: Response | undefined;

  constructor(
    status: number,
    headers: Record<string, string>,
    body: Uint8Array<ArrayBuffer> | string | null,
  ) {
    this.status = status;
    this.given = headers;
    this.payload = body;
  }

  /** Whether it still is what was given: a real one may have been changed or read. */
  get untouched(): boolean {
    return this.#real === undefined;
  }

  real(): Response {
    return this.#real ??= new Response(this.payload, {
      status: this.status,
      headers: this.given,
    });
  }
}

fillIn(LazyAnswer, Response);
