import { addressOf, isFailure } from "../../otel/words.ts";
import { assertEquals } from "../support/assert.ts";

Deno.test("A peer's address and port are those of its origin", () => {
  for (
    const [origin, address, port] of [
      ["http://10.0.0.1:8080", "10.0.0.1", 8080],
      ["http://cache-1.internal", "cache-1.internal", 80],
      ["https://cache-1.internal", "cache-1.internal", 443],
      ["https://[2001:db8::1]:8443", "2001:db8::1", 8443],
      ["http://[::1]", "::1", 80],
    ] as const
  ) {
    assertEquals(addressOf(origin), {
      "server.address": address,
      "server.port": port,
    });
  }
});

Deno.test("That there is no such key, or that a caller left, is no failure", () => {
  const results = ["ok", "not_found", "canceled"] as const;
  assertEquals(results.map(isFailure), [false, false, false]);
  const failures = ["failed", "busy", "draining", "unreachable"] as const;
  assertEquals(failures.map(isFailure), [true, true, true, true]);
});
