/**
 * Stand-ins for a `Request` and a `Response` that build the real one on demand.
 *
 * Building a real one costs a server on Node as much as all the rest of an answer
 * from memory. A stand-in is an instance of the same class and has the few members
 * that are nearly always read. For any other member it builds a real one.
 *
 * @module
 */

/** A class that stands in for `T` and builds a `T` on demand. */
interface Lazy<T> {
  readonly prototype: { real(): T };
}

type Ask = (...args: unknown[]) => unknown;

/**
 * Makes `lazy` a subclass of `base` that takes missing members from its `real()`.
 *
 * Members are taken by name, because the real one need not be a `base`. A framework
 * may have replaced the global class by then, as Hono's server does.
 */
export function fillIn<T extends object>(
  lazy: Lazy<T>,
  base: { readonly prototype: T },
): void {
  const members = Object.getOwnPropertyDescriptors(base.prototype);
  // Symbols are included, because one of them says how an object prints itself.
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

/** An answer from memory. Any member but its status builds the `Response`. */
export class LazyAnswer {
  readonly status: number;
  /** The headers as they were given, for callers that know this class. */
  readonly given: Record<string, string>;
  /** A string is ASCII, so it has one character per byte. */
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

  /** Whether no real one was built yet. A real one may have been changed or read. */
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

/** The library adds headers through this method, which builds no `Response`. */
Object.defineProperty(LazyAnswer.prototype, Symbol.for("geecache.addHeader"), {
  value(this: LazyAnswer, name: string, value: string): void {
    if (this.untouched) this.given[name] = value;
    else this.real().headers.set(name, value);
  },
});

fillIn(LazyAnswer, Response);
