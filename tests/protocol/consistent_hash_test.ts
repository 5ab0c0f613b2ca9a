import fc from "fast-check";
import {
  ConsistentHash,
  crc32,
  RendezvousHash,
  type Ring,
  sharedRing,
} from "../../protocol/consistent_hash.ts";
import {
  assert,
  assertEquals,
  assertStrictEquals,
  assertThrows,
} from "../support/assert.ts";
import { CHARACTER } from "../support/text.ts";

const utf8 = (text: string) => new TextEncoder().encode(text);
const THREE = [8001, 8002, 8003].map((port) => `http://localhost:${port}`);

/** Pseudo-random numbers: mulberry32. */
function random(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

const RINGS: [string, (nodes: Iterable<string>) => Ring][] = [
  ["ConsistentHash", (nodes) => new ConsistentHash(nodes)],
  ["RendezvousHash", (nodes) => new RendezvousHash(nodes)],
];

const lists = fc.uniqueArray(fc.string(), { minLength: 1, maxLength: 8 });
const keys = fc.string({ minLength: 1 });

Deno.test("crc32() gives the values of IEEE", () => {
  assertEquals(crc32(utf8("")), 0);
  assertEquals(crc32(utf8("123456789")), 0xcbf43926);
  assertEquals(crc32(utf8("0http://localhost:8001")), 90546225);
  assertEquals(crc32(utf8("日本")), 3350711756);
});

Deno.test("ConsistentHash has the owners of the Go programs", () => {
  const ring = new ConsistentHash(THREE);
  for (
    const [key, hash, port] of [
      ["Tom", 1167209971, 8001],
      ["Jack", 138954470, 8001],
      ["Sam", 3730706168, 8003],
      ["foo", 2356372769, 8003],
      ["日本", 3350711756, 8003],
      ["user:1", 2074460802, 8002],
      ["key-1", 250396538, 8003],
    ] as const
  ) {
    assertEquals(crc32(utf8(key)), hash);
    assertEquals(ring.get(key), `http://localhost:${port}`, key);
  }
});

Deno.test("ConsistentHash has 50 points for each node by default, made with the CRC-32 of UTF-8", () => {
  // Signed, as bitwise operators make them, and not `crc32` itself, since keys take a shortcut.
  const hash = (data: Uint8Array) => crc32(data) | 0;
  const spelled = new ConsistentHash(THREE, { replicas: 50, hash });
  const ring = new ConsistentHash(THREE);
  const any = fc.string({ unit: CHARACTER, minLength: 1 });
  const latin = fc.stringMatching(/^[a-zß-ÿ]+$/);
  fc.assert(fc.property(fc.oneof(any, latin), (key) => {
    assertEquals([...ring.successors(key)], [...spelled.successors(key)]);
    assertEquals(ring.get(key), spelled.get(key));
  }));
  // Keys that a 51st point would take.
  for (let i = 0; i < 1000; i++) {
    assertEquals(ring.get(`${i}`), spelled.get(`${i}`));
  }
});

Deno.test("Nodes are sorted by code units, the same in every locale", () => {
  for (const [name, make] of RINGS) {
    const { nodes } = make(["é", "a", "Z", "B", "a"]);
    assertEquals(nodes, ["B", "Z", "a", "é"], name);
  }
});

Deno.test("ConsistentHash gives a key to the first point at or after its own, and wraps around", () => {
  const hash = (data: Uint8Array) => Number(new TextDecoder().decode(data));
  // Points 2, 12, 22 · 4, 14, 24 · 6, 16, 26.
  const ring = new ConsistentHash(["6", "4", "2"], { replicas: 3, hash });
  for (
    const [key, owner] of [
      ["2", "2"],
      ["3", "4"],
      ["11", "2"],
      ["23", "4"],
      ["26", "6"],
      ["27", "2"],
    ] as const
  ) assertEquals(ring.get(key), owner, key);
  assertEquals([...ring.successors("25")], ["6", "2", "4"]);
});

Deno.test("A point that several nodes share belongs to the first of them by name", () => {
  for (const nodes of [["a", "b"], ["b", "a"]]) {
    const ring = new ConsistentHash(nodes, { hash: () => 7 });
    assertEquals(ring.get("k"), "a");
    assertEquals([...ring.successors("k")], ["a", "b"]);
  }
});

Deno.test("ConsistentHash refuses a bad number of replicas", () => {
  for (const replicas of [0, -1, 1.5, NaN, Infinity]) {
    assertThrows(
      () => new ConsistentHash([], { replicas }),
      RangeError,
      `received ${replicas}`,
    );
  }
});

Deno.test("A ring without nodes owns nothing", () => {
  for (const [name, make] of RINGS) {
    const ring = make([]);
    assertEquals([ring.get("k"), ...ring.successors("k")], [undefined], name);
  }
});

Deno.test("Rings of the same nodes are equal, in any order and with nodes listed twice", () => {
  for (const [, make] of RINGS) {
    fc.assert(
      fc.property(lists, fc.array(keys), fc.nat(), (nodes, asked, n) => {
        const turned = [...nodes.slice(n % nodes.length), ...nodes];
        const [a, b] = [make(nodes), make(turned)];
        assertEquals(a.nodes, b.nodes);
        for (const key of asked) {
          assertEquals([...a.successors(key)], [...b.successors(key)]);
        }
      }),
    );
  }
});

Deno.test("successors() begins with the owner and has every node once", () => {
  for (const [, make] of RINGS) {
    fc.assert(fc.property(lists, keys, (nodes, key) => {
      const ring = make(nodes);
      const order = [...ring.successors(key)];
      assertEquals(order[0], ring.get(key));
      assertEquals(order.sort(), [...nodes].sort());
    }));
  }
});

Deno.test("A node that leaves leaves its keys to the next in order, and moves no others", () => {
  for (const [, make] of RINGS) {
    fc.assert(fc.property(lists, keys, (nodes, key) => {
      const [owner, next] = make(nodes).successors(key);
      const without = make(nodes.filter((node) => node !== owner));
      assertEquals(without.get(key), next);
      const rest = nodes.filter((node) => node !== nodes[0]);
      if (owner !== nodes[0]) assertEquals(make(rest).get(key), owner);
    }));
  }
});

Deno.test("The native ring's busiest node owns at most 1.15 times the mean, in each of 100 lists", () => {
  const next = random(1);
  const address = () =>
    Array.from({ length: 4 }, () => Math.floor(next() * 256));
  for (const size of [10, 50]) {
    // So many keys that their randomness is small beside the bound.
    const count = size * 1000;
    const user = Array.from({ length: count }, (_, i) => `user:${i}`);
    const any = Array.from({ length: count }, () => next().toString(36));
    for (let list = 0; list < 100; list++) {
      const nodes = new Set<string>();
      while (nodes.size < size) nodes.add(`http://${address().join(".")}:8080`);
      const ring = sharedRing(nodes);
      for (const asked of [user, any]) {
        const owned = new Map<string, number>();
        for (const key of asked) {
          const owner = ring.get(key)!;
          owned.set(owner, (owned.get(owner) ?? 0) + 1);
        }
        const busiest = Math.max(...owned.values()) / (count / size);
        assert(busiest <= 1.15, `${busiest} in list ${list} of ${size}`);
      }
    }
  }
});

Deno.test("A node that joins the native ring takes about 1/n of the keys, and no other key moves", () => {
  for (const size of [3, 10, 50]) {
    const nodes = Array.from({ length: size }, (_, i) => `http://10.0.0.${i}`);
    const [before, after] = [sharedRing(nodes.slice(1)), sharedRing(nodes)];
    let moved = 0;
    for (let i = 0; i < 100_000; i++) {
      const owner = after.get(`user:${i}`);
      if (owner === before.get(`user:${i}`)) continue;
      assertEquals(owner, nodes[0]);
      moved++;
    }
    const share = moved / (100_000 / size);
    assert(share > 0.9 && share < 1.1, `${share}`);
  }
});

Deno.test("Nodes whose names have the same CRC-32 share the keys all the same", () => {
  // Two words that are known to collide.
  assertEquals(crc32(utf8("plumless")), crc32(utf8("buckeroo")));
  const ring = new RendezvousHash(["plumless", "buckeroo"]);
  const owners = Array.from({ length: 100 }, (_, i) => ring.get(`${i}`));
  assertEquals(new Set(owners).size, 2);
});

Deno.test("Equal lists share one ring", () => {
  assertStrictEquals(sharedRing(["a", "b"]), sharedRing(["b", "a", "b"]));
  assert(sharedRing(["a"]) !== sharedRing(["a", "b"]));
});
