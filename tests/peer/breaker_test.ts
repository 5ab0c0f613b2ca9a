import { Breaker, type Health } from "../../peer/breaker.ts";
import { assertEquals } from "../support/assert.ts";
import { FakeClock, gate, settle } from "../support/time.ts";

/** A breaker whose probes find the health that the test sets, and a log of its changes. */
function start(options: { random?: number } = {}) {
  const clock = new FakeClock();
  const probes: number[] = [];
  const changes: string[] = [];
  const peer = { health: "ill" as Health | Promise<Health> };
  const breaker = new Breaker({
    clock,
    random: () => options.random ?? 0,
    probe: () => {
      probes.push(clock.now());
      return Promise.resolve(peer.health);
    },
    onChange: (state) => changes.push(`${state} at ${clock.now()}`),
  });
  const fail = (times: number) => {
    for (let i = 0; i < times; i++) breaker.fail();
  };
  return { breaker, clock, probes, changes, peer, fail };
}

Deno.test("A breaker opens after three failures in a row, not after three in all", () => {
  const { breaker, changes, clock, fail } = start();
  fail(2);
  breaker.succeed();
  fail(2);
  assertEquals([breaker.state, changes, clock.pending], ["closed", [], 0]);
  fail(1);
  assertEquals([breaker.state, changes], ["open", ["open at 0"]]);
  breaker.end();
});

Deno.test("An open breaker probes after pauses that double, up to ten seconds", async () => {
  const { breaker, clock, probes, fail } = start();
  fail(3);
  await clock.advance(30_000);
  // With `random` at 0 a pause is half of what it may be at most.
  assertEquals(
    probes,
    [250, 750, 1_750, 3_750, 7_750, 12_750, 17_750, 22_750, 27_750],
  );
  breaker.end();
  assertEquals(clock.pending, 0);
});

Deno.test("A random part makes a breaker's pause up to twice as long", async () => {
  const { breaker, clock, probes, fail } = start({ random: 0.999_999 });
  fail(3);
  await clock.advance(1_600);
  assertEquals(probes.map(Math.round), [500, 1_500]);
  breaker.end();
});

Deno.test("A good probe closes a breaker, and its next pauses are short again", async () => {
  const { breaker, clock, probes, peer, changes, fail } = start();
  fail(3);
  await clock.advance(1_000);
  peer.health = "well";
  await clock.advance(750);
  assertEquals([breaker.state, clock.pending], ["closed", 0]);
  fail(2);
  assertEquals(breaker.state, "closed");
  fail(1);
  await clock.advance(250);
  assertEquals(probes, [250, 750, 1_750, 2_000]);
  assertEquals(changes, [
    "open at 0",
    "closed at 1750",
    "open at 1750",
    "closed at 2000",
  ]);
});

Deno.test("A breaker is half-open while its probe is under way, and nothing else changes it", async () => {
  const { breaker, clock, probes, peer, fail } = start();
  const found = gate<Health>();
  peer.health = found.opened;
  fail(3);
  await clock.advance(250);
  assertEquals([breaker.state, probes], ["half-open", [250]]);
  breaker.succeed();
  fail(5);
  breaker.lookLater();
  assertEquals([breaker.state, clock.pending], ["half-open", 0]);
  found.open("well");
  await settle();
  assertEquals(breaker.state, "closed");
});

Deno.test("A success that was asked for before the breaker opened does not close it", () => {
  const { breaker, fail } = start();
  fail(3);
  breaker.succeed();
  assertEquals(breaker.state, "open");
  breaker.end();
});

Deno.test("A closed breaker that is told to look probes once; a bad probe opens it", async () => {
  const { breaker, clock, probes, peer, changes } = start();
  peer.health = "well";
  breaker.lookLater();
  breaker.lookLater();
  await clock.advance(60_000);
  assertEquals([breaker.state, probes, changes], ["closed", [250], []]);
  peer.health = "ill";
  breaker.lookLater();
  await clock.advance(250);
  assertEquals([breaker.state, changes], ["open", ["open at 60250"]]);
  breaker.end();
});

Deno.test("The breaker of a draining peer is closed, and probes until the peer is well or gone", async () => {
  const { breaker, clock, probes, peer, fail } = start();
  peer.health = "draining";
  fail(3);
  await clock.advance(800);
  assertEquals([breaker.state, probes], ["closed", [250, 750]]);
  peer.health = "well";
  await clock.advance(60_000);
  assertEquals(probes, [250, 750, 1_750]);
});

Deno.test("An ended breaker probes no more, whatever is under way", async () => {
  const { breaker, clock, changes, peer, fail } = start();
  const found = gate<Health>();
  peer.health = found.opened;
  fail(3);
  await clock.advance(250);
  breaker.end();
  found.open("ill");
  await settle();
  breaker.lookLater();
  assertEquals([clock.pending, changes], [0, ["open at 0"]]);
});

Deno.test("An ended breaker does not open: its last requests fail because they were cut short", () => {
  const { breaker, changes, fail } = start();
  breaker.end();
  fail(3);
  assertEquals([breaker.state, changes], ["closed", []]);
});

Deno.test("A breaker that is told to look during a probe probes once more", async () => {
  const { breaker, clock, probes, peer } = start();
  const found = gate<Health>();
  peer.health = found.opened;
  breaker.lookLater();
  await clock.advance(250);
  // A write that is missed from now on may be too late for the probe under way.
  breaker.lookLater();
  breaker.lookLater();
  found.open("well");
  await clock.advance(60_000);
  assertEquals(probes, [250, 500]);
});

Deno.test("An ended breaker does not open after a bad probe", async () => {
  const { breaker, clock, changes, peer } = start();
  const found = gate<Health>();
  peer.health = found.opened;
  breaker.lookLater();
  await clock.advance(250);
  breaker.end();
  found.open("ill");
  await settle();
  assertEquals([breaker.state, clock.pending, changes], ["closed", 0, []]);
});
