/** Who may open the page, and who may change something through it. */

import { refusalOf } from "../../../serve/page/access.ts";
import { assertEquals, assertMatch } from "../../support/assert.ts";

const HOSTS = new Set(["cache.example"]);

/** The status of a request with those headers, or `undefined` if it is let through. */
function statusOf(
  method: "GET" | "POST",
  headers: Record<string, string>,
  url = "http://localhost:9999/_page/state",
): number | undefined {
  const type: Record<string, string> = method === "POST"
    ? { "Content-Type": "application/json" }
    : {};
  const request = new Request(url, {
    method,
    headers: { ...type, ...headers },
  });
  return refusalOf(request, HOSTS, method)?.status;
}

Deno.test("The page is served as localhost and under the names that it was given", () => {
  for (
    const host of ["localhost:9999", "127.0.0.1:1", "[::1]:5", "cache.example"]
  ) {
    assertEquals(statusOf("GET", {}, `http://${host}/`), undefined, host);
  }
});

Deno.test("A name that was pointed here later is answered 421, which says so", () => {
  const request = new Request("http://evil.example:9999/_page/state");
  const refusal = refusalOf(request, HOSTS, "GET")!;
  assertEquals(refusal.status, 421);
  assertMatch(
    refusal.message,
    /^This page is served as localhost, cache\.example: received the host evil\.example$/,
  );
  const same = refusalOf(request, new Set(["localhost"]), "GET")!.message;
  assertMatch(same, /^This page is served as localhost: received/);
  const post = statusOf("POST", {}, "http://evil.example/_page/remove");
  assertEquals(post, 421);
});

Deno.test("A Host header that differs from the address counts, too", () => {
  for (const host of ["evil.example", "evil.example:9999", "a b", ""]) {
    const request = new Request("http://localhost:9999/");
    // A browser's own class would not let a test set it.
    Object.defineProperty(request, "headers", {
      value: { get: (name: string) => name === "Host" ? host : null },
    });
    assertEquals(refusalOf(request, HOSTS, "GET")?.status, 421, host);
  }
});

Deno.test("A command needs POST, and anything else GET or HEAD", () => {
  const ask = (method: string, wanted: "GET" | "POST") =>
    refusalOf(
      new Request("http://localhost/_page/x", {
        method,
        headers: { "Content-Type": "application/json" },
      }),
      HOSTS,
      wanted,
    );
  assertEquals(ask("GET", "GET"), undefined);
  assertEquals(ask("HEAD", "GET"), undefined);
  assertEquals(ask("POST", "POST"), undefined);
  assertEquals(ask("GET", "POST")?.allow, "POST");
  assertEquals(ask("POST", "GET")?.allow, "GET, HEAD");
  assertEquals(ask("DELETE", "GET")?.status, 405);
  assertEquals(ask("OPTIONS", "POST")?.status, 405);
});

Deno.test("A page of another origin can neither read nor command", () => {
  for (const method of ["GET", "POST"] as const) {
    for (
      const origin of [
        "http://evil.example",
        "http://localhost:8000",
        "http://127.0.0.1:9999",
        "null",
      ]
    ) assertEquals(statusOf(method, { Origin: origin }), 403, origin);
    for (const site of ["cross-site", "same-site"]) {
      assertEquals(statusOf(method, { "Sec-Fetch-Site": site }), 403, site);
    }
    const own = {
      "Origin": "http://localhost:9999",
      "Sec-Fetch-Site": "same-origin",
    };
    assertEquals(statusOf(method, own), undefined);
    // A program, such as the page of another node, sends none of these.
    assertEquals(statusOf(method, {}), undefined);
  }
});

Deno.test("A link on another page opens the page, and nothing below it", () => {
  const visit = {
    "Sec-Fetch-Site": "cross-site",
    "Sec-Fetch-Mode": "navigate",
  };
  assertEquals(statusOf("GET", visit, "http://localhost:9999/"), undefined);
  assertEquals(statusOf("GET", visit), 403);
  assertEquals(statusOf("POST", visit, "http://localhost:9999/"), 403);
  const typed = { "Sec-Fetch-Site": "none" };
  assertEquals(statusOf("GET", typed), undefined);
  assertEquals(statusOf("POST", typed), 403);
});

Deno.test("A command must be JSON, which a form of another page cannot send", () => {
  for (
    const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "multipart/form-data",
      "text/plain; application/json",
      "application/jsonp",
      "",
    ]
  ) assertEquals(statusOf("POST", { "Content-Type": type }), 415, type);
  for (const type of ["application/json", "Application/JSON; charset=utf-8"]) {
    assertEquals(statusOf("POST", { "Content-Type": type }), undefined, type);
  }
});
