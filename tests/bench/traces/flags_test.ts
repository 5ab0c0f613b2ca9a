import { readFlags } from "../../../bench/traces/flags.ts";
import { SIZES } from "../../../bench/traces/replay.ts";
import { assertEquals, assertThrows } from "../../support/assert.ts";

Deno.test("The flags of traces name a source, sizes and a chart", () => {
  assertEquals(readFlags(["log.gz"]), {
    help: false,
    source: "log.gz",
    sizes: SIZES,
    entries: false,
    variants: false,
    chart: undefined,
  });
  const flags = readFlags(
    ["7", "--sizes", "10,2.5%", "--entries", "--variants", "--chart=a.svg"],
  );
  assertEquals(flags, {
    help: false,
    source: "7",
    sizes: [{ room: 10 }, { share: 0.025 }],
    entries: true,
    variants: true,
    chart: "a.svg",
  });
  assertEquals(readFlags(["--help"]).help, true);
});

for (
  const [args, message] of [
    [[], "Give one FILE, or one of zipf, scan, loop, churn: received 0"],
    [
      ["a", "b"],
      "Give one FILE, or one of zipf, scan, loop, churn: received 2",
    ],
    [["a", "--size", "1"], "Unknown argument --size"],
    [["a", "--chart="], "--chart needs the name of a file"],
    [["a", "--sizes", "10,0"], "received 0"],
    [["a", "--sizes", "0%"], "received 0%"],
    [["a", "--sizes", "101%"], "received 101%"],
    [["a", "--sizes", "1k"], "received 1k"],
    [["a", "--sizes="], "--sizes must be whole numbers or shares"],
  ] as const
) {
  Deno.test(`The flags of traces refuse "${args.join(" ")}"`, () => {
    assertThrows(() => readFlags([...args]), TypeError, message);
  });
}
