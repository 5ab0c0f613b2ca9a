/**
 * Where messages for people go.
 *
 * @module
 */

/** Takes messages, each with how serious it is. `console` is one. */
export interface Logger {
  /** Details for whoever looks for a fault. */
  debug(message: string): void;
  /** What happens in the ordinary way. */
  info(message: string): void;
  /** What may become a fault. */
  warn(message: string): void;
  /** A fault. */
  error(message: string): void;
}
