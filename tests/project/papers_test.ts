/** What the papers say in bytes and names is what the code does, and their links lead somewhere. */

import { readdir, readFile, stat } from "node:fs/promises";
import { ByteView } from "../../base/byte_view.ts";
import {
  ConsistentHash,
  RendezvousHash,
} from "../../protocol/consistent_hash.ts";
import { encodeKeys } from "../../protocol/key_lists.ts";
import {
  ANSWER,
  ASK,
  FrameWriter,
  HOT,
  MAX_ANSWER_BYTES,
  MAX_ASK_BYTES,
} from "../../protocol/link.ts";
import {
  markOf,
  readTarget,
  type Target,
  writeTarget,
} from "../../protocol/wire.ts";
import { HTTPPool } from "../../http.ts";
import { assert, assertEquals } from "../support/assert.ts";

const read = (name: string) =>
  readFile(new URL(`../../${name}`, import.meta.url), "utf8");

Deno.test("The vectors of docs/PROTOCOL.md are what is sent", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const hex = [...paper.matchAll(/`([0-9a-f]{8}(?: [0-9a-f]+)+)`/g)]
    .map(([, digits]) => digits!.replaceAll(" ", ""));
  const value = ByteView.from("630");
  const frame = (write: (writer: FrameWriter) => void) => {
    const writer = new FrameWriter();
    write(writer);
    return writer.take();
  };
  const sent = [
    encodeKeys(["Tom"]),
    encodeKeys(["Tom", "日"]),
    encodeKeys(["Tom"], value),
    frame((to) => to.head(ASK.ping, 0)),
    frame((to) => to.text(ASK.group, 0, "scores")),
    frame((to) => to.question(ASK.get, 1, 0, 0, "Tom")),
    frame((to) => to.question(ASK.peek, 2, 0, 0, "日")),
    frame((to) => to.question(ASK.get, 3, 0, 40, "Sam")),
    frame((to) => to.head(ASK.cancel, 3)),
    frame((to) => to.text(ASK.list, 0, "ba799250")),
    frame((to) =>
      to.text(
        ASK.trace,
        4,
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
      )
    ),
    frame((to) => to.head(ANSWER.pong, 0)),
    frame((to) => to.value(ANSWER.value, 1, value)),
    frame((to) => to.value(ANSWER.value | HOT, 1, value)),
    frame((to) => to.expiring(ANSWER.expiringValue, 1, value, 1500, 20)),
    frame((to) =>
      to.windowed(ANSWER.windowedValue, 1, {
        value,
        ttlMs: -500,
        staleWhileRevalidateMs: 1500,
        staleIfErrorMs: Infinity,
      }, 20)
    ),
    frame((to) => to.head(ANSWER.notFound, 2)),
    frame((to) => to.text(ANSWER.failed, 3, "no db")),
    frame((to) => to.head(ANSWER.closing, 0)),
  ].map((bytes) =>
    Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("")
  );
  assertEquals(hex, sent);
});

/** The rows of a table of kinds: kind, name and what follows. */
function kindsOf(paper: string, title: string): [number, string][] {
  const start = paper.indexOf(title);
  assert(start >= 0, title);
  const rows = paper.slice(
    start,
    paper.indexOf("\n\n", start + title.length + 2),
  );
  return [...rows.matchAll(/^\| (\d+) +\| ([a-z ]+?) +\|/gm)]
    .map(([, kind, name]) => [Number(kind), name!]);
}

Deno.test("docs/PROTOCOL.md has every kind of frame, and the limits of frames", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const asks = kindsOf(paper, "What an asker sends:");
  assertEquals(asks, Object.entries(ASK).map(([name, kind]) => [kind, name]));
  const answers = kindsOf(paper, "What a server sends:");
  assertEquals(answers.map(([kind]) => kind), Object.values(ANSWER));
  const prose = paper.replace(/\s+/g, " ");
  for (
    const rule of [
      `An asker's frame has at most ${
        MAX_ASK_BYTES.toLocaleString("en-US")
      } bytes`,
      `a server's at most ${MAX_ANSWER_BYTES.toLocaleString("en-US")}`,
      `${HOT} is added to the kind of a value`,
    ]
  ) assert(prose.includes(rule), rule);
});

