/** A stream both ways over web streams: bytes, ends, and whoever is slow or goes away. */

import {
  type Duplex,
  type DuplexListener,
  StreamDuplex,
} from "../../base/duplex.ts";
import { assert, assertEquals, assertRejects } from "../support/assert.ts";
import { settle } from "../support/time.ts";

/** A duplex, what its listener heard, and the ends that the other side holds. */
interface Ends {
  duplex: StreamDuplex;
  /** What the listener heard, in order. */
  heard: string[];
  /** Sends bytes, an end or an error to the duplex. */
  incoming: ReadableStreamDefaultController<Uint8Array>;
  /** Whether the duplex has cancelled what comes in, and why. */
  cancelled: unknown[];
  /** How many parts were asked for. */
  pulls: () => number;
  reading: Promise<void>;
}

function ends(
  onBytes: (text: string, duplex: Duplex) => void = () => {},
): Ends {
  const heard: string[] = [];
  const cancelled: unknown[] = [];
  const listener: DuplexListener = {
    onBytes: (bytes) => {
      const text = new TextDecoder().decode(bytes);
      heard.push(text);
      onBytes(text, duplex);
    },
    onDrain: () => heard.push("(drain)"),
    onEnd: (error) => heard.push(error === undefined ? "(end)" : `(${error})`),
  };
  const duplex: StreamDuplex = new StreamDuplex(listener);
  let incoming!: ReadableStreamDefaultController<Uint8Array>;
  let pulls = 0;
  const stream = new ReadableStream<Uint8Array>({
    start: (controller) => void (incoming = controller),
    pull: () => void pulls++,
    cancel: (reason) => void cancelled.push(reason),
  }, { highWaterMark: 0 });
  const reading = duplex.read(stream);
  return { duplex, heard, incoming, cancelled, pulls: () => pulls, reading };
}

const bytesOf = (text: string) => new TextEncoder().encode(text);

async function textOf(stream: ReadableStream<Uint8Array>): Promise<string> {
  let text = "";
  for await (const bytes of stream) text += new TextDecoder().decode(bytes);
  return text;
}

const isNews = (what: string) => what !== "(drain)";

Deno.test("What is written comes out at once and in order, and end() ends it", async () => {
  const { duplex, incoming } = ends();
  const reader = duplex.outgoing.getReader();
  assert(duplex.write(bytesOf("one")));
  assertEquals((await reader.read()).value, bytesOf("one"));
  duplex.write(bytesOf("two"));
  duplex.write(bytesOf(", three"));
  duplex.end();
  reader.releaseLock();
  assertEquals(await textOf(duplex.outgoing), "two, three");
  // Nothing comes out after the end, and a second end is none.
  assertEquals(duplex.write(bytesOf("four")), true);
  duplex.end();
  incoming.close();
});

Deno.test("What comes in is handed on as it comes, and an end in order is one", async () => {
  const { heard, incoming, reading } = ends();
  incoming.enqueue(bytesOf("one"));
  await settle();
  assertEquals(heard.filter(isNews), ["one"]);
  incoming.enqueue(bytesOf("two"));
  incoming.close();
  await reading;
  assertEquals(heard.filter(isNews), ["one", "two", "(end)"]);
});

Deno.test("An end of one direction does not end the other one", async () => {
  const { duplex, heard, incoming, reading } = ends();
  incoming.close();
  await reading;
  duplex.write(bytesOf("late"));
  duplex.end();
  assertEquals(await textOf(duplex.outgoing), "late");
  const other = ends();
  other.duplex.end();
  other.incoming.enqueue(bytesOf("still"));
  await settle();
  assertEquals(other.heard.filter(isNews), ["still"]);
  assertEquals(heard.filter(isNews), ["(end)"]);
  other.incoming.close();
});

