/**
 * The logger that a pool writes its messages to.
 *
 * Whatever a user's logger does, it never disturbs the pool.
 *
 * @module
 */

/**
 * Receives messages, each at one of four levels. `console` is a `Logger`; it gets no
 * `debug` messages, of which there is one for each request.
 */
export interface Logger {
  /** A detail that helps to find a fault. */
  debug(message: string): void;
  /** An ordinary event. */
  info(message: string): void;
  /** An event that may become a fault. */
  warn(message: string): void;
  /** A fault. */
  error(message: string): void;
}

/** A logger that never throws. Without a `debug`, its messages need not be built. */
export type SafeLogger =
  & Pick<Logger, "info" | "warn" | "error">
  & { readonly debug: Logger["debug"] | undefined };

/** Guards the logger of a pool. Without one, `console` gets warnings and errors. */
export function safeLogger(given: Logger | undefined): SafeLogger {
  const logger = given ?? console;
  return {
    debug: logger === console ? undefined : guarded(logger, "debug"),
    info: given === undefined ? () => {} : guarded(logger, "info"),
    warn: guarded(logger, "warn"),
    error: guarded(logger, "error"),
  };
}

/** One method of a logger. What it throws, or rejects with, is dropped. */
function guarded(
  logger: Logger,
  level: keyof Logger,
): (message: string) => void {
  return (message) => {
    try {
      // A logger may be asynchronous, although nothing waits for it.
      const written = logger[level](message) as unknown;
      if (written !== undefined) Promise.resolve(written).catch(() => {});
    } catch {
      // A pool whose messages are lost still works.
    }
  };
}
