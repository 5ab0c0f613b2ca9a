/**
 * A value as a caller gets it who asks for more than its bytes.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";
import type { PeerValue } from "../base/peers.ts";

/**
 * Where a value came from.
 *
 * - `"main"`: the memory of this process, which owns the key.
 * - `"hot"`: a copy in the memory of this process.
 * - `"peer"`: another process.
 * - `"load"`: the getter, in this process.
 */
export type Origin = "main" | "hot" | "peer" | "load";

/** Where a value came from, and how long it has. */
export interface About {
  /** Where it came from. */
  from: Origin;
  /**
   * The time that it has left, in milliseconds; `Infinity`: no end. Below 0: it has been
   * stale for so long.
   */
  ttlMs: number;
}

/** A value, where it came from, and how long it has. */
export interface Entry extends About {
  /** The bytes. */
  value: ByteView;
}

/** A value that was loaded, or that is answered in its place. */
export interface Found extends PeerValue {
  /** Where it came from. */
  from: Origin;
}
