/**
 * How long a response of an HTTP source lives, by its `Cache-Control` (RFC 9111 and
 * RFC 5861), as a shared cache reads it.
 *
 * @module
 */

// @ts-types="npm:@types/http-cache-semantics@4.2.0"
import CachePolicy from "http-cache-semantics";
import type { Life } from "../../mod.ts";

/** Not kept at all. */
const NO_LIFE: Life = { ttlMs: 0 };
/** For a value that is stale as soon as it came, and yet has a window. */
const SHORTEST_MS = 1;
/** What a larger number means (RFC 9111, section 1.2.2). */
const MAX_SECONDS = 2 ** 31;

/**
 * The life of a value, by the headers of a 200, or of the 304 that renews it. What it
 * leaves out are the group's settings.
 *
 * - `s-maxage`, then `max-age`, then `Expires`, less `Age`, say how long it is fresh.
 * - `no-store`, `no-cache`, `private`, `Vary: *`, and cookies in what is not `public`:
 *   it is not kept.
 * - `must-revalidate` and `proxy-revalidate`: it is not answered once it is stale,
 *   whatever the settings say.
 */
export function lifeOf(headers: Headers): Life {
  const given = Object.fromEntries(headers);
  // Directives are not sensitive to case. The library reads the last of these as "not
  // fresh", and they are about what is stale.
  const control = (given["cache-control"] ?? "").toLowerCase();
  const fields = namesOf(control);
  const mustAsk = fields.some((field) =>
    /^(must|proxy)-revalidate$/.test(field)
  );
  const policy = new CachePolicy({ headers: {} }, {
    status: 200,
    headers: {
      ...given,
      "cache-control": fields.filter((field) => field !== "proxy-revalidate")
        .join(", "),
    },
  }, { shared: true, cacheHeuristic: 0, immutableMinTimeToLive: 0 });
  const directives = policy.toObject().rescc as Record<string, unknown>;
  if (isForbidden(given, directives)) return NO_LIFE;
  const windows = mustAsk
    ? { staleWhileRevalidateMs: 0, staleIfErrorMs: 0 }
    : windowsOf(directives);
  const isSaid = "s-maxage" in directives || "max-age" in directives ||
    "expires" in given;
  if (!isSaid) return windows;
  // Whole seconds: the time that this took is none of its age.
  const age = Math.max(0, Math.floor(policy.age()));
  const seconds = Math.min(policy.maxAge(), MAX_SECONDS);
  const ttlMs = Math.max(0, seconds - age) * 1000;
  const { staleWhileRevalidateMs = 0, staleIfErrorMs = 0 } = windows;
  const hasWindow = staleWhileRevalidateMs > 0 || staleIfErrorMs > 0;
  return {
    ttlMs: hasWindow ? Math.max(ttlMs, SHORTEST_MS) : ttlMs,
    ...windows,
  };
}

/** Whether a shared cache may not keep it at all, or not without asking each time. */
function isForbidden(
  headers: Record<string, string>,
  directives: Record<string, unknown>,
): boolean {
  const { "set-cookie": cookie, vary } = headers;
  return "no-store" in directives || "no-cache" in directives ||
    "private" in directives || namesOf(vary).includes("*") ||
    cookie !== undefined && !("public" in directives);
}

function namesOf(list = ""): string[] {
  return list.split(",").map((name) => name.trim());
}

function windowsOf(directives: Record<string, unknown>): Life {
  const life: Life = {};
  const read = (name: string): number | undefined => {
    const seconds = directives[name];
    return typeof seconds === "string" && /^\d+$/.test(seconds)
      ? Math.min(Number(seconds), MAX_SECONDS) * 1000
      : undefined;
  };
  const whileMs = read("stale-while-revalidate");
  const ifErrorMs = read("stale-if-error");
  if (whileMs !== undefined) life.staleWhileRevalidateMs = whileMs;
  if (ifErrorMs !== undefined) life.staleIfErrorMs = ifErrorMs;
  return life;
}
