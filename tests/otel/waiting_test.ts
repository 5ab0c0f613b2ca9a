import type { Span, SpanContext } from "../../otel.ts";
import { Spans } from "../../otel/spans.ts";
import { Waiting } from "../../otel/waiting.ts";
import { HTTPPool } from "../../mod.ts";
import { assertEquals } from "../support/assert.ts";
import { Traced } from "../support/otel.ts";
import { gate, settle } from "../support/time.ts";

const contextOf = (id: number, traceFlags = 1): SpanContext => ({
  traceId: "1".repeat(32),
  spanId: id.toString(16).padStart(16, "0"),
  traceFlags,
});

/** A span that notes its links. */
function noting(id: number, traceFlags = 1): Span & { links: string[] } {
  const links: string[] = [];
  return {
    links,
    spanContext: () => contextOf(id, traceFlags),
    setAttribute: () => {},
    setStatus: () => {},
    addLink: ({ context }) => links.push(context.spanId),
    end: () => {},
  };
}

Deno.test("What serves a key has links to those who wait for it, each once", () => {
  const waiting = new Waiting();
  const [one, two, three] = [contextOf(1), contextOf(2), contextOf(3)];
  const ends = [
    waiting.wait("g", ["a", "b"], one),
    waiting.wait("g", ["b"], two),
    waiting.wait("h", ["a"], three),
  ];
  const links = waiting.linksOf("g", ["a", "b", "c"]);
  assertEquals(links, [{ context: one }, { context: two }]);
  const span = noting(9);
  ends.push(waiting.serve("g", ["a", "b"], span, links.length));
  ends.push(waiting.wait("g", ["b", "a"], three));
  assertEquals(span.links, [three.spanId]);
  for (const end of ends) end();
  assertEquals(waiting.size, 0);
});

Deno.test("A span gets at most 128 links, however many wait", () => {
  const waiting = new Waiting();
  const ends = Array.from(
    { length: 127 },
    (_, i) => waiting.wait("g", ["k"], contextOf(i)),
  );
  const span = noting(999);
  const links = waiting.linksOf("g", ["k"]);
  ends.push(waiting.serve("g", ["k"], span, links.length));
  for (let i = 200; i < 400; i++) {
    ends.push(waiting.wait("g", ["k"], contextOf(i)));
  }
  assertEquals([links.length, span.links.length], [127, 1]);
  assertEquals(waiting.linksOf("g", ["k"]).length, 128);
  for (const end of ends) end();
  assertEquals(waiting.size, 0);
});

Deno.test("What is not recorded is neither linked nor remembered", () => {
  const waiting = new Waiting();
  waiting.wait("g", ["k"], contextOf(1, 0));
  waiting.serve("g", ["k"], noting(2, 0), 0);
  assertEquals(waiting.size, 0);
});

Deno.test("A span that takes no links once it began is left as it is", () => {
  const waiting = new Waiting();
  const { addLink: _, ...old } = noting(1);
  waiting.serve("g", ["k"], old, 0);
  waiting.wait("g", ["k"], contextOf(2))();
});

Deno.test("What waits now is all that a traced pool remembers, also once it was stopped or closed", async () => {
  const pool = new HTTPPool("http://a");
  const spans = new Spans(new Traced().tracer, false);
  const stop = pool.observe(spans);
  const held = gate<string>();
  const group = pool.group(
    "g",
    (_, { signal }) =>
      new Promise<string>((resolve, reject) => {
        held.opened.then(resolve);
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  );
  const leaver = new AbortController();
  const gets = [
    group.getMany(["a", "b", "c"]),
    group.get("a"),
    group.get("d", { signal: leaver.signal }),
    pool.handler(
      new Request("http://a/_geecache/g/e", {
        headers: {
          traceparent:
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        },
      }),
    ),
  ];
  await settle();
  assertEquals(spans.size, 5);
  leaver.abort();
  await settle();
  assertEquals(spans.size, 4);
  held.open("v");
  stop();
  await Promise.allSettled(gets);
  await settle();
  assertEquals(spans.size, 0);
  pool.observe(spans);
  const never = pool.group("never", () => new Promise<string>(() => {}));
  const lost = never.get("k").catch(() => {});
  await settle();
  assertEquals(spans.size, 1);
  await pool.close();
  await lost;
  await settle();
  assertEquals(spans.size, 0);
});
