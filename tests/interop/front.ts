/**
 * The front door behind nginx as an HTTP cache: `deno task test:front`. It starts
 * `examples/front_door.ts` and an nginx with `examples/nginx.conf`, at other ports.
 * Without nginx on the machine it says so and is done.
 *
 * nginx has whole seconds and no clock but the machine's. So this waits for real
 * seconds, and for a state rather than for a time.
 *
 * @module
 */

import { freePorts, Program } from "../support/process.ts";
import { until } from "./mixed.ts";
import { expect } from "./model.ts";
import { killAll } from "./nodes.ts";
import { Missing, Nginx, type Proxy } from "./proxy_programs.ts";
import { check, tally } from "./trial.ts";

/** Far longer than the whole run takes. */
const LIMIT_MS = 120_000;

/** For how many seconds nginx may keep a note. */
const SECONDS = 2;

const examples = new URL("../../examples/", import.meta.url);

/** What nginx answered. */
interface Answer {
  readonly status: number;
  readonly body: string;
  /** The members of `Cache-Status`: the process's own, then nginx's. */
  readonly caches: readonly string[];
  readonly headers: Headers;
}

async function ask(
  proxy: Proxy,
  name: string,
  init: RequestInit = {},
): Promise<Answer> {
  const response = await fetch(`${proxy.origin}/notes/${name}`, init);
  const { status, headers } = response;
  const caches = (headers.get("Cache-Status") ?? "").split(", ");
  return { status, headers, caches, body: await response.text() };
}

async function change(url: string, name: string, body: string): Promise<void> {
  const { status } = await fetch(`${url}/notes/${name}`, {
    method: "PUT",
    body,
  });
  expect(status === 204, `PUT: ${status}`);
}

/** Checks what nginx answered, and what it says that it did. */
function expectAnswer(
  { status, body, caches }: Answer,
  ...expected: [status: number, body: string, nginx: string]
): void {
  const answer = [status, body, caches.at(-1)!];
  expect(
    answer.every((part, i) => part === expected[i]),
    `${JSON.stringify(answer)}, but not ${JSON.stringify(expected)}`,
  );
}

const HIT = "nginx; hit";
const MISS = "nginx; fwd=uri-miss";

/** Asks until nginx says that the note is past its life. The answer is the old one. */
async function whenStale(proxy: Proxy, name: string): Promise<Answer> {
  let answer = await ask(proxy, name);
  await until("stale answer", async () => {
    answer = await ask(proxy, name);
    return answer.caches.at(-1) !== HIT;
  });
  return answer;
}

/** The port, and a new program at it: the example, with a note in it that changes. */
function startExample(port: number): Program {
  return new Program([
    "run",
    "--allow-net",
    "examples/front_door.ts",
    `${port}`,
    `${SECONDS}`,
  ]);
}

