/**
 * The files of the page, and the headers that keep a browser from running or sending
 * anything else.
 *
 * @module
 */

import uPlotStyle from "uplot/dist/uPlot.min.css" with { type: "text" };
import uPlot from "uplot/dist/uPlot.iife.min.js" with { type: "text" };
import { crc32 } from "../../mod.ts";
import ask from "./assets/ask.js" with { type: "text" };
import charts from "./assets/charts.js" with { type: "text" };
import demo from "./assets/demo.js" with { type: "text" };
import dom from "./assets/dom.js" with { type: "text" };
import format from "./assets/format.js" with { type: "text" };
import icon from "./assets/icon.svg" with { type: "text" };
import page from "./assets/index.html" with { type: "text" };
import keys from "./assets/keys.js" with { type: "text" };
import live from "./assets/live.js" with { type: "text" };
import main from "./assets/main.js" with { type: "text" };
import nodes from "./assets/nodes.js" with { type: "text" };
import ring from "./assets/ring.js" with { type: "text" };
import words from "./assets/words.js" with { type: "text" };
import style from "./assets/page.css" with { type: "text" };

const TYPES = {
  html: "text/html; charset=utf-8",
  css: "text/css; charset=utf-8",
  js: "text/javascript; charset=utf-8",
  svg: "image/svg+xml",
} as const;

/** Headers of everything that the page's paths answer. */
export const SECURITY_HEADERS: Readonly<Record<string, string>> = {
  "Content-Security-Policy": [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "connect-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join("; "),
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Referrer-Policy": "no-referrer",
  "X-Content-Type-Options": "nosniff",
};

interface Asset {
  readonly text: string;
  readonly type: string;
  readonly tag: string;
}

function asset(name: string, text: string): [string, Asset] {
  const type = TYPES[name.split(".").at(-1) as keyof typeof TYPES];
  const tag = crc32(new TextEncoder().encode(text)).toString(16);
  return [name, { text, type, tag: `"${tag}"` }];
}

const ASSETS = new Map([
  asset("index.html", page),
  asset("page.css", style),
  asset("icon.svg", icon),
  asset("main.js", main),
  asset("ask.js", ask),
  asset("charts.js", charts),
  asset("demo.js", demo),
  asset("dom.js", dom),
  asset("format.js", format),
  asset("keys.js", keys),
  asset("live.js", live),
  asset("nodes.js", nodes),
  asset("ring.js", ring),
  asset("words.js", words),
  asset("uplot.js", uPlot),
  asset("uplot.css", uPlotStyle),
]);

/** Whether there is a file of that name. */
export function isAsset(name: string): boolean {
  return ASSETS.has(name);
}

/** The file of that name, or 304 if the client has it. */
export function assetResponse(name: string, request: Request): Response {
  const { text, type, tag } = ASSETS.get(name)!;
  const headers = {
    ...SECURITY_HEADERS,
    "Cache-Control": "no-cache",
    "ETag": tag,
  };
  // What compresses an answer on its way makes its tag a weak one.
  const known = request.headers.get("If-None-Match")?.replace(/^W\//, "");
  if (known === tag) return new Response(null, { status: 304, headers });
  return new Response(text, { headers: { ...headers, "Content-Type": type } });
}
