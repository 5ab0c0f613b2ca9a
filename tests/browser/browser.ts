/** A headless Chromium, and the programs whose pages it opens. */

import { type Browser, chromium, type Page } from "playwright-core";
import { assertEquals } from "../support/assert.ts";
import { freePorts, Program } from "../support/process.ts";

/** Where Debian's package `chromium` puts it. */
const CHROMIUM = "/usr/bin/chromium";
/** The tests run as root, too, where Chromium has no sandbox. It looks for nothing on the network. */
const FLAGS = [
  "--no-sandbox",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  // A name of somebody else that leads to this machine.
  "--host-resolver-rules=MAP evil.example 127.0.0.1",
];
/** Where the pictures of the tests go. Git does not see them. */
const SHOTS = new URL("../../.cache/browser/", import.meta.url);

/** Whether there is a browser to test with. */
export function hasBrowser(): boolean {
  try {
    return Deno.statSync(CHROMIUM).isFile;
  } catch {
    return false;
  }
}

/** A page of a browser, with what went wrong in it. */
export class Tab {
  readonly page: Page;
  /** Errors and warnings of the console, and requests that left the origin. */
  readonly troubles: string[] = [];

  constructor(page: Page) {
    this.page = page;
    page.on("console", (message) => {
      if (!["error", "warning"].includes(message.type())) return;
      this.troubles.push(`${message.type()}: ${message.text()}`);
    });
    page.on("pageerror", (error) => this.troubles.push(`${error.stack}`));
  }

  /** Opens an address, and waits for the first news. */
  async open(url: string): Promise<void> {
    const { origin } = new URL(url);
    this.page.on("request", (request) => {
      if (new URL(request.url()).origin === origin) return;
      this.troubles.push(`a request to ${request.url()}`);
    });
    await this.page.goto(url);
    await this.live("live");
  }

  /** Waits until the page says that it is live, or that it is old. */
  async live(state: "live" | "old"): Promise<void> {
    await this.page.locator(`body[data-live="${state}"]`).waitFor({
      timeout: 15_000,
    });
  }

  /** Waits until an element has such a text. */
  async says(selector: string, text: RegExp, timeout = 10_000): Promise<void> {
    await this.page.locator(selector).filter({ hasText: text }).first()
      .waitFor({ timeout });
  }

  async shot(name: string): Promise<void> {
    await Deno.mkdir(SHOTS, { recursive: true });
    const path = new URL(`${name}.png`, SHOTS).pathname;
    await this.page.screenshot({
      path,
      fullPage: true,
      animations: "disabled",
    });
  }
}

/** Opens a browser, and closes it. Nothing may have gone wrong in its page. */
export async function withTab(run: (tab: Tab) => Promise<void>): Promise<void> {
  const browser: Browser = await chromium.launch({
    executablePath: CHROMIUM,
    args: FLAGS,
  });
  try {
    const viewport = { width: 1280, height: 900 };
    const tab = new Tab(await browser.newPage({ viewport }));
    await run(tab);
    assertEquals(tab.troubles, []);
  } finally {
    await browser.close();
  }
}

const RUN = ["run", "--quiet", "--allow-net", "--allow-read"];

/** Runs one node with its page. */
export async function withNode(
  flags: string[],
  run: (url: string, program: Program) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  const program = new Program([
    ...[...RUN, "--allow-write", "serve/serve.ts", "--port", "0"],
    ...["--db", `${folder}/scores.db`, ...flags],
  ]);
  try {
    const [, url] = await program.said(/geecache is running at (\S+)$/);
    await run(url!, program);
  } finally {
    await program.stop();
    await Deno.remove(folder, { recursive: true });
  }
}

/** A cluster with its page. */
export interface RunningCluster {
  readonly url: string;
  /** The names of its nodes, as the page shows them. */
  readonly nodes: readonly string[];
  readonly program: Program;
}

/** Runs `deno task cluster`. */
export async function withCluster(
  run: (cluster: RunningCluster) => Promise<void>,
): Promise<void> {
  const folder = await Deno.makeTempDir();
  // The page sorts the nodes by name, and all of these have as many digits.
  const [api, ...ports] = freePorts(4);
  ports.sort();
  const program = new Program([
    ...[...RUN, "--allow-run", "serve/cluster.ts", "--api", `${api}`],
    ...["--ports", ports.join(), "--db", `${folder}/scores.db`],
  ]);
  try {
    await program.said(/^All nodes are running/);
    const nodes = ports.map((port) => `localhost:${port}`);
    await run({ url: `http://localhost:${api}/`, nodes, program });
  } finally {
    await program.stop();
    await Deno.remove(folder, { recursive: true });
  }
}
