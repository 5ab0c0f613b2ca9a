/** Starts examples of several processes and asks them, in the same way on each runtime. */

import { assert, assertEquals, assertRejects } from "./assert.ts";
import { freePorts, Program } from "./process.ts";

/** Starts an example, given its file below `examples/` and its arguments. */
export type Start = (file: string, args: string[]) => Program;

/** Starts an example with Deno, in the project's folder. */
export const onDeno: Start = (file, args) =>
  new Program([
    "run",
    "--allow-net",
    "--allow-read",
    `examples/${file}`,
    ...args,
  ]);

export async function textOf(
  url: string,
  client?: Deno.HttpClient,
): Promise<string> {
  return await (await fetch(url, client && { client })).text();
}

/** How many loads the programs report. */
export function loadsOf(programs: Program[]): number {
  return programs.reduce(
    (sum, program) => sum + program.count(/\bloading /),
    0,
  );
}

/** Runs `programs` until `run` is done, and gives their exit codes. */
export async function withPrograms(
  programs: Program[],
  run: () => Promise<void>,
): Promise<number[]> {
  try {
    for (const program of programs) await program.said(/Listening on/);
    await run();
  } finally {
    await Promise.all(programs.map((program) => program.stop()));
  }
  return await Promise.all(programs.map((program) => program.ended));
}

/** Starts an example twice with `PORT PORT,PORT`, and checks that both are one cache for its squares. */
export async function answersAsOne(start: Start, file: string): Promise<void> {
  const ports = freePorts(2);
  const programs = ports.map((port) => start(file, [`${port}`, ports.join()]));
  const urls = ports.map((port) => `http://127.0.0.1:${port}`);
  await withPrograms(programs, async () => {
    // So many keys that each process owns some.
    for (let number = 0; number < 24; number++) {
      for (const url of [...urls, ...urls]) {
        assertEquals(
          await textOf(`${url}/squares/${number}`),
          `${number ** 2}`,
        );
      }
    }
    for (const program of programs) assert(loadsOf([program]) > 0);
    assertEquals(loadsOf(programs), 24);

    // Peers ask on the same port.
    const asked = await textOf(`${urls[0]}/_geecache/squares/30`);
    assertEquals([asked, loadsOf(programs)], ["900", 25]);

    // A key too long for a path travels in a body, which the application's own
    // middleware must leave alone. It has no value, so it is loaded each time.
    const long = "x".repeat(5000);
    for (const url of urls) {
      const response = await fetch(`${url}/squares/${long}`);
      assertEquals([response.status, await response.text()], [
        404,
        "not found\n",
      ]);
    }
    const owners = programs.filter((program) =>
      program.count(/loading x+$/) > 0
    );
    assertEquals(owners.map((program) => program.count(/loading x+$/)), [2]);

    const response = await fetch(`${urls[1]}/elsewhere`);
    await response.body?.cancel();
    assertEquals(response.status, 404);
  });
}

/** Runs a test with the certificates that `examples/certificates.ts` makes. */
export async function withCertificates(
  run: (folder: string) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    const program = new Program([
      ...["run", `--allow-read=${folder}`, `--allow-write=${folder}`],
      ...["examples/certificates.ts", folder],
    ]);
    assertEquals([await program.ended, program.lines], [
      0,
      [`Written to ${folder}`],
    ]);
    await run(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

/** Starts an example with TLS twice, and asks both as `asker` and as `stranger` would. */
export async function answersOverTls(
  start: Start,
  file: string,
  { asker, stranger }: {
    asker: (read: (name: string) => string) => Deno.CreateHttpClientOptions;
    stranger: (read: (name: string) => string) => Deno.CreateHttpClientOptions;
  },
): Promise<void> {
  await withCertificates(async (folder) => {
    const read = (name: string) => Deno.readTextFileSync(`${folder}/${name}`);
    const ports = freePorts(2);
    const programs = ["a", "b"].map((name, i) =>
      start(file, [
        ...[`${ports[i]}`, ports.join()],
        ...["ca.crt", `${name}.crt`, `${name}.key`].map((name) =>
          `${folder}/${name}`
        ),
      ])
    );
    const trusted = Deno.createHttpClient(asker(read));
    const strange = Deno.createHttpClient(stranger(read));
    try {
      await withPrograms(programs, async () => {
        for (let number = 0; number < 24; number++) {
          for (const port of ports) {
            const url = `https://localhost:${port}/squares/${number}`;
            assertEquals(await textOf(url, trusted), `${number ** 2}`);
          }
        }
        for (const program of programs) assert(loadsOf([program]) > 0);
        assertEquals(loadsOf(programs), 24);

        for (const path of ["squares/1", "_geecache/squares/1"]) {
          const url = `https://localhost:${ports[0]}/${path}`;
          assertEquals(await textOf(url, trusted), "1");
          await assertRejects(() => fetch(url, { client: strange }), TypeError);
        }
      });
    } finally {
      trusted.close();
      strange.close();
    }
  });
}

/** The examples for Node that Deno runs as well, each with its test. */
export const NODE_EXAMPLES: Record<string, (start: Start) => Promise<void>> = {
  "node/http.ts": (start) => answersAsOne(start, "node/http.ts"),
  "node/express.ts": (start) => answersAsOne(start, "node/express.ts"),
  "node/fastify.ts": (start) => answersAsOne(start, "node/fastify.ts"),
  "node/hono.ts": (start) => answersAsOne(start, "node/hono.ts"),
  // Without an SDK, nothing is measured or traced.
  "node/otel.ts": (start) => answersAsOne(start, "node/otel.ts"),
  "node/mutual_tls.ts": (start) =>
    answersOverTls(start, "node/mutual_tls.ts", {
      asker: (read) => ({
        caCerts: [read("ca.crt")],
        cert: read("a.crt"),
        key: read("a.key"),
      }),
      // The stranger trusts the peers, but they do not trust it.
      stranger: (read) => ({ caCerts: [read("ca.crt")] }),
    }),
};
