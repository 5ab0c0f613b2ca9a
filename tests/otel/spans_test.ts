/** Spans of what waits, made with OpenTelemetry's own SDK. */

import { SpanKind, SpanStatusCode, trace } from "@opentelemetry/api";
import { HTTPPool } from "../../mod.ts";
import { instrument } from "../../otel.ts";
import { ASK } from "../../protocol/link.ts";
import { assert, assertEquals } from "../support/assert.ts";
import {
  keysOwnedBy,
  openLink,
  owedTo,
  ownerAndAsker,
  withCluster,
} from "../support/cluster.ts";
import { idOf, linkedBy, named, Traced, withContext } from "../support/otel.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

Deno.test("A get that waits is a child of its caller's span, and the load that serves it has no parent and a link", () =>
  withContext(async () => {
    const traced = new Traced();
    const pool = new HTTPPool("http://a");
    instrument(pool, { tracer: traced.tracer });
    const group = pool.group("scores", (key) => key);
    const caller = await traced.during("caller", () => group.get("k"));
    const spans = traced.take();
    const get = named(spans, "cache.get scores");
    const load = named(spans, "geecache.load");
    assertEquals(get.parentSpanContext?.spanId, idOf(caller));
    assertEquals(get.kind, SpanKind.INTERNAL);
    assertEquals(get.attributes, {
      "cache.hit": false,
      "geecache.group": "scores",
      "geecache.keys": 1,
      "geecache.result": "ok",
    });
    assertEquals(load.parentSpanContext, undefined);
    assert(load.spanContext().traceId !== get.spanContext().traceId);
    assertEquals(linkedBy(load), [idOf(get)]);
    assertEquals(load.attributes, {
      "geecache.group": "scores",
      "geecache.keys": 1,
      "geecache.load.reason": "miss",
      "geecache.result": "ok",
    });
    await pool.close();
  }));

Deno.test("A load and a question have no parent, whoever is first and wherever the group was made", () =>
  withContext(() =>
    withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      const traced = new Traced();
      instrument(asker.pool, { tracer: traced.tracer });
      const [mine] = keysOwnedBy(cluster, asker, 1, "mine");
      await traced.during("caller", async () => {
        await asker.group.get("k");
        const late = asker.pool.group("late", () => "v");
        await late.get(mine!);
        assertEquals(owner.loads, ["k"]);
      });
      const spans = traced.take();
      for (const name of ["geecache.load", "geecache.peer"]) {
        assertEquals(named(spans, name).parentSpanContext, undefined, name);
      }
    })
  ));

Deno.test("A get that memory answers makes no span", async () => {
  const traced = new Traced();
  const pool = new HTTPPool("http://a");
  instrument(pool, { tracer: traced.tracer });
  const group = pool.group("g", (key) => key);
  await group.getMany(["a", "b"]);
  traced.take();
  await group.get("a");
  await group.getEntry("a");
  await group.getMany(["a", "b"]);
  group.peek("a");
  assertEquals(traced.take(), []);
  await pool.close();
});

Deno.test("A load has links to all who wait for its keys, also to those who come later", async () => {
  for (const isBatch of [false, true]) {
    const traced = new Traced();
    const pool = new HTTPPool("http://a");
    instrument(pool, { tracer: traced.tracer });
    const held = gate<string>();
    const group = pool.group(
      "g",
      isBatch
        ? {
          loadMany: async (keys: readonly string[]) => {
            const value = await held.opened;
            return new Map(keys.map((key) => [key, value]));
          },
        }
        : () => held.opened,
    );
    const other = pool.group("h", () => "v");
    const first = group.getMany(["a", "b"]);
    await settle();
    const later = [group.get("a"), group.getMany(["b", "a", "c"])];
    // Another group's key of the same name.
    await other.get("a");
    await settle();
    held.open("v");
    await Promise.all([first, ...later]);
    await settle();
    const spans = traced.take();
    const gets = spans.filter(({ name }) => name === "cache.get g");
    const [inFirst, one, many] = ["2", "1", "3"].map((count) =>
      gets.find((get) => `${get.attributes["geecache.keys"]}` === count)!
    );
    const loads = spans.filter((span) =>
      span.name === "geecache.load" &&
      span.attributes["geecache.group"] === "g"
    );
    assertEquals(
      loads.map((load) => linkedBy(load)).sort((a, b) => b.length - a.length),
      isBatch
        ? [[inFirst, one, many].map((get) => idOf(get!)), [idOf(many!)]]
        : [
          [inFirst, one, many].map((get) => idOf(get!)),
          [inFirst, many].map((get) => idOf(get!)),
          [idOf(many!)],
        ],
    );
    await pool.close();
  }
});