Deno.test("The marks of docs/PROTOCOL.md are what is sent", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const rows = [
    ...paper.matchAll(/^\| (?:`(\S+)`)? +\| `([0-9a-f]{16})` \|$/gm),
  ];
  assertEquals(rows.length, 6);
  for (const [, target = "", mark] of rows) {
    assertEquals(markOf(target), mark, target);
    const read = readTarget(`/_geecache/${target}`, "/_geecache/");
    assertEquals(writeTarget(read as Target), target);
  }
});

Deno.test("The order of writes in docs/PROTOCOL.md is that of a handler", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const rows = [...paper.matchAll(
    /^\| (DELETE|PUT) `k`.*\| (?:`(\S+)`)? +\| (done|outdated), `<e>(\S+)`/gm,
  )];
  assertEquals(rows.length, 7);
  const pool = new HTTPPool("http://localhost:8001");
  const group = pool.group("g", () => "loaded");
  let epoch = "";
  for (const [row, method, given, result, number] of rows) {
    const headers: Record<string, string> = { "Geecache-Peer": "http://p" };
    if (given !== undefined) {
      headers["Geecache-Write"] = given.replace("<e>", epoch);
    }
    const answer = await pool.handler(
      new Request("http://localhost:8001/_geecache/g/k", {
        method: method!,
        headers,
        ...(method === "PUT" ? { body: "v" } : {}),
      }),
    );
    const write = answer.headers.get("Geecache-Write")!;
    epoch ||= write.slice(0, 16);
    assertEquals(answer.headers.get("Geecache-Result"), result, row);
    assertEquals(write, epoch + number, row);
  }
  assertEquals(group.peek("k"), undefined);
  await pool.close();
});

Deno.test("The owners of docs/PROTOCOL.md are those of the rings", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const nodes = [8001, 8002, 8003].map((port) => `http://localhost:${port}`);
  const native = new RendezvousHash(nodes);
  const go = new ConsistentHash(nodes);
  const owners = paper.matchAll(/^\| `(\S+)` +\| (8\d+) +\| (8\d+) +\|/gm);
  let count = 0;
  for (const [, key, owner, next] of owners) {
    const order = [...native.successors(key!)].map((node) => node.slice(-4));
    assertEquals(order.slice(0, 2), [owner!, next!], key);
    count++;
  }
  for (
    const [, key, owner] of paper.matchAll(
      /^\| `(\S+)` +\| \d{9,} +\| (8\d+) +\|/gm,
    )
  ) {
    assertEquals(go.get(key!)?.slice(-4), owner, key);
    count++;
  }
  assertEquals(count, 14);
});

Deno.test("The fingerprint of docs/PROTOCOL.md is what a pool sends", async () => {
  const paper = await read("docs/PROTOCOL.md");
  const pool = new HTTPPool("http://localhost:8001");
  pool.setPeers([8001, 8002, 8003].map((port) => `http://localhost:${port}`));
  const { ring } = pool.stats();
  await pool.close();
  assert(paper.includes(`it is \`${ring}\``), ring);
});

Deno.test("ARCHITECTURE.md has every room, in the order of the imports", async () => {
  const rooms = [
    ...(await read("ARCHITECTURE.md")).matchAll(/^\| `([\w/]+\.ts)`/gm),
  ]
    .map(([, room]) => room!);
  const table = await read("tests/project/layers_test.ts");
  const held = [...table.matchAll(/^const \w*ROOMS = \[([\s\S]*?)\]/gm)]
    .flatMap(([, names]) => [...names!.matchAll(/"(\S+)"/g)]);
  assertEquals(rooms, held.map(([, room]) => room!));
});

/** What a file declares between a line that begins so and the end of the block. */
function blockOf(code: string, start: string): string {
  const from = code.indexOf(`\n${start}`);
  assert(from >= 0, start);
  return code.slice(from, code.indexOf("\n}", from));
}

