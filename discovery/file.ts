/**
 * Lists of peers from a file.
 *
 * @module
 */

import { builtinModule } from "../base/builtins.ts";
import { checkFunctions, checkOptions, type Names } from "../base/checks.ts";
import { describe } from "../base/errors.ts";
import {
  type PeerLists,
  poll,
  POLL_OPTIONS,
  type PollOptions,
} from "./polling.ts";

/** Options for {@linkcode filePeers}. */
export interface FilePeersOptions extends PollOptions {
  /**
   * What reads a file as text.
   *
   * @default {readFile} the runtime's
   */
  readFile?: (path: string | URL) => Promise<string>;
}

const ACTION = "Cannot read peers from a file";

const OPTIONS: Names<FilePeersOptions> = { ...POLL_OPTIONS, readFile: true };

/** What this needs of Node's module `fs/promises`. */
interface FileModule {
  readFile(path: string | URL, encoding: "utf8"): Promise<string>;
}

/**
 * The processes in a file, which is read again and again, for
 * {@linkcode HTTPPool.follow}. It has one origin a line; what follows a `#` is a comment.
 * If it cannot be read, that gives an error in place of a list, and it is read again.
 *
 * Write a new list into another file and rename that one: a reader may otherwise see
 * half of it.
 *
 * @example A list that somebody else writes
 * ```ts
 * import { filePeers } from "@geecache/geecache";
 * import { assertEquals } from "@std/assert";
 *
 * const text = "# the cluster in Oslo\nhttp://10.0.0.1:8080\nhttp://10.0.0.2:8080\n";
 * const readFile = () => Promise.resolve(text);
 * for await (const list of filePeers("peers.txt", { readFile })) {
 *   assertEquals(list, ["http://10.0.0.1:8080", "http://10.0.0.2:8080"]);
 *   break;
 * }
 * ```
 *
 * @throws {TypeError} If an argument is of the wrong kind, or the runtime has no files.
 * @throws {RangeError} If `everyMs` is not greater than 0.
 */
export function filePeers(
  path: string | URL,
  options: FilePeersOptions = {},
): PeerLists {
  // A URL of another realm is no instance of this one's class.
  const isPath = typeof path === "string"
    ? path !== ""
    : typeof path?.href === "string";
  if (!isPath) {
    throw new TypeError(
      `${ACTION}: path must be a path or a file URL: received ${
        describe(path)
      }`,
    );
  }
  checkOptions(ACTION, options, OPTIONS);
  checkFunctions(ACTION, { readFile: options.readFile });
  const read = options.readFile ?? runtimeReadFile();
  return poll(ACTION, async () => originsIn(await read(path)), options);
}

function runtimeReadFile(): (path: string | URL) => Promise<string> {
  const files = builtinModule("fs/promises") as FileModule | undefined;
  if (files === undefined) {
    throw new TypeError(
      `${ACTION}: this runtime has no module fs/promises: give the option readFile`,
    );
  }
  return (path) => files.readFile(path, "utf8");
}

/** The lines of a text that are not empty, without comments. `trim` drops a byte order mark. */
function originsIn(text: string): string[] {
  return text.split("\n")
    .map((line) => line.replace(/#.*/, "").trim())
    .filter((line) => line !== "");
}
