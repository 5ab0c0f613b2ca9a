/**
 * The logger that a pool writes its messages to.
 *
 * @module
 */

/** Receives messages, each at one of four levels. `console` is a `Logger`. */
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