Deno.test("A getter runs with the span of its load as the current one", () =>
  withContext(async () => {
    for (const kind of ["get", "loadMany", "limited", "timed"]) {
      const traced = new Traced();
      const pool = new HTTPPool("http://a");
      instrument(pool, { tracer: traced.tracer });
      const inside = async () => {
        traced.tracer.startSpan("before").end();
        await settle();
        traced.tracer.startSpan("after").end();
      };
      const group = pool.group(
        "g",
        kind === "loadMany"
          ? {
            loadMany: async (keys: readonly string[]) => {
              await inside();
              return new Map(keys.map((key) => [key, "v"]));
            },
          }
          : async () => {
            await inside();
            return "v";
          },
        kind === "limited"
          ? { maxConcurrentLoads: 1 }
          : kind === "timed"
          ? { loadTimeoutMs: 60_000 }
          : {},
      );
      await traced.during("caller", () => group.get("k"));
      assertEquals(trace.getActiveSpan(), undefined);
      await settle();
      const spans = traced.take();
      const load = named(spans, "geecache.load");
      for (const name of ["before", "after"]) {
        assertEquals(
          named(spans, name).parentSpanContext?.spanId,
          idOf(load),
          `${kind} ${name}`,
        );
      }
      await pool.close();
    }
  }));

Deno.test("A traced getter that waits for a key of its own group gives up its place", () =>
  withContext(async () => {
    const traced = new Traced();
    const pool = new HTTPPool("http://a");
    instrument(pool, { tracer: traced.tracer });
    const group = pool.group("g", async (key): Promise<string> => {
      if (key === "leaf") return "v";
      return (await group.get("leaf")).text();
    }, { maxConcurrentLoads: 1 });
    assertEquals((await group.get("root")).text(), "v");
    const spans = traced.take();
    const leaf = spans.find(({ attributes, parentSpanContext }) =>
      attributes["cache.hit"] === false && parentSpanContext !== undefined
    )!;
    const [, root] = spans.filter(({ name }) => name === "geecache.load");
    assertEquals(leaf.parentSpanContext?.spanId, idOf(root!));
    await pool.close();
  }));

Deno.test("The owner's load has a link to the asker's question, in a request and on a link", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const [atOwner, atAsker] = [new Traced(), new Traced()];
    instrument(owner.pool, { tracer: atOwner.tracer });
    instrument(asker.pool, { tracer: atAsker.tracer });
    const [alone, linked] = keysOwnedBy(cluster, owner, 2, "new");
    for (const key of [alone!, linked!]) {
      await asker.group.get(key);
      await settle();
      const asked = atAsker.take();
      const get = named(asked, "cache.get g");
      const peer = named(asked, "geecache.peer");
      assertEquals(peer.kind, SpanKind.CLIENT);
      assertEquals(peer.parentSpanContext, undefined);
      assertEquals(linkedBy(peer), [idOf(get)]);
      assertEquals(peer.attributes, {
        "server.address": new URL(owner.origin).hostname,
        "server.port": 80,
        "geecache.peer.kind": "get",
        "geecache.group": "g",
        "geecache.keys": 1,
        "geecache.result": "ok",
      });
      const [load, ...others] = atOwner.take();
      assertEquals(others, []);
      assertEquals(load!.name, "geecache.load");
      assertEquals(load!.links.map(({ context }) => context), [{
        traceId: peer.spanContext().traceId,
        spanId: idOf(peer),
        traceFlags: 1,
        isRemote: true,
      }]);
      if (key === alone) {
        await openLink(cluster, asker, owner);
        [atOwner, atAsker].map((traced) => traced.take());
      }
    }
    const traces = cluster.network.frames.filter(({ way, kind }) =>
      way === "ask" && kind === ASK.trace
    );
    assert(traces.length > 0);
  }));

Deno.test("A question of another process that joins a load is linked, too", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const [atOwner, atAsker] = [new Traced(), new Traced()];
    instrument(owner.pool, { tracer: atOwner.tracer });
    instrument(asker.pool, { tracer: atAsker.tracer });
    const own = owner.group.get("k");
    await settle();
    const asked = asker.group.get("k");
    await settle();
    held.open("v");
    await Promise.all([own, asked]);
    await settle();
    const spans = atOwner.take();
    assertEquals(linkedBy(named(spans, "geecache.load")), [
      idOf(named(spans, "cache.get g")),
      idOf(named(atAsker.take(), "geecache.peer")),
    ]);
  }, { getter: () => () => held.opened }));

const held = gate<string>();

Deno.test("Spans of failures say what failed, and no key", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const traced = new Traced();
    instrument(asker.pool, { tracer: traced.tracer });
    const [bad, none] = ["bad", "none"].map((prefix) =>
      keysOwnedBy(cluster, owner, 1, prefix)[0]!
    );
    const summary = () =>
      traced.take().map(({ name, status, attributes }) => [
        name,
        status,
        attributes["geecache.result"],
        attributes["error.type"],
      ]);
    const error = { code: SpanStatusCode.ERROR };
    const unset = { code: SpanStatusCode.UNSET };
    await asker.group.find(none!);
    assertEquals(summary(), [
      ["geecache.peer", unset, "not_found", undefined],
      ["cache.get g", unset, "not_found", undefined],
    ]);
    await asker.group.get(bad!).catch(() => {});
    assertEquals(summary(), [
      ["geecache.peer", error, "failed", "LoadError"],
      ["cache.get g", error, "failed", "LoadError"],
    ]);
    cluster.network.kill(owner.origin);
    await asker.group.get(bad!).catch(() => {});
    assertEquals(summary(), [
      ["geecache.peer", error, "unreachable", "unreachable"],
      ["geecache.load", error, "failed", "RangeError"],
      ["cache.get g", error, "failed", "RangeError"],
    ]);
    const leaver = new AbortController();
    const left = asker.group.get(none!, { signal: leaver.signal });
    leaver.abort(new Error("left"));
    await left.catch(() => {});
    await settle();
    assertEquals(
      summary().filter(([name]) => name === "cache.get g"),
      [["cache.get g", unset, "canceled", undefined]],
    );
  }, {
    getter: () => (key) => {
      if (key.startsWith("bad")) throw new RangeError(`no row ${key}`);
      return key.startsWith("none") ? undefined : "v";
    },
  }));

