/** Nodes that keep strangers out: TLS, certificates of clients, secrets. */

import { Exit } from "../../serve/exit.ts";
import { identityOf, trustOf } from "../../serve/secrets.ts";
import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertThrows,
} from "../support/assert.ts";
import { freePorts, Program } from "../support/process.ts";
import {
  inFolder,
  RUNNING,
  SERVE,
  text,
  withProgram,
} from "../support/serve.ts";
import { identities } from "../support/tls.ts";

const FILES = { "tls-cert": "c", "tls-key": "k", "tls-ca": undefined };

Deno.test("A certificate and its key go together, and their files must be there", () => {
  const read = (file: string) => `text of ${file}`;
  assertEquals(identityOf(FILES, read), {
    cert: "text of c",
    key: "text of k",
    ca: undefined,
  });
  const none = { "tls-cert": undefined, "tls-key": undefined };
  assertEquals(identityOf({ ...FILES, ...none }, read), undefined);
  for (
    const [files, line] of [
      [{ "tls-key": undefined }, "--tls-key is not there"],
      [{ "tls-cert": undefined }, "--tls-cert is not there"],
      [{ ...none, "tls-ca": "ca" }, "--tls-cert is not there"],
    ] as const
  ) {
    const { message, code } = assertThrows(
      () => identityOf({ ...FILES, ...files }, read),
      Exit,
    );
    assertEquals(message, `--tls-cert and --tls-key go together: ${line}`);
    assertEquals(code, 2);
  }
  const { message } = assertThrows(
    () =>
      identityOf(FILES, () => {
        throw new Error("no such file");
      }),
    Exit,
  );
  assertEquals(message, "Cannot read c: no such file");
});

Deno.test("A file has a secret in each line, and the cluster's name is passed on", async () => {
  const files = { "secret-file": "s", "cluster": "shop" };
  assertEquals(
    await trustOf(
      files,
      undefined,
      () => "\n the first secret \r\nand the second\n\n",
    ),
    { cluster: "shop", secret: ["the first secret", "and the second"] },
  );
});

/** Writes certificates into a folder, and runs a test with them. */
function withCertificates(
  run: (
    folder: string,
    client: (who?: "ours" | "strangers") => Deno.HttpClient,
  ) => Promise<void>,
): Promise<void> {
  return inFolder(async (folder) => {
    const { ca, ...who } = await identities();
    await Deno.writeTextFile(`${folder}/ca.pem`, ca);
    await Deno.writeTextFile(`${folder}/cert.pem`, who.ours.cert);
    await Deno.writeTextFile(`${folder}/key.pem`, who.ours.key);
    await run(
      folder,
      (name) =>
        Deno.createHttpClient({ caCerts: [ca], ...(name && who[name]) }),
    );
  });
}

const filesIn = (folder: string) => [
  ...["--tls-cert", `${folder}/cert.pem`, "--tls-key", `${folder}/key.pem`],
  ...["--db", `${folder}/scores.db`],
];

Deno.test("serve --tls-cert serves https", () =>
  withCertificates((folder, clientOf) =>
    withProgram({ flags: filesIn(folder) }, async ({ url }) => {
      using client = clientOf();
      assert(url.startsWith("https://localhost:"), url);
      const at = url.replace("localhost", "127.0.0.1");
      assertEquals(await text(`${at}/api?key=Tom`, { client }), [200, "630"]);
      assertEquals(await text(`${at}/readyz`, { client }), [200, "ok\n"]);
    })
  ));

Deno.test("With --tls-ca, too, files that do not fit end the start with one line", () =>
  withCertificates(async (folder) => {
    const { ours } = await identities();
    await Deno.writeTextFile(`${folder}/other.pem`, ours.key);
    await Deno.writeTextFile(`${folder}/none.pem`, "");
    for (
      const [key, ca, fault] of [
        ["other", "ca", /KeyMismatch$/],
        ["cert", "ca", /No keys found in key data$/],
        ["key", "none", /there is no certificate in the file of --tls-ca$/],
      ] as const
    ) {
      const program = new Program([
        ...[...SERVE, "--port", "0", ...filesIn(folder)],
        ...["--tls-key", `${folder}/${key}.pem`],
        ...["--tls-ca", `${folder}/${ca}.pem`],
      ]);
      assertEquals(await program.ended, 1);
      assertEquals(program.lines.length, 1, program.lines.join("\n"));
      assertMatch(program.lines[0]!, /^Cannot listen on 127\.0\.0\.1:0: /);
      assertMatch(program.lines[0]!, fault);
    }
  }));