/** Blocks of code, each with the section of a paper whose tables have its names. */
const IN_TABLES = [
  {
    paper: "docs/api.md",
    sections: {
      "`new Group(": [
        ["group/group_options.ts", "interface GroupOptions "],
        ["group/life.ts", "interface Life "],
        ["group.ts", "class Group "],
      ],
      "`new HTTPPool(": [
        ["pool/pool_options.ts", "interface HTTPPoolOptions "],
        ["pool/pool_options.ts", "interface FollowOptions "],
        ["http.ts", "class HTTPPool "],
      ],
      "`dnsPeers(": [
        ["discovery/dns.ts", "interface DnsHost "],
        ["discovery/dns.ts", "interface DnsService "],
        ["discovery/dns.ts", "interface DnsPeersOptions "],
        ["discovery/polling.ts", "interface PollOptions "],
        ["discovery/file.ts", "interface FilePeersOptions "],
      ],
      "`entryResponse(": [
        ["front.ts", "interface FrontEntry "],
        ["front.ts", "interface EntryResponseOptions "],
      ],
      "`errorResponse(": [["front.ts", "interface ErrorResponseOptions "]],
      "`instrument(": [["otel.ts", "interface InstrumentOptions "]],
      "`new LRU(": [
        ["lru.ts", "interface LRUOptions<"],
        ["lru.ts", "class LRU<"],
      ],
      "`ByteView`": [["base/byte_view.ts", "class ByteView "]],
    },
  },
  {
    paper: "docs/node.md",
    sections: {
      "`toNodeHandler(": [["node/handler.ts", "interface NodeHandlerOptions "]],
    },
  },
  {
    paper: "docs/operations.md",
    sections: {
      "Observing": [["base/watchers.ts", "interface PoolObserver "]],
      "Stats": [
        ["group/counts.ts", "interface GroupCounts "],
        ["group.ts", "interface GroupStats "],
        ["memory/store.ts", "interface CacheStats "],
        ["pool/pool_stats.ts", "interface PoolStats "],
        ["peer/http_peer.ts", "interface PeerStats "],
      ],
    },
  },
].flatMap(({ paper, sections }) =>
  Object.entries(sections).flatMap(([section, blocks]) =>
    blocks.map(([file, block]) => ({
      paper,
      section,
      file: file!,
      block: block!,
    }))
  )
);

/** What a pool has for its groups, not for its callers. */
const FOR_GROUPS = new Set(["holders", "onWrite"]);

/** The rows of all tables of a paper's section. */
function rowsOf(paper: string, section: string): string {
  const start = paper.indexOf(`\n## ${section}`);
  assert(start >= 0, section);
  const end = paper.indexOf("\n## ", start + 1);
  return paper.slice(start, end < 0 ? undefined : end)
    .match(/^\|.*/gm)!.join("\n");
}

