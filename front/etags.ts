/**
 * Entity tags, and what a request asks of them: RFC 9110, sections 8.8.3 and 13.
 *
 * @module
 */

import type { ByteView } from "../base/byte_view.ts";

/** An entity tag: 1 is `W/` if it is weak, 2 is the tag without it. */
const TAG = /(W\/)?("[\x21\x23-\x7e\x80-\xff]*")/g;

/** So many bytes of a SHA-256 make a tag. */
const TAG_BYTES = 16;

/** The tags of views, so that a value that is asked for again is hashed once. */
const tags = new WeakMap<ByteView, Promise<string>>();

/** Whether `text` is an entity tag, and nothing else. */
export function isTag(text: string): boolean {
  return text.replace(TAG, "") === "" && [...text.matchAll(TAG)].length === 1;
}

/** The strong tag of a value: the same for the same bytes, in every process. */
export function tagOf(value: ByteView): Promise<string> {
  let tag = tags.get(value);
  if (tag === undefined) {
    tag = hash(value);
    tags.set(value, tag);
  }
  return tag;
}

async function hash(value: ByteView): Promise<string> {
  const bytes = value.bytes();
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  let packed = "";
  for (const byte of new Uint8Array(digest, 0, TAG_BYTES)) {
    packed += String.fromCharCode(byte);
  }
  // As short as it can be: it travels with every answer, and back.
  return `"${btoa(packed).replace(/=+$/, "")}"`;
}

/** Whether a list such as that of `If-None-Match` has `tag`, by the weak comparison. */
export function hasWeakly(list: string, tag: string): boolean {
  if (list.trim() === "*") return true;
  const opaque = tag.replace(/^W\//, "");
  return [...list.matchAll(TAG)].some((match) => match[2] === opaque);
}

/** Whether a list such as that of `If-Match` has `tag`, by the strong comparison. */
export function hasStrongly(list: string, tag: string): boolean {
  if (list.trim() === "*") return true;
  return [...list.matchAll(TAG)].some(([whole]) =>
    whole === tag && !whole.startsWith("W/")
  );
}