Deno.test("Keys, and messages that may have some, are shown only if that is asked for", async () => {
  for (const keys of [false, true]) {
    const traced = new Traced();
    const pool = new HTTPPool("http://a");
    instrument(pool, { tracer: traced.tracer, keys });
    const group = pool.group("g", (key) => {
      throw new Error(`no row ${key}`);
    });
    await group.getMany(["secret-1", "secret-2"]);
    await group.get("secret-3").catch(() => {});
    const spans = traced.take();
    const all = JSON.stringify(
      spans.map(({ name, attributes, status, events }) => [
        ...[name, attributes, status, events],
      ]),
    );
    assertEquals(all.includes("secret"), keys);
    if (!keys) continue;
    const get = spans.at(-1)!;
    assertEquals(get.attributes["cache.key"], ["secret-3"]);
    assertEquals(get.status.message, "no row secret-3");
    const many = spans.find(({ name, attributes }) =>
      name === "cache.get g" && attributes["geecache.keys"] === 2
    )!;
    assertEquals(many.attributes["geecache.failed_keys"], 2);
    assertEquals(many.attributes["cache.key"], ["secret-1", "secret-2"]);
  }
});

Deno.test("A write to a peer is a child of its caller's span, and nobody's load is linked", () =>
  withContext(() =>
    withCluster(2, async (cluster) => {
      const { owner, asker } = ownerAndAsker(cluster);
      const traced = new Traced();
      instrument(asker.pool, { tracer: traced.tracer });
      const caller = await traced.during(
        "caller",
        () => asker.group.remove("k"),
      );
      const write = named(traced.take(), "geecache.peer");
      assertEquals(write.attributes["geecache.peer.kind"], "remove");
      assertEquals(write.parentSpanContext?.spanId, idOf(caller));
      assertEquals(
        write.attributes["server.address"],
        new URL(owner.origin).hostname,
      );
    })
  ));

Deno.test("A removal that a peer missed is told later, as a span of no caller", () =>
  withContext(() =>
    withCluster(2, async (cluster) => {
      const { network, clock } = cluster;
      const { owner, asker } = ownerAndAsker(cluster);
      const traced = new Traced();
      instrument(asker.pool, { tracer: traced.tracer });
      network.fault(owner.origin, () => {
        throw new TypeError("connection refused");
      });
      await traced.during(
        "caller",
        () => asker.group.remove("k", { unreachable: "later" }),
      );
      traced.take();
      network.fault(owner.origin);
      // A timer runs in the context of whoever set it.
      await traced.during("another", async () => {
        await clock.advance(10_000);
        await settle();
      });
      assertEquals(owedTo(asker, owner), 0);
      const told = named(traced.take(), "geecache.peer");
      assertEquals(told.attributes["geecache.peer.kind"], "remove");
      assertEquals(told.parentSpanContext, undefined);
    })
  ));

Deno.test("What is not recorded does not travel", () =>
  withCluster(2, async (cluster) => {
    const { owner, asker } = ownerAndAsker(cluster);
    const traces: unknown[] = [];
    owner.pool.observe({
      serve: ({ traceparent }) => void traces.push(traceparent),
    });
    const traced = new Traced({ isSampled: false });
    instrument(asker.pool, { tracer: traced.tracer });
    const keys = keysOwnedBy(cluster, owner, 4, "new");
    for (const key of keys) await asker.group.get(key);
    assertEquals(traces, keys.map(() => undefined));
    const { frames } = cluster.network;
    assert(frames.every(({ kind, way }) => way !== "ask" || kind !== 7));
  }));

Deno.test("After stop() nothing is traced, and work that is under way ends its spans", async () => {
  const traced = new Traced();
  const pool = new HTTPPool("http://a", { clock: new FakeClock() });
  const stop = instrument(pool, { tracer: traced.tracer });
  const one = gate<string>();
  const group = pool.group("g", () => one.opened);
  const value = group.get("k");
  await settle();
  stop();
  stop();
  const later = group.get("l");
  one.open("v");
  await Promise.all([value, later]);
  await settle();
  assertEquals(traced.take().map(({ name }) => name).sort(), [
    "cache.get g",
    "geecache.load",
  ]);
  await pool.close();
});