Deno.test("Whoever writes faster than the other side reads is told so, and when there is room again", async () => {
  const { duplex, heard } = ends();
  const part = new Uint8Array(100_000);
  assertEquals(
    [1, 2, 3, 4].map(() => duplex.write(part.slice())),
    [true, true, false, false],
  );
  // Whatever it heard while there was room.
  heard.length = 0;
  await settle();
  assertEquals(heard, []);
  const reader = duplex.outgoing.getReader();
  await reader.read();
  await settle();
  assertEquals(heard, []);
  await reader.read();
  await settle();
  assertEquals(heard, ["(drain)"]);
  // All the same, nothing that was written is lost.
  await reader.read();
  assertEquals((await reader.read()).value?.length, 100_000);
  reader.releaseLock();
  duplex.destroy(new Error("enough"));
});

Deno.test("Nothing is taken in while a duplex is paused", async () => {
  const { duplex, heard, incoming, pulls } = ends((text, duplex) => {
    if (text === "stop") duplex.pause();
  });
  incoming.enqueue(bytesOf("stop"));
  await settle();
  const before = pulls();
  incoming.enqueue(bytesOf("next"));
  incoming.enqueue(bytesOf("last"));
  await settle();
  assertEquals(heard.filter(isNews), ["stop"]);
  assertEquals(pulls(), before);
  duplex.resume();
  await settle();
  assertEquals(heard.filter(isNews), ["stop", "next", "last"]);
  incoming.close();
  await settle();
  assertEquals(heard.at(-1), "(end)");
});

Deno.test("A paused duplex that is destroyed reads no more and leaves nothing waiting", async () => {
  const { duplex, heard, incoming, cancelled, reading } = ends(
    (_text, duplex) => duplex.pause(),
  );
  incoming.enqueue(bytesOf("stop"));
  incoming.enqueue(bytesOf("next"));
  await settle();
  const reason = new Error("enough");
  duplex.destroy(reason);
  await reading;
  assertEquals(heard.filter(isNews), ["stop"]);
  assertEquals(cancelled, [reason]);
});

Deno.test("An error of what comes in reaches the listener once", async () => {
  const { heard, incoming, reading, duplex } = ends();
  incoming.error(new TypeError("connection reset"));
  await reading;
  duplex.destroy(new Error("late"));
  await settle();
  assertEquals(heard.filter(isNews), ["(TypeError: connection reset)"]);
});

Deno.test("An error without a reason is an error all the same", async () => {
  const { heard, incoming, reading } = ends();
  incoming.error(undefined);
  await reading;
  assertEquals(heard.filter(isNews), ["(Error: the stream broke)"]);
  const other = ends();
  await other.duplex.outgoing.cancel();
  assertEquals(other.heard.filter(isNews), [
    "(Error: the other side reads no more)",
  ]);
});

Deno.test("When the other side reads no more, the listener hears it and nothing more comes in", async () => {
  const { duplex, heard, cancelled, reading } = ends();
  const reason = new TypeError("it left");
  await duplex.outgoing.cancel(reason);
  await reading;
  assertEquals(heard.filter(isNews), ["(TypeError: it left)"]);
  assertEquals(cancelled, [reason]);
  assertEquals(duplex.write(bytesOf("lost")), true);
  duplex.end();
  duplex.destroy(new Error("late"));
});

Deno.test("destroy() ends both directions, and the listener hears nothing more", async () => {
  const { duplex, heard, incoming, cancelled, reading } = ends();
  duplex.write(bytesOf("before"));
  incoming.enqueue(bytesOf("unread"));
  const reason = new Error("enough");
  duplex.destroy(reason);
  await reading;
  await settle();
  assertEquals(heard.filter(isNews), []);
  assertEquals(cancelled, [reason]);
  // Without end(), the other side sees that it broke.
  await assertRejects(() => textOf(duplex.outgoing), Error, "enough");
});

Deno.test("destroy() after end() lets what was written out, and the end is in order", async () => {
  const { duplex } = ends();
  duplex.write(bytesOf("before"));
  duplex.end();
  duplex.destroy(new Error("enough"));
  assertEquals(await textOf(duplex.outgoing), "before");
});

