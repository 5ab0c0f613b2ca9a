/**
 * The front door answers clients from the whole cluster, so a client needs to know
 * nothing about nodes and owners.
 *
 * | path               | what is asked for                       |
 * | ------------------ | --------------------------------------- |
 * | `/api?key=KEY`     | a key of the first group                |
 * | `/api/GROUP/KEY`   | a key of any group                      |
 * | `/api/GROUP?key=KEY` | the same, also for a key such as `..` |
 *
 * @module
 */

import { STATUS_CODE } from "@std/http/status";
import {
  type Entry,
  entryResponse,
  type EntryResponseOptions,
  errorResponse,
  type Group,
} from "../mod.ts";
import { messageOf } from "./exit.ts";
import type { GroupSettings } from "./groups.ts";
import {
  type Handler,
  statusResponse,
  type UnderWay,
  unlessRead,
} from "./handlers.ts";
import { unwrap } from "./sources/wrapped.ts";

/** A group that clients may ask, with its settings. */
export interface OpenGroup {
  readonly group: Group;
  readonly settings: GroupSettings;
}

/** What is asked for, or why that is not clear. */
type Asked = { group: string; key: string } | { fault: string; status: number };

/** What the front door works with. */
export interface FrontDoorParts {
  readonly groups: readonly OpenGroup[];
  /** Counts the requests. */
  readonly underWay: UnderWay;
  /** Hears of each key that a client asks for. */
  readonly asked?: (group: string, key: string) => void;
}

/** Makes the front door. */
export function frontDoor(
  { groups, underWay, asked: hear }: FrontDoorParts,
): Handler {
  const byName = new Map(groups.map((open) => [open.group.name, open]));
  const first = groups[0]!.group.name;
  return (request) => {
    const asked = askedOf(new URL(request.url), first);
    if (asked === undefined) return undefined;
    const refusal = unlessRead(request);
    if (refusal !== undefined) return refusal;
    if ("fault" in asked) return statusResponse(asked.status, asked.fault);
    const open = byName.get(asked.group);
    if (open !== undefined) {
      hear?.(asked.group, asked.key);
      return underWay.run(() => answer(request, open, asked.key));
    }
    return statusResponse(
      STATUS_CODE.NotFound,
      `no such group: ${JSON.stringify(asked.group)}`,
    );
  };
}

/** What a URL asks for; `undefined` if its path is not the front door's. */
export function askedOf(
  { pathname, searchParams }: URL,
  first: string,
): Asked | undefined {
  const [, path] = /^\/api(\/.*)?$/s.exec(pathname) ?? [];
  if (path === undefined && pathname !== "/api") return undefined;
  const [, group = "", rest = ""] = /^\/([^/]*)\/?(.*)$/s.exec(path ?? "") ??
    [];
  try {
    const name = group === "" ? first : decodeURIComponent(group);
    const key = rest === ""
      ? searchParams.get("key")
      : decodeURIComponent(rest);
    if (key) return { group: name, key };
    return { fault: "key is required", status: STATUS_CODE.BadRequest };
  } catch {
    return {
      fault: "the path is not percent-encoded UTF-8",
      status: STATUS_CODE.BadRequest,
    };
  }
}

async function answer(
  request: Request,
  { group, settings }: OpenGroup,
  key: string,
): Promise<Response> {
  const { name } = group;
  try {
    const entry = await group.getEntry(key, { signal: request.signal });
    const stored = group.peek(key) !== undefined;
    const { value, ...options } = shownOf(entry, settings);
    return await entryResponse(request, { ...entry, value, stored }, options);
  } catch (error) {
    const isDemo = settings.source.kind === "scores";
    return errorResponse(request, error, {
      asked: { group: name, key },
      negativeTtlMs: settings.negativeTtlMs,
      // The error may tell of a source what clients should not see. That of the scores
      // is there to be looked at.
      ...(isDemo ? { text: messageOf(error) } : {}),
    });
  }
}

/**
 * Of every value. It may be a page of a stranger, and should run nothing with the rights
 * of this program's own pages.
 */
const SAFE = {
  "Content-Security-Policy": "sandbox",
  "X-Content-Type-Options": "nosniff",
};

/** What a client gets of an entry, and is told of it. */
export function shownOf(
  { value }: Pick<Entry, "value">,
  { source, contentType, ttlMs, ...windows }: GroupSettings,
): Pick<Entry, "value"> & EntryResponseOptions {
  const { staleWhileRevalidateMs, staleIfErrorMs } = windows;
  if (source.kind !== "http") {
    return {
      value,
      staleWhileRevalidateMs,
      staleIfErrorMs,
      headers: {
        ...SAFE,
        "Content-Type": contentType,
        // What never expires may be removed, and nobody tells other caches of that. A
        // copy of it has an end.
        ...(ttlMs === Infinity ? { "Cache-Control": "no-cache" } : {}),
      },
    };
  }
  const { headers, body } = unwrap(value);
  const control = headers.get("cache-control") ?? "";
  const window = (name: string, otherwise: number): number => {
    const [, seconds] = new RegExp(`${name}=([\\d.]+)`).exec(control) ?? [];
    return seconds === undefined ? otherwise : Number(seconds) * 1000;
  };
  const shown = new Headers({ ...SAFE, "Content-Type": contentType });
  for (const [name, value] of headers) {
    // The tag is of the bytes that this process sends, which may differ from those of
    // the source, as where that compresses them.
    if (name !== "cache-control" && name !== "etag") shown.set(name, value);
  }
  return {
    value: body,
    headers: shown,
    staleWhileRevalidateMs: window(
      "stale-while-revalidate",
      staleWhileRevalidateMs,
    ),
    staleIfErrorMs: window("stale-if-error", staleIfErrorMs),
  };
}
