/**
 * The modules that Deno, Node and Bun bring with them.
 *
 * @module
 */

/**
 * A module of the runtime, such as `async_hooks`; `undefined` where there is none, as in
 * a browser. It is asked for by its name: an import would name a runtime, and fail in
 * all others.
 */
export function builtinModule(name: string): unknown {
  // dnt-shim-ignore
  const { process } = globalThis as {
    process?: { getBuiltinModule?: (name: string) => unknown };
  };
  return process?.getBuiltinModule?.(name);
}