Deno.test("With --tls-ca, nodes ask each other, and strangers can neither ask nor probe", () =>
  withCertificates(async (folder, clientOf) => {
    const ports = freePorts(2);
    const urls = ports.map((port) => `https://127.0.0.1:${port}`);
    const programs = ports.map((port, i) =>
      new Program([
        ...[...SERVE, "--port", `${port}`, "--self", urls[i]!],
        ...["--peers", urls.join(), ...filesIn(folder)],
        ...["--tls-ca", `${folder}/ca.pem`, "--health-port", "0"],
        ...["--drain-timeout", "0", "--stop-timeout", "200ms"],
      ])
    );
    try {
      await Promise.all(programs.map((program) => program.said(RUNNING)));
      using ours = clientOf("ours");
      for (const url of urls) {
        for (const [name, score] of [["Tom", "630"], ["Sam", "567"]]) {
          assertEquals(
            await text(`${url}/api?key=${name}`, { client: ours }),
            [200, score!],
          );
        }
      }
      const loads = programs.map((program) => program.count(/\[SlowDB\]/));
      assertEquals(loads.reduce((a, b) => a + b), 2);
      for (const who of [undefined, "strangers"] as const) {
        using client = clientOf(who);
        for (
          const path of ["/api?key=Tom", "/readyz", "/_geecache/scores/Tom"]
        ) {
          const isRefused = await text(urls[0] + path, { client })
            .then(() => false, () => true);
          assert(isRefused, `${who} ${path}`);
        }
      }
      const [, health] = await programs[0]!.said(/health is served at (\S+)$/);
      assertEquals(await text(`${health}/readyz`), [200, "ok\n"]);
      // A client that never ends its handshake does not hold up the end.
      const silent = await Deno.connect({
        hostname: "127.0.0.1",
        port: ports[0]!,
      });
      programs[0]!.kill("SIGTERM");
      assertEquals(await programs[0]!.ended, 0);
      silent.close();
    } finally {
      await Promise.all(programs.map((program) => program.stop()));
    }
  }));

Deno.test("With --secret-file, nodes ask each other, and others only the front door", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/secret`, "open-sesame-please\n");
    const ports = freePorts(2);
    const urls = ports.map((port) => `http://localhost:${port}`);
    const programs = ports.map((port) =>
      new Program([
        ...[...SERVE, "--port", `${port}`, "--peers", urls.join()],
        ...["--secret-file", `${folder}/secret`, "--drain-timeout", "0"],
        ...["--db", `${folder}/scores.db`],
      ])
    );
    try {
      await Promise.all(programs.map((program) => program.said(RUNNING)));
      for (const url of urls) {
        assertEquals(await text(`${url}/api?key=Tom`), [200, "630"]);
        assertEquals((await text(`${url}/_geecache/scores/Tom`))[0], 401);
      }
      const loads = programs.map((program) => program.count(/\[SlowDB\]/));
      assertEquals(loads.reduce((a, b) => a + b), 1);
    } finally {
      await Promise.all(programs.map((program) => program.stop()));
    }
  }));

Deno.test("A file without a secret is named", async () => {
  const { message } = await assertRejects(
    () =>
      trustOf(
        { "secret-file": "s", "cluster": undefined },
        undefined,
        () => "\n",
      ),
    Exit,
  );
  assertEquals(message, "Cannot read s: there is no secret in it");
});

Deno.test("A secret that is too short ends the start, and is not shown", () =>
  inFolder(async (folder) => {
    await Deno.writeTextFile(`${folder}/secret`, "sesame");
    const program = new Program([
      ...[...SERVE, "--port", "0", "--secret-file", `${folder}/secret`],
      ...["--db", `${folder}/scores.db`],
    ]);
    assertEquals(await program.ended, 2);
    assertEquals(program.lines, [
      "Cannot create HTTPPool: secret must have at least 16 characters: received 6",
    ]);
  }));
