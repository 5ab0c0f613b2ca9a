/**
 * The fuzz targets for links: what a handler gets over one, and what a client gets.
 *
 * @module
 */

import fc from "fast-check";
import { readTraceparent } from "../base/traceparent.ts";
import { ANSWER, ASK, FrameReader, HOT } from "../protocol/link.ts";
import { HTTPPool } from "../mod.ts";
import { assert, assertEquals } from "../tests/support/assert.ts";
import { Asker, framesBy, PeerByHand } from "../tests/support/links.ts";
import { SILENT } from "../tests/support/logger.ts";
import { FakeClock, settle } from "../tests/support/time.ts";
import {
  anyAnswers,
  anyAsks,
  anyFrame,
  damaged,
  type Target,
} from "./fuzz_bytes.ts";
import { expectAnswer, inTime } from "./fuzz_pools.ts";

/** What is said over a link at once: mostly what makes sense. */
function saidOf(
  sense: fc.Arbitrary<Uint8Array<ArrayBuffer>>,
): fc.Arbitrary<Uint8Array<ArrayBuffer>> {
  return fc.oneof(
    { arbitrary: sense, weight: 6 },
    { arbitrary: damaged(sense), weight: 1 },
    { arbitrary: anyFrame, weight: 1 },
  );
}

/** Counts what is said over a link, up to what cannot be read. */
class Said {
  readonly counts = new Map<string, number>();
  readonly #reader = new FrameReader(2 ** 20);
  #isReadable = true;

  add(bytes: Uint8Array): void {
    if (!this.#isReadable) return;
    try {
      this.#reader.push(bytes, (kind, id) => {
        const isQuestion = kind === ASK.get || kind === ASK.peek;
        const what = `${isQuestion ? "ask" : kind} ${id}`;
        this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
        return true;
      });
    } catch {
      this.#isReadable = false;
    }
  }
}

/** The kinds that a server may send. */
const ANSWERS: ReadonlySet<number> = new Set([
  ...Object.values(ANSWER),
  ANSWER.value | HOT,
  ANSWER.expiringValue | HOT,
]);

/** What happens to a served link, beside what its asker says. */
type Turn = "drain" | "close" | "finish" | "cut" | "leave" | "read" | number;

const LARGE = new Uint8Array(250_000);

const servedLinks = fc.asyncProperty(
  fc.array(
    fc.oneof(
      { arbitrary: saidOf(anyAsks), weight: 6 },
      {
        arbitrary: fc.constantFrom<Turn[]>(
          ...["drain", "close", "finish", "cut", "leave", "read"] as const,
          ...[1, 1_000, 8_000, 40_000],
        ),
        weight: 2,
      },
    ),
    { minLength: 1, maxLength: 8 },
  ),
  fc.boolean(),
  fc.constantFrom(1, 3, 1_000),
  async (turns, reads, maxPeerRequests) => {
    const clock = new FakeClock();
    const pool = new HTTPPool("http://self", {
      clock,
      maxPeerRequests,
      logger: SILENT,
      fetch: () => Promise.reject(new TypeError("connection refused")),
    });
    pool.setPeers(["http://self", "http://asker"]);
    pool.group("g", (key, { signal }) => {
      if (key.startsWith("!")) throw new Error("the getter's own words");
      if (key.length % 3 === 0) return undefined;
      // Some of these fill a link that nobody reads.
      if (!key.startsWith("~")) return key === "k" ? LARGE : key;
      return new Promise((resolve, reject) => {
        const cancel = clock.after(7_000, () => resolve(key));
        signal.addEventListener("abort", () => {
          cancel();
          reject(signal.reason);
        });
      });
    });
    let served = 0;
    const traces = new Set<string | undefined>([undefined]);
    pool.observe({
      serve: ({ traceparent }) => {
        served++;
        traces.add(traceparent);
        return { end: () => served-- };
      },
    });
    const asker = await Asker.open(pool, { reads });
    const said = new Said();
    let isReading = reads;
    let isOver = false;
    const read = (): void => {
      if (!isReading) asker.read();
      isReading = true;
    };
    for (const turn of turns) {
      if (isOver || asker.cancelled.length > 0) break;
      if (typeof turn === "number") await clock.advance(turn);
      else if (typeof turn !== "string") {
        said.add(turn);
        await asker.send(turn);
      } else if (turn === "drain") pool.drain({ timeoutMs: Infinity });
      else if (turn === "close") await pool.close();
      else if (turn === "read") read();
      else if (turn !== "leave" || isReading) {
        isOver = true;
        await asker[turn]();
      }
    }
    read();
    // Whatever is loading ends meanwhile, and a living asker pings.
    for (let i = 0; i < 4 && !isOver; i++) {
      if (asker.cancelled.length === 0) {
        // It may be the end of a frame that was begun.
        const ping = framesBy((to) => to.head(ASK.ping, 0));
        said.add(ping);
        await asker.send(ping);
      }
      await clock.advance(5_000);
    }
    await settle();
    const answered = new Map<number, number>();
    for (const { kind, id } of asker.frames) {
      assert(ANSWERS.has(kind), `it answers ${kind}`);
      if (kind === ANSWER.pong || kind === ANSWER.closing) continue;
      answered.set(id, (answered.get(id) ?? 0) + 1);
    }
    for (const [id, count] of answered) {
      const asked = said.counts.get(`ask ${id}`) ?? 0;
      assert(count <= asked, `${count} answers to ${asked} questions ${id}`);
    }
    if (!isOver && asker.cancelled.length === 0 && asker.end === undefined) {
      for (const [what, asked] of said.counts) {
        const id = Number(what.split(" ")[1]);
        if (!what.startsWith("ask")) continue;
        if (said.counts.has(`${ASK.cancel} ${id}`)) continue;
        assertEquals(answered.get(id) ?? 0, asked, `answers to ${id}`);
      }
    }
    await pool.close();
    await settle();
    assertEquals([pool.stats().links, pool.stats().serving], [0, 0]);
    assertEquals(served, 0, "the end of questions that waited");
    for (const trace of traces) assertEquals(trace, readTraceparent(trace));
    assertEquals(clock.pending, 0, "timers are left over");
  },
);

