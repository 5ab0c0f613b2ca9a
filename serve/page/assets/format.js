/** Numbers as people read them. */

const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
const fine = new Intl.NumberFormat("en", { maximumFractionDigits: 1 });
const tenth = new Intl.NumberFormat("en", {
  minimumFractionDigits: 1,
  maximumFractionDigits: 1,
});
const finer = new Intl.NumberFormat("en", { maximumFractionDigits: 2 });

/** What stands where there is no number. */
export const NONE = "–";

/** A count, or a rate of at least 10. Smaller rates have a decimal place. */
export function count(number) {
  if (number === null || number === undefined) return NONE;
  return (number < 10 ? fine : whole).format(number);
}

/**
 * A part of 1 as a percentage. It is only 100 % if nothing is missing. Those of a column
 * have as many decimal places.
 */
export function percent(part, isOfColumn = false) {
  if (part === null || part === undefined) return NONE;
  const number = part * 100;
  const shown = number > 99.9 && number < 100 ? 99.9 : number;
  return `${(isOfColumn ? tenth : fine).format(shown)}\u202f%`;
}

/** Milliseconds, or seconds if there are many. */
export function time(ms) {
  if (ms === null || ms === undefined) return NONE;
  if (ms >= 10_000) return `${whole.format(ms / 1000)}\u202fs`;
  if (ms >= 1_000) return `${finer.format(ms / 1000)}\u202fs`;
  return `${(ms < 1 ? finer : ms < 10 ? fine : whole).format(ms)}\u202fms`;
}

/** Bytes in the largest unit that leaves at least 1. */
export function size(bytes) {
  if (bytes === null || bytes === undefined) return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let left = bytes;
  let unit = 0;
  while (left >= 1024 && unit < units.length - 1) {
    left /= 1024;
    unit++;
  }
  return `${(left < 10 ? fine : whole).format(left)}\u202f${units[unit]}`;
}

/** A longer time, such as a life: the two largest units. */
export function duration(ms) {
  const seconds = Math.round(ms / 1000);
  if (seconds < 60) return `${seconds}\u202fs`;
  if (seconds < 3600) {
    return `${Math.floor(seconds / 60)}\u202fmin ${seconds % 60}\u202fs`;
  }
  const hours = Math.floor(seconds / 3600);
  return `${whole.format(hours)}\u202fh ${
    Math.floor(seconds % 3600 / 60)
  }\u202fmin`;
}

/** An origin without what all have in common. */
export function place(origin) {
  return origin.replace(/^https?:\/\//, "");
}

/** A text that may be long, without its middle if it is. */
export function short(text, length = 80) {
  if (text.length <= length) return text;
  const half = Math.floor(length / 2);
  return `${text.slice(0, half)} … ${text.slice(-half)}`;
}

/** One or many of something. */
export function many(number, one, more = `${one}s`) {
  return `${count(number)} ${number === 1 ? one : more}`;
}
