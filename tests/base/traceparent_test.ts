import { readTraceparent } from "../../base/traceparent.ts";
import { assertEquals } from "../support/assert.ts";

const GOOD = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

Deno.test("A traceparent is read as it is, the first of several", () => {
  assertEquals(readTraceparent(GOOD), GOOD);
  assertEquals(readTraceparent(`${GOOD}, 00-another`), GOOD);
  const later = GOOD.replace("00-", "fe-");
  assertEquals(readTraceparent(later), later);
});

Deno.test("What is no traceparent is ignored, however long it is", () => {
  const zeros = (count: number) => "0".repeat(count);
  for (
    const bad of [
      ...[undefined, null, 7, {}, "", "00", GOOD.slice(1), `${GOOD}0`],
      ...[` ${GOOD}`, GOOD.toUpperCase(), GOOD.replace("00-", "ff-")],
      `00-${zeros(32)}-b7ad6b7169203331-01`,
      `00-0af7651916cd43dd8448eb211c80319c-${zeros(16)}-01`,
      ...[GOOD.replace("c-b", "c_b"), GOOD.repeat(1_000), `${GOOD}-00`],
      GOOD.replace("01", "0\n"),
    ]
  ) assertEquals(readTraceparent(bad), undefined, String(bad));
});
