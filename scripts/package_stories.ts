/**
 * Programs that use each public module of the installed package. One story for
 * each module becomes an ESM program, a CommonJS program, and TypeScript.
 *
 * @module
 */

/** The kinds of program, named after the extension of the file. */
export type Kind = "mjs" | "cjs" | "mts" | "cts";

/**
 * What a program does with each public module, in code that is both JavaScript and
 * TypeScript. The code calls a module by the end of its subpath. `same()` throws if
 * its two arguments are not equal.
 */
const STORIES: Readonly<Record<string, string>> = {
  ".": `
  const pool = new geecache.HTTPPool("http://localhost:9999");
  const scores = pool.group("scores", (name) => name === "Tom" ? "630" : undefined);
  same((await scores.get("Tom")).text(), "630");
  const none = await scores.get("Kurt").catch((error) => error);
  same(none instanceof geecache.NotFoundError, true);
  const request = new Request("http://localhost:9999/_geecache/scores/Tom");
  const response = await pool.handler(request);
  same([response.status, await response.text()], [200, "630"]);
  await pool[Symbol.asyncDispose]();
`,
  "./lru": `
  const pages = new lru.LRU({ maxWeight: 10, weigh: (_path, text) => String(text).length });
  pages.set("/", "hello").set("/a", "world").set("/b", "!");
  same([...pages].map(([path]) => path), ["/a", "/b"]);
`,
  "./group": `
  const users = new group.Group("users", (id) => ({ value: id + "!", ttlMs: 60_000 }));
  same((await users.get("7")).text(), "7!");
  await users.set("7", group.ByteView.from("seven"));
  same(users.peek("7")?.text(), "seven");
`,
  "./front": `
  const url = "http://localhost:9999/scores/Tom";
  const value = front.ByteView.from("630");
  const answers = [];
  for (const tag of ['"none"', '"v1"']) {
    const request = new Request(url, { headers: { "If-None-Match": tag } });
    const entry = { value, ttlMs: 60_000 };
    const headers = { ETag: '"v1"' };
    answers.push(await front.entryResponse(request, { ...entry, from: "main" }, { headers }));
  }
  same(answers.map((answer) => answer.status), [200, 304]);
  same(await answers[0]?.text(), "630");
  same(answers[1]?.headers.get("Cache-Control"), "max-age=60");
  const none = front.errorResponse(new Request(url), new front.NotFoundError("scores", "Tom"));
  same(none.status, 404);
`,
  "./http": `
  const url = "http://10.0.0.1:8080";
  const owner = new http.HTTPPool(url);
  const client = new http.HTTPPool("http://client.invalid", {
    fetch: async (request) => await owner.handler(request),
  });
  let loads = 0;
  const groups = [owner, client].map((pool) => {
    pool.setPeers([url]);
    return pool.group("scores", () => String(++loads));
  });
  const values = await Promise.all(groups.map((group) => group.get("Tom")));
  same(values.map((value) => value.text()), ["1", "1"]);
  await Promise.all([owner.close(), client.close()]);
`,
  "./discovery": `
  const lookup = async () => [{ address: "10.0.0.2" }, { address: "fd00::1" }];
  for await (const list of discovery.dnsPeers({ hostname: "peers", port: 80 }, { lookup })) {
    same(list, ["http://10.0.0.2:80", "http://[fd00::1]:80"]);
    break;
  }
  for await (const answer of discovery.filePeers("no-such-file")) {
    same(answer instanceof Error, true);
    break;
  }
`,
  "./otel": `
  const ended = ["none"];
  const span = (name = "") => ({
    spanContext: () => ({ traceId: "", spanId: "", traceFlags: 0 }),
    setAttribute: () => {},
    setStatus: () => {},
    end: () => void ended.push(name),
  });
  const pool = new geecache.HTTPPool("http://localhost:9999");
  const stop = otel.instrument(pool, {
    tracer: {
      startSpan: (name) => span(name),
      startActiveSpan: (name, _options, run) => run(span(name)),
    },
  });
  const scores = pool.group("scores", () => "630");
  same((await scores.get("Tom")).text(), "630");
  stop();
  same(ended, ["none", "geecache.load", "cache.get scores"]);
  await pool.close();
`,
  "./node": `
  const { createServer } = await import("node:http");
  const owner = new geecache.HTTPPool("http://127.0.0.1:9999");
  owner.group("scores", (name) => name === "Tom" ? "630" : undefined);
  const server = createServer(node.toNodeHandler(owner.handler));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(0)));
  const address = server.address();
  const port = typeof address === "object" ? address?.port : 0;
  const fetch = node.keepAliveFetch();
  const answer = await fetch(new Request("http://127.0.0.1:" + port + "/_geecache/scores/Tom"));
  same([answer.status, await answer.text()], [200, "630"]);
  fetch.close();
  await owner.close();
  await new Promise((resolve) => server.close(() => resolve(0)));
`,
};

/** The name of a module in a program, such as `lru` for `"./lru"`. */
function nameOf(subpath: string): string {
  return subpath === "." ? "geecache" : subpath.slice(2);
}

/** The specifier that imports a module, such as `geecache/lru` for `"./lru"`. */
export function specifierOf(subpath: string): string {
  return `geecache${subpath.slice(1)}`;
}

function importLine(kind: Kind, subpath: string): string {
  const name = nameOf(subpath);
  const from = `"${specifierOf(subpath)}"`;
  if (kind === "cjs") return `const ${name} = require(${from});`;
  if (kind === "cts") return `import ${name} = require(${from});`;
  return `import * as ${name} from ${from};`;
}

/**
 * Code that checks that `require` and `import` give the same classes, and then
 * prints the version of the runtime.
 */
function closing(kind: "mjs" | "cjs", subpaths: readonly string[]): string {
  const compare = subpaths.map((subpath) => {
    const from = `"${specifierOf(subpath)}"`;
    return `  same({ ...require(${from}) }, { ...await import(${from}) });\n`;
  });
  const require = kind === "mjs"
    ? `  const require = (await import("node:module")).createRequire(import.meta.url);\n`
    : "";
  return `${require}${compare.join("")}
  console.log(process.versions.bun ?? process.versions.node);
`;
}

/**
 * A program of one kind that uses all of `subpaths`. A JavaScript program ends by
 * printing the version of its runtime.
 *
 * @throws {Error} If one of the modules has no story
 */
export function program(kind: Kind, subpaths: readonly string[]): string {
  const imports = subpaths.map((subpath) => importLine(kind, subpath));
  const stories = subpaths.map((subpath) => {
    const story = STORIES[subpath];
    if (story === undefined) {
      throw new Error(`Cannot test ${subpath}: nothing is known of it`);
    }
    return `  {${story}  }\n`;
  });
  let same: string;
  let end: string;
  if (kind === "mts" || kind === "cts") {
    same = "declare function same(actual: unknown, expected: unknown): void;";
    // A module without types would be `any`, and then this line would be no error.
    end = subpaths.map((subpath) =>
      `  // @ts-expect-error: the module has no such export.\n  ${
        nameOf(subpath)
      }.nothing;\n`
    ).join("");
  } else {
    const assert = `"node:assert/strict"`;
    same = kind === "mjs"
      ? `import { deepStrictEqual as same } from ${assert};`
      : `const { deepStrictEqual: same } = require(${assert});`;
    end = closing(kind, subpaths);
  }
  return `${imports.join("\n")}
${same}

async function main() {
${stories.join("")}${end}}

main().catch((error) => {
  ${
    kind.endsWith("js")
      ? "console.error(error);\n  process.exit(1);"
      : "throw error;"
  }
});
`;
}
