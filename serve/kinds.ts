/**
 * The kinds of values that settings have: how each is written on the command line, in
 * a variable and in the configuration file.
 *
 * @module
 */

/** A kind of value. Its text is the same wherever it is written. */
export interface Kind<T> {
  /** What stands for a value in the help text, such as `PORT`. */
  readonly placeholder: string;
  /** What a value must be, to follow "must be". */
  readonly rule: string;
  /** What JSON may have for it, as JSON schema. */
  readonly schema: Readonly<Record<string, unknown>>;
  /** Reads a value; `undefined` if the text is not one. */
  parse(text: string): T | undefined;
}

/** A text that is not empty. */
export function text(placeholder: string, rule = "a text"): Kind<string> {
  return {
    placeholder,
    rule,
    schema: { type: "string", minLength: 1 },
    parse: (text) => text === "" ? undefined : text,
  };
}

const MEDIA_TYPE = "^[!-~]+/[ -~]+$";

/** A media type, which a header can carry. */
export const mediaType: Kind<string> = {
  placeholder: "TYPE",
  rule: "a media type such as text/plain; charset=utf-8",
  schema: { type: "string", pattern: MEDIA_TYPE },
  parse: (text) => new RegExp(MEDIA_TYPE).test(text) ? text : undefined,
};

/** A switch is on if its flag is there. */
export const onOff: Kind<boolean> = {
  placeholder: "",
  rule: "true or false",
  schema: { type: "boolean" },
  parse: (text) =>
    text === "true" ? true : text === "false" ? false : undefined,
};

/** One of several words. */
export function oneOf<T extends string>(...words: T[]): Kind<T> {
  return {
    placeholder: words.join("|"),
    rule: words.join(" or "),
    schema: { enum: words },
    parse: (text) => words.find((word) => word === text),
  };
}

/** A whole number. */
export function whole(
  placeholder: string,
  maximum: number,
): Kind<number> {
  return {
    placeholder,
    rule: `a number from 0 to ${maximum}`,
    schema: { type: "integer", minimum: 0, maximum },
    parse: (text) =>
      /^\d{1,9}$/.test(text) && Number(text) <= maximum
        ? Number(text)
        : undefined,
  };
}

export const port: Kind<number> = whole("PORT", 65535);

/** Texts, with commas between them. */
export const list: Kind<string[]> = {
  placeholder: "URL,URL",
  rule: "origins with commas between them",
  schema: { type: "array", items: { type: "string", minLength: 1 } },
  parse: (text) => text === "" ? undefined : text.split(","),
};

/** Any upper and lower case of `letters`, for patterns that have no flags. */
const anyCase = (letters: string): string =>
  letters.replace(/[a-z]/g, (a) => `[${a.toUpperCase()}${a}]`);

const UNITS = { "": 1, b: 1, kib: 2 ** 10, mib: 2 ** 20, gib: 2 ** 30 };
const SIZE = `^\\d+(\\.\\d+)? ?(${
  Object.keys(UNITS).filter((unit) => unit !== "").map(anyCase).join("|")
})?$`;

/** A number of bytes. */
export const size: Kind<number> = {
  placeholder: "SIZE",
  rule: "a size such as 2048, 512KiB or 64MiB",
  schema: { type: ["integer", "string"], minimum: 0, pattern: SIZE },
  parse: (text) => {
    if (!new RegExp(SIZE).test(text)) return undefined;
    const [, number, unit] = /^([\d.]+) ?(.*)$/.exec(text.toLowerCase())!;
    return Math.floor(Number(number) * UNITS[unit as keyof typeof UNITS]);
  },
};

const TIMES = {
  ms: 1,
  s: 1_000,
  m: 60_000,
  h: 3_600_000,
  d: 86_400_000,
};
const TIME = `^(\\d+(\\.\\d+)?(${Object.keys(TIMES).join("|")})|0|forever)$`;

/** A time, in milliseconds; `forever` is `Infinity`. */
export const time: Kind<number> = {
  placeholder: "TIME",
  rule: "a time such as 500ms, 60s, 5m, 2h or 1d, or 0, or forever",
  schema: { type: "string", pattern: TIME },
  parse: (text) => {
    if (!new RegExp(TIME).test(text)) return undefined;
    if (text === "forever") return Infinity;
    const [, number, unit] = /^([\d.]+)(.*)$/.exec(text)!;
    return Number(number) * TIMES[(unit || "ms") as keyof typeof TIMES];
  },
};
