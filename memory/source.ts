/**
 * Where values came from, and the numbers under which entries have that.
 *
 * @module
 */

import { SOURCE_MASK, SOURCE_SHIFT } from "./entries.ts";

/**
 * Where a value came from. It decides what becomes of it when the list of peers
 * changes, and when a peer turns out to have missed a removal.
 *
 * - `"loaded"`: in main, from the getter or from a `set`; no other process had it
 *   first. In hot, from the getter, in the owner's place: it becomes this process's own
 *   if this process is the next owner.
 * - `"inherited"`: from the memory of a process that owned the key, or held here in
 *   the owner's place until this process became the owner. It may be a value that
 *   its last owner should have dropped.
 * - `"mirrored"`: a copy of what the owner answered, of a `set` that reached this
 *   process although another one owns the key, or of what this process owned before
 *   the list changed. It never becomes this process's own.
 */
export type Source = "loaded" | "inherited" | "mirrored";

/** The sources, by the numbers under which entries have them. */
const SOURCES: readonly Source[] = ["loaded", "inherited", "mirrored"];

/** The flags of an entry that came from there. */
export function flagsOf(source: Source): number {
  return SOURCES.indexOf(source) << SOURCE_SHIFT;
}

/** Where the entry with these flags came from. */
export function sourceIn(flags: number): Source {
  return SOURCES[(flags & SOURCE_MASK) >>> SOURCE_SHIFT]!;
}