Deno.test("A duplex that was destroyed before there was anything to read cancels what comes", async () => {
  const heard: string[] = [];
  const duplex = new StreamDuplex({
    onBytes: () => heard.push("bytes"),
    onDrain: () => {},
    onEnd: () => heard.push("end"),
  });
  duplex.destroy(new Error("enough"));
  let cancelled = false;
  await duplex.read(
    new ReadableStream({
      start: (controller) => controller.enqueue(bytesOf("late")),
      cancel: () => void (cancelled = true),
    }),
  );
  await settle();
  assertEquals([heard, cancelled], [[], true]);
});

Deno.test("A stream that cannot be cancelled leaves no unhandled rejection", async () => {
  const duplex = new StreamDuplex({
    onBytes: () => {},
    onDrain: () => {},
    onEnd: () => {},
  });
  const reading = duplex.read(
    new ReadableStream({
      cancel: () => Promise.reject(new Error("it cannot")),
    }),
  );
  await settle();
  duplex.destroy(new Error("enough"));
  await reading;
  await settle();
});

Deno.test("What a listener throws ends the stream, and is what it hears as the reason", async () => {
  const { heard, incoming, cancelled, reading } = ends(() => {
    throw new TypeError("a fault of the listener");
  });
  incoming.enqueue(bytesOf("one"));
  await reading;
  assertEquals(heard.filter(isNews), [
    "one",
    "(TypeError: a fault of the listener)",
  ]);
  assertEquals(cancelled.length, 1);
});

Deno.test("A duplex that is paused anew while it goes on stays paused", async () => {
  const { duplex, heard, incoming } = ends((text, duplex) => {
    if (text === "stop") duplex.pause();
  });
  for (const text of ["stop", "next", "last"]) incoming.enqueue(bytesOf(text));
  await settle();
  duplex.resume();
  duplex.pause();
  await settle();
  assertEquals(heard.filter(isNews), ["stop"]);
  duplex.resume();
  await settle();
  assertEquals(heard.filter(isNews), ["stop", "next", "last"]);
  incoming.close();
  await settle();
});

/** A stream of bytes, as that of a body, and parts that it gives. */
function streamOfBytes(parts: readonly Uint8Array[]) {
  const left = [...parts];
  return new ReadableStream({
    type: "bytes",
    pull(controller) {
      const part = left.shift();
      if (part !== undefined) return controller.enqueue(part.slice());
      controller.close();
      controller.byobRequest?.respond(0);
    },
  });
}

Deno.test("Bytes of any sizes come whole and in order, also into one buffer and with pauses", async () => {
  const sizes = [
    1,
    8_191,
    8_192,
    8_193,
    100,
    300_000,
    5,
    0,
    70_000,
    262_144,
    9,
  ];
  const parts = sizes.filter((size) => size > 0).map((size, i) =>
    new Uint8Array(size).map((_, at) => (7 * i + at) % 251)
  );
  const expected = parts.flatMap((part) => [...part]);
  const streams = [
    streamOfBytes(parts),
    new ReadableStream<Uint8Array>({
      start(controller) {
        for (const part of parts) controller.enqueue(part.slice());
        controller.close();
      },
    }),
  ];
  for (const stream of streams) {
    const got: number[] = [];
    let end: unknown = "none";
    const duplex: StreamDuplex = new StreamDuplex({
      onBytes: (bytes) => {
        for (const byte of bytes) got.push(byte);
        // What they came in is used again.
        bytes.fill(255);
        duplex.pause();
        Promise.resolve().then(() => duplex.resume());
      },
      onDrain: () => {},
      onEnd: (error) => end = error,
    });
    await duplex.read(stream);
    assertEquals([got.length, end], [expected.length, undefined]);
    assert(got.every((byte, i) => byte === expected[i]));
  }
});

Deno.test("A stream of bytes that is read when its duplex is destroyed is cancelled", async () => {
  const { duplex, heard } = ends();
  let cancelled = false;
  const reading = duplex.read(
    new ReadableStream({
      type: "bytes",
      cancel: () => void (cancelled = true),
    }),
  );
  await settle();
  duplex.destroy(new Error("enough"));
  await reading;
  await settle();
  assertEquals([cancelled, heard.filter(isNews)], [true, []]);
});