/** What happens to a link and to those who ask over it. */
type Move =
  | "get"
  | "get"
  | "peek"
  | "leave"
  | "cut"
  | "finish"
  | "close"
  | number;

const askedLinks = fc.asyncProperty(
  fc.array(
    fc.oneof(
      { arbitrary: saidOf(anyAnswers), weight: 5 },
      {
        arbitrary: fc.constantFrom<Move[]>(
          ...["get", "get", "get", "peek", "leave", "cut", "finish"] as const,
          ...["close", 1, 60, 1_000, 3_000, 250_000] as const,
        ),
        weight: 5,
      },
    ),
    { minLength: 1, maxLength: 14 },
  ),
  fc.constantFrom("says hello", "says nothing", "refuses"),
  fc.constantFrom("answers", "is slow", "fails"),
  fc.boolean(),
  async (moves, links, requests, reads) => {
    const clock = new FakeClock();
    const hand = new PeerByHand();
    hand.reads = reads;
    const { onLink } = hand;
    hand.onLink = (link, request) => {
      if (links === "says hello") return onLink(link, request);
      if (links === "refuses") return new Response("a page");
      return new Promise(() => {});
    };
    hand.onRequest = async (request, key) => {
      if (requests === "is slow" && key !== "opens") {
        await new Promise<void>((run) => clock.after(2_500, run));
        if (hand.requests.length % 2) return hand.say(request, 202, "pending");
      }
      if (requests === "fails" && key !== "opens") {
        throw new TypeError("connection reset");
      }
      return hand.valueOf(request, `<${key}>`);
    };
    const pool = new HTTPPool("http://self", {
      clock,
      random: () => 0.5,
      maxBodyBytes: 40,
      logger: SILENT,
      fetch: hand.fetch,
    });
    pool.setPeers(["http://self", "http://peer"]);
    const [peer] = [...pool.peers()];
    const waiting: Promise<void>[] = [];
    const controllers: AbortController[] = [];
    const enough = new Error("enough");
    const get = (key: string): void => {
      const controller = new AbortController();
      const { signal } = controller;
      controllers.push(controller);
      waiting.push(
        expectAnswer("get", peer!.get("g", key, { signal }), enough),
      );
    };
    for (let i = 0; i < 2; i++) get("opens");
    await settle();
    for (const [i, move] of moves.entries()) {
      const link = hand.links.at(-1);
      if (typeof move === "number") await clock.advance(move);
      else if (typeof move !== "string") await link?.send(move);
      else if (move === "get") get(`k${i}`);
      else if (move === "peek") {
        waiting.push(expectAnswer("peek", peer!.peek!("g", `k${i}`), enough));
      } else if (move === "leave") controllers.pop()?.abort(enough);
      else if (move === "close") await pool.close();
      else await link?.[move]();
      await settle();
    }
    hand.onLink = () => new Response("a page");
    await inTime(clock, Promise.all(waiting));
    await pool.close();
    await clock.advance(3_000);
    assertEquals(clock.pending, 0, "timers are left over");
  },
);

/** The targets for links. */
export const links: readonly Target[] = [
  {
    name: "served links",
    property: servedLinks as fc.IRawProperty<unknown>,
  },
  { name: "asked links", property: askedLinks as fc.IRawProperty<unknown> },
];
