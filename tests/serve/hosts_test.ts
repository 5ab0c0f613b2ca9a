/** Names and addresses of hosts. */

import { hostInUrl, isLoopbackName } from "../../serve/hosts.ts";
import { assert, assertEquals } from "../support/assert.ts";

Deno.test("A loopback name is localhost, a name below it, or an address of loopback", () => {
  for (
    const name of [
      "localhost",
      "a.localhost",
      "127.0.0.1",
      "127.9.9.9",
      "[::1]",
    ]
  ) assert(isLoopbackName(name), name);
  for (
    const name of [
      "127.evil.example",
      "127.0.0.1.evil.example",
      "not-localhost",
      "localhost.evil.example",
      "10.0.0.1",
      "[::2]",
      "",
    ]
  ) assert(!isLoopbackName(name), name);
});

Deno.test("A host is written as URLs have it", () => {
  for (
    const [host, inUrl] of [
      ["Cache.Example", "cache.example"],
      ["::1", "[::1]"],
      ["[2001:DB8::1]", "[2001:db8::1]"],
    ] as const
  ) assertEquals(hostInUrl(host), inUrl);
});