async function tryOut(
  proxy: Proxy,
  program: Program,
  port: number,
): Promise<void> {
  const direct = `http://127.0.0.1:${port}`;
  const asked = (line: string) => program.count(new RegExp(`${line}$`));

  await check("the first request is a miss, the second a hit", async () => {
    const first = await ask(proxy, "milk");
    expectAnswer(first, 200, "one bottle", MISS);
    expect(
      first.caches[0] === "geecache; fwd=miss",
      `Cache-Status: ${first.caches}`,
    );
    const again = await ask(proxy, "milk");
    expectAnswer(again, 200, "one bottle", HIT);
    // What the process said is kept with the value.
    expect(again.caches[0] === first.caches[0], `${again.caches}`);
    expect(asked("200 GET /notes/milk") === 1, program.lines.join("\n"));
    return again.headers.get("Cache-Control")!;
  });

  await check(
    "nginx answers ranges, HEAD and 304 from what it has",
    async () => {
      await change(direct, "range", "0123456789");
      const whole = await ask(proxy, "range");
      expectAnswer(whole, 200, "0123456789", MISS);
      const part = await ask(proxy, "range", {
        headers: { Range: "bytes=2-4" },
      });
      expectAnswer(part, 206, "234", HIT);
      expect(
        part.headers.get("Content-Range") === "bytes 2-4/10",
        `${part.headers.get("Content-Range")}`,
      );
      const far = await ask(proxy, "range", {
        headers: { Range: "bytes=10-" },
      });
      expect(far.status === 416, `${far.status}`);
      const tag = whole.headers.get("ETag")!;
      const headers = { "If-None-Match": tag };
      expectAnswer(await ask(proxy, "range", { headers }), 304, "", HIT);
      const head = await ask(proxy, "range", { method: "HEAD" });
      expectAnswer(head, 200, "", HIT);
      expect(
        head.headers.get("Content-Length") === "10",
        `${head.headers.get("Content-Length")}`,
      );
      expect(asked(" /notes/range") === 1, program.lines.join("\n"));
    },
  );

  await check(
    "a range whose value nginx has not is the whole value for it",
    async () => {
      await change(direct, "fresh", "0123456789");
      const part = await ask(proxy, "fresh", {
        headers: { Range: "bytes=-3" },
      });
      expectAnswer(part, 206, "789", MISS);
      expectAnswer(await ask(proxy, "fresh"), 200, "0123456789", HIT);
      expect(asked("200 GET /notes/fresh") === 1, program.lines.join("\n"));
    },
  );

  await check(
    "a note past its life is sent at once, and asked for behind that with its tag",
    async () => {
      await until("end of milk's life", async () => {
        const { caches } = await ask(proxy, "milk");
        return /STALE|UPDATING/.test(caches.at(-1)!);
      });
      await until("304", () => asked("304 GET /notes/milk") === 1);
      await until("hit", async () => {
        return (await ask(proxy, "milk")).caches.at(-1) === HIT;
      });
      expect(asked("200 GET /notes/milk") === 1, program.lines.join("\n"));
    },
  );

  await check(
    "a changed note is seen after its life and one old answer",
    async () => {
      await change(direct, "tea", "green");
      expectAnswer(await ask(proxy, "tea"), 200, "green", MISS);
      await change(direct, "tea", "black");
      expectAnswer(await ask(proxy, "tea"), 200, "green", HIT);
      const stale = await whenStale(proxy, "tea");
      expectAnswer(stale, 200, "green", "nginx; hit; detail=STALE");
      await until("new value", async () => {
        const { body, caches } = await ask(proxy, "tea");
        return body === "black" && caches.at(-1) === HIT;
      });
      expect(asked("200 GET /notes/tea") === 2, program.lines.join("\n"));
    },
  );

  await check(
    "no such note is kept, for as long as the process says",
    async () => {
      expectAnswer(await ask(proxy, "none"), 404, "Not Found\n", MISS);
      expectAnswer(await ask(proxy, "none"), 404, "Not Found\n", HIT);
      await change(direct, "none", "now there");
      await until(
        "note",
        async () => (await ask(proxy, "none")).status === 200,
      );
      return `${asked("404 GET /notes/none")} requests`;
    },
  );

  await check("while the process is down, what nginx has is sent", async () => {
    program.kill("SIGKILL");
    await program.ended;
    const stale = await whenStale(proxy, "tea");
    expect(stale.body === "black", stale.body);
    // What it does not have cannot be had.
    const other = await ask(proxy, "other");
    expect(other.status === 502, `${other.status}`);
  });
}

async function main(): Promise<number> {
  const folder = await Deno.makeTempDir();
  const [port] = freePorts(1) as [number];
  try {
    const example = await Deno.readTextFile(new URL("nginx.conf", examples));
    const proxy = await Nginx.startWith(folder, (_, own) =>
      example
        .replace("127.0.0.1:8080", `127.0.0.1:${own}`)
        .replace("127.0.0.1:8001", `127.0.0.1:${port}`)
        .replace("error_log stderr", "error_log stderr crit"))
      .catch((error) => {
        if (!(error instanceof Missing)) throw error;
        console.log(`The front door behind nginx: left out: ${error.message}`);
      });
    if (proxy === undefined) return 0;
    console.log("The front door behind nginx");
    const program = startExample(port);
    try {
      await program.said(/Listening on/);
      await tryOut(proxy, program, port);
    } finally {
      await program.stop();
      await proxy.end();
    }
  } finally {
    killAll();
    await Deno.remove(folder, { recursive: true });
  }
  console.log(`${tally.passed} passed, ${tally.failed} failed`);
  return tally.failed === 0 ? 0 : 1;
}

if (import.meta.main) {
  const giveUp = (why: string) => (): void => {
    console.log(why);
    killAll();
    Deno.exit(1);
  };
  setTimeout(giveUp(`The run takes more than ${LIMIT_MS} ms`), LIMIT_MS);
  Deno.addSignalListener("SIGINT", giveUp("Interrupted"));
  Deno.addSignalListener("SIGTERM", giveUp("Terminated"));
  Deno.exit(await main());
}
