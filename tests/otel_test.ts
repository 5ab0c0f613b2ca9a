import { HTTPPool } from "../mod.ts";
import { instrument } from "../otel.ts";
import { assertThrows } from "./support/assert.ts";

Deno.test("instrument() refuses what is no pool, no meter or no tracer", async () => {
  const pool = new HTTPPool("http://a");
  const refuses = (message: string, options: unknown, of: unknown = pool) =>
    assertThrows(
      () => instrument(of as HTTPPool, options as never),
      TypeError,
      `Cannot instrument HTTPPool: ${message}`,
    );
  const neither = "it needs a meter, a tracer, or both: received neither";
  refuses(neither, undefined);
  refuses(neither, { keys: true });
  refuses(
    'there is no option "tracers": did you mean "tracer"?',
    { tracers: {} },
  );
  refuses(
    "tracer must have the methods startSpan, startActiveSpan: received [object Object]",
    { tracer: {} },
  );
  refuses(
    "meter must have the methods createHistogram, createObservableCounter, createObservableUpDownCounter, addBatchObservableCallback, removeBatchObservableCallback: received 7",
    { meter: 7 },
  );
  const tracer = { startSpan() {}, startActiveSpan() {} };
  refuses('keys must be true or false: received "yes"', {
    tracer,
    keys: "yes",
  });
  refuses(
    "pool must have the methods observe, groups: received [object Object]",
    {
      tracer,
    },
    {},
  );
  refuses("pool must have the methods observe, groups: received null", {
    tracer,
  }, null);
  await pool.close();
});
