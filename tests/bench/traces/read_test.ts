import { readTrace } from "../../../bench/traces/read.ts";
import type { Trace } from "../../../bench/traces/trace.ts";
import { assertEquals, assertRejects } from "../../support/assert.ts";

function bytesOf(text: string): ReadableStream<Uint8Array<ArrayBuffer>> {
  return new Blob([text]).stream();
}

function read(text: string): Promise<Trace> {
  return readTrace("log", bytesOf(text));
}

Deno.test("A trace numbers its keys in the order in which they first come", async () => {
  const trace = await read("tom\n-7\ntom\nsam\n");
  assertEquals(trace, {
    name: "log",
    keys: Int32Array.of(0, 1, 0, 2),
    distinct: 3,
  });
});

Deno.test("A trace has the sizes that follow its keys after white space", async () => {
  const trace = await read("tom 5\r\nsam\t 4092928\r\n");
  assertEquals(trace.keys, Int32Array.of(0, 1));
  assertEquals(trace.sizes, Float64Array.of(5, 4092928));
});

Deno.test("A log may be gzip, and its last line needs no end", async () => {
  const zipped = bytesOf("tom\nsam").pipeThrough(
    new CompressionStream("gzip"),
  );
  assertEquals((await readTrace("log", zipped)).keys, Int32Array.of(0, 1));
});

Deno.test("A line may come in pieces, cut inside a character", async () => {
  const bytes = new TextEncoder().encode("äö\nsam\näö\n");
  const pieces = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start(controller) {
      for (const byte of bytes) controller.enqueue(Uint8Array.of(byte));
      controller.close();
    },
  });
  const trace = await readTrace("log", pieces);
  assertEquals(trace.keys, Int32Array.of(0, 1, 0));
});

for (
  const [what, text, message] of [
    ["an empty log", "", "line 1: there is none"],
    ["an empty line", "tom\n\nsam\n", "line 2: it is empty"],
    [
      "a third word",
      "tom 1\nsam 1 GET\n",
      "line 2: it must be a key and perhaps a size: received sam 1 GET",
    ],
    [
      "a size of 0",
      "tom 1\nsam 0\n",
      "line 2: a size must be a whole number of at least 1: received 0",
    ],
    [
      "a size with a sign",
      "tom -1\n",
      "line 1: a size must be a whole number of at least 1: received -1",
    ],
    [
      "a size that is missing",
      "tom 1\nsam\n",
      "line 2: all lines must have a size, or none",
    ],
    [
      "a size that comes late",
      "tom\nsam 1\n",
      "line 2: all lines must have a size, or none",
    ],
  ] as const
) {
  Deno.test(`Reading a log refuses ${what}, and says which line it is`, async () => {
    const error = await assertRejects(() => read(text), Error);
    assertEquals(error.message, `Cannot read log: ${message}`);
  });
}

Deno.test("Reading a log says how far it came when gzip breaks off", async () => {
  const lines = Array.from({ length: 100_000 }, (_, i) => `${i * i}\n`);
  const zipped = bytesOf(lines.join("")).pipeThrough(
    new CompressionStream("gzip"),
  );
  const bytes = new Uint8Array(await new Response(zipped).arrayBuffer());
  const half = new Blob([bytes.subarray(0, bytes.length >> 1)]).stream();
  await assertRejects(
    () => readTrace("log", half),
    Error,
    "Cannot read log: after line ",
  );
});