for (const { paper, section, file, block } of IN_TABLES) {
  Deno.test(`${paper} has everything of ${block.slice(0, -1)} in a table`, async () => {
    const rows = rowsOf(await read(paper), section);
    const code = blockOf(await read(file), `export ${block}`);
    const names = [...code.matchAll(
      /^ {2}(?:static |async |get )?([a-z]\w*)(?:\?|\(|<[^>]*>\(|: )/gm,
    )].map(([, name]) => name!).filter((name) =>
      name !== "constructor" && !FOR_GROUPS.has(name)
    );
    assert(names.length > 0);
    for (const name of names) {
      assert(new RegExp(`\`(?:\\w+\\.)?${name}\\b`).test(rows), name);
    }
  });
}

Deno.test("docs/api.md names everything that is public", async () => {
  const paper = await read("docs/api.md");
  const code = await read("mod.ts");
  const names = [...code.matchAll(/^export \{([^}]*)\}/gm)]
    .flatMap(([, list]) => list!.split(","))
    .map((name) => name.trim())
    .filter((name) => name !== "" && !name.startsWith("type "));
  assert(names.length > 10);
  for (const name of names) assert(paper.includes(`\`${name}`), name);
});

Deno.test("docs/api.md has the defaults of the options", async () => {
  const rows = (await read("docs/api.md")).match(/^\|.*/gm)!;
  const defaults: Record<string, number> = {
    maxBytes: 64 * 1024 * 1024,
    mirrorTtlMs: 60_000,
    maxStandInLoads: 64,
    timeoutMs: 5_000,
    maxBodyBytes: 64 * 1024 * 1024,
    maxPeerRequests: 10_000,
    handoverMs: 30_000,
    everyMs: 5_000,
    leaveAfter: 2,
  };
  const code = await read("group/group_options.ts") +
    await read("pool/pool_options.ts") + await read("discovery/polling.ts");
  for (const [name, value] of Object.entries(defaults)) {
    const shown = value % (1024 * 1024) === 0
      ? `${value / 1024 / 1024} MiB`
      : value.toLocaleString("en-US");
    const row = rows.find((row) => row.startsWith(`| \`${name}\` `))!;
    assertEquals(row.split("|")[2]!.trim(), shown, name);
    const inCode = new RegExp(
      `@default \\{${value}\\}[^/]*\\*/\\n {2}${name}\\?`,
    );
    assert(inCode.test(code), name);
  }
});

const root = new URL("../../", import.meta.url);

/** Where other people's texts, or built ones, may lie. */
const NOT_OURS = new Set(["node_modules", "npm"]);

/** Every paper of the project, by its path. */
async function papers(folder = ""): Promise<string[]> {
  const found: string[] = [];
  const entries = await readdir(new URL(folder, root), { withFileTypes: true });
  for (const entry of entries) {
    const path = `${folder}${entry.name}`;
    if (entry.isDirectory()) {
      if (entry.name.startsWith(".") || NOT_OURS.has(entry.name)) continue;
      found.push(...await papers(`${path}/`));
    } else if (path.endsWith(".md")) found.push(path);
  }
  return found;
}

const withoutCode = (paper: string) =>
  paper.replace(/^```[\s\S]*?^```/gm, "").replace(/`[^`\n]*`/g, "``");

/** Where the links and pictures of a paper lead. */
function linksOf(paper: string): string[] {
  return [
    ...withoutCode(paper).matchAll(
      /\]\(([^)\s]+)\)|^\[[^\]]+\]: (\S+)$|\b(?:src|srcset|href)="([^"]+)"/gm,
    ),
  ].map(([, inline, reference, html]) => (inline ?? reference ?? html)!);
}

/** The anchors of a paper's headings, as GitHub makes them. */
function anchorsOf(paper: string): Set<string> {
  const anchors = new Set<string>();
  const text = paper.replace(/^```[\s\S]*?^```/gm, "");
  for (const [, heading] of text.matchAll(/^#{1,6} (.*)$/gm)) {
    const slug = heading!
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\p{M} _-]/gu, "")
      .replaceAll(" ", "-");
    let anchor = slug;
    for (let i = 1; anchors.has(anchor); i++) anchor = `${slug}-${i}`;
    anchors.add(anchor);
  }
  return anchors;
}

Deno.test("Every link of the papers leads to a file, and to a heading of it", async () => {
  const broken: string[] = [];
  const all = await papers();
  assert(all.includes("README.md") && all.includes("docs/PROTOCOL.md"));
  for (const paper of all) {
    for (const link of linksOf(await read(paper))) {
      if (/^(https?:|mailto:)/.test(link)) continue;
      // GitHub has the state of a workflow two levels above the README.
      const [, workflow] = /^\.\.\/\.\.\/actions\/workflows\/([^/]+)/
        .exec(link) ?? [];
      const [path, anchor] = workflow === undefined
        ? link.split("#")
        : [`.github/workflows/${workflow}`];
      const target = path === "" ? paper : decodeURIComponent(path!);
      const base = path === "" || workflow !== undefined ? "" : paper;
      const url = new URL(target, new URL(base, root));
      const isThere = await stat(url).then(() => true, () => false);
      const isRight = isThere && (anchor === undefined ||
        anchorsOf(await readFile(url, "utf8")).has(anchor));
      if (!isRight) broken.push(`${paper}: ${link}`);
    }
  }
  assertEquals(broken, []);
});

Deno.test("Every reference of the papers is defined", async () => {
  for (const paper of await papers()) {
    const text = withoutCode(await read(paper));
    for (const [, name] of text.matchAll(/\]\[([^\]]+)\]/g)) {
      assert(text.includes(`\n[${name}]: `), `${paper}: [${name}]`);
    }
  }
});
