/**
 * Which bytes a request asks for: RFC 9110, section 14.
 *
 * @module
 */

/** The bytes from `first` up to and with `last`. */
export interface Range {
  readonly first: number;
  readonly last: number;
}

/** One range: 1 is its first position, 2 its last one; with 2 alone, a suffix. */
const RANGE = /^bytes=[ \t,]*(\d*)-(\d*)[ \t,]*$/i;

/** Whether `a` is less than `b`, in digits: as numbers, large ones may round to the same. */
function isLess(a: string, b: string): boolean {
  const [left, right] = [a.replace(/^0+/, ""), b.replace(/^0+/, "")];
  return left.length === right.length
    ? left < right
    : left.length < right.length;
}

/**
 * The range that a `Range` header asks for, of a value of `length` bytes.
 *
 * - `undefined`: all of it. The header is invalid, has another unit or more than one
 *   range, each of which may be ignored.
 * - `"none"`: no byte of it is there.
 */
export function rangeOf(
  header: string,
  length: number,
): Range | "none" | undefined {
  const match = RANGE.exec(header.trim());
  if (match === null) return undefined;
  const [, from = "", to = ""] = match;
  if (from === "") {
    if (to === "") return undefined;
    const count = Number(to);
    if (count === 0) return "none";
    // No Content-Range could say which bytes of nothing these are.
    if (length === 0) return undefined;
    return { first: Math.max(0, length - count), last: length - 1 };
  }
  if (to !== "" && isLess(to, from)) return undefined;
  const first = Number(from);
  const last = to === "" ? Infinity : Number(to);
  return first < length ? { first, last: Math.min(last, length - 1) } : "none";
}
