/** The page in a real browser: one node, the cluster, and who may not use it. */

import axe from "axe-core/axe.min.js" with { type: "text" };
import { assert, assertEquals, assertMatch } from "../support/assert.ts";
import {
  hasBrowser,
  type RunningCluster,
  type Tab,
  withCluster,
  withNode,
  withTab,
} from "./browser.ts";

const ignore = !hasBrowser();
if (ignore) {
  console.log(
    "Skipped: there is no /usr/bin/chromium (apt-get install chromium)",
  );
}

/** Declares a test of the page of one node, or of the cluster. */
function testNode(
  name: string,
  run: (
    tab: Tab,
    url: string,
    program: Parameters<
      Parameters<typeof withNode>[1]
    >[1],
  ) => Promise<void>,
  flags: string[] = [],
): void {
  Deno.test({
    name,
    ignore,
    fn: () =>
      withNode(
        flags,
        (url, program) => withTab((tab) => run(tab, url, program)),
      ),
  });
}

function testCluster(
  name: string,
  run: (tab: Tab, cluster: RunningCluster) => Promise<void>,
): void {
  Deno.test({
    name,
    ignore,
    fn: () => withCluster((cluster) => withTab((tab) => run(tab, cluster))),
  });
}

/** The card of a node. */
const cardOf = (name: string) => `.node:has-text("${name}")`;
const failed = /, 0 failed/;

testNode(
  "The page of one node is live within two seconds",
  async (tab, url) => {
    await tab.open(url);
    await tab.says("#ring-picture .small", /^one node$/);
    await tab.says("#place", /^localhost:\d+$/);
    await fetch(`${url}/api?key=Tom`).then((answer) => answer.text());
    await tab.says("#keys-rows", /Tom/, 2_000);
    await tab.says(".node .facts", /1 item/, 2_000);
  },
);

testNode("A key is asked for and removed", async (tab, url, program) => {
  const { page } = tab;
  await tab.open(url);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await tab.says("#ask-outcome", /^Tom: answered in /);
  await tab.says("#value-text", /^630$/);
  await tab.says("#value-about", /fresh, without end/);
  const steps = await page.locator(".step .title").allTextContents();
  assertEquals(steps, ["Memory", "Getter"]);
  assertEquals(program.count(/search key Tom/), 1);
  // From memory the second time.
  await page.getByRole("textbox", { name: "Key" }).press("Enter");
  await tab.says(".step", /in memory/);
  assertEquals(await page.locator(".step").count(), 1);
  await tab.says("#asked-list", /from the getter/);
  await page.getByRole("button", { name: "Remove" }).click();
  await tab.says("#ask-outcome", /^Tom is removed from every node\.$/);
  await page.getByRole("button", { name: "Ask", exact: true }).click();
  await tab.says(".step .title", /Getter/);
  assertEquals(program.count(/search key Tom/), 2);
  await page.getByRole("button", { name: "Clear group" }).click();
  await tab.says("#ask-outcome", /^All of scores is removed/);
  await tab.says(".node .facts", /0 items/);
  // The getter of the tutorial throws.
  await page.getByRole("textbox", { name: "Key" }).fill("<b>kkk</b>");
  await page.getByRole("textbox", { name: "Key" }).press("Enter");
  await tab.says("#ask-outcome.bad", /failed after .*<b>kkk<\/b> not exist/);
});

testNode(
  "A thousand gets of one key at one node are one load",
  async (tab, url, program) => {
    await tab.open(url);
    await tab.page.getByRole("button", { name: "1,000 gets at once" }).click();
    await tab.says("#burst-outcome", /^1,000 gets, 1 load, /);
    assertEquals(program.count(/search key Tom/), 1);
  },
);

testNode(
  "The page says so when its news is old, and finds back",
  async (tab, url, program) => {
    await tab.open(url);
    program.kill("SIGSTOP");
    try {
      await tab.live("old");
      await tab.says("#live-state", /^Not live, reconnecting$/);
      await tab.says("#live-age", /last news \d+/);
    } finally {
      program.kill("SIGCONT");
    }
    await tab.live("live");
    await tab.says("#live-state", /^Live$/);
    tab.troubles.length = 0;
  },
);

testCluster(
  "Three nodes are live on one page, and 1,000 gets show one load",
  async (tab, { url, nodes }) => {
    const { page } = tab;
    await tab.open(url);
    await tab.says("#ring-picture .big", /^3\/3$/);
    for (const name of nodes) await tab.says(`${cardOf(name)} .health`, /^up$/);
    const shares = await page.locator(".shares text").allTextContents();
    assertEquals(shares.length, 3);
    await page.getByRole("button", { name: "1,000 gets at once" }).click();
    await tab.says("#burst-outcome", /^1,000 gets, 1 load, /);
    // The traffic has begun by itself, and the page counts it.
    await tab.says("#traffic-outcome", /^\d.* gets, 0 failed$/);
    await page.getByRole("button", { name: "Stop the traffic" }).click();
    await page.getByRole("button", { name: "Start the traffic" }).click();
    await page.getByRole("button", { name: "Stop the traffic" }).waitFor();
    await tab.says("#keys-rows", /item:1/);
    // Asked at a node that does not own it, a key comes from its owner.
    await page.getByRole("button", { name: "Ask", exact: true }).click();
    await tab.says(".step .title", /Ask the owner/);
    await tab.says(".step .title", /Getter/);
  },
);

testCluster(
  "A killed node turns red and comes back, its keys move, and nothing fails",
  async (tab, { url, nodes }) => {
    const { page } = tab;
    const [name] = nodes as [string];
    const card = cardOf(name);
    await tab.open(url);
    await tab.says("#traffic-outcome", /\d\d gets/);
    const ticks = () => page.locator(".ticks .n0").count();
    const before = await ticks();
    assert(before > 50, `${before}`);
    await page.getByRole("button", { name: `Kill ${name}` }).click();
    await tab.says(`${card}.down .health`, /^down$/);
    await page.locator(".arcs path.down").waitFor();
    await tab.says("#ring-picture .big", /^2\/3$/);
    await tab.says("#said", new RegExp(`${name} is down`));
    await page.locator(".ticks:not(:has(.n0))").waitFor();
    await tab.shot("killed");
    await tab.says("#traffic-outcome", failed);
    await page.getByRole("button", { name: `Restart ${name}` }).click();
    await tab.says(`${card} .health`, /^up$/, 20_000);
    await tab.says("#ring-picture .big", /^3\/3$/);
    assertEquals(await ticks(), before);
    await tab.says("#traffic-outcome", failed);
  },
);

testCluster(
  "A frozen node is silent until it is resumed, and nothing fails",
  async (tab, { url, nodes }) => {
    const { page } = tab;
    const name = nodes[1]!;
    const card = cardOf(name);
    await tab.open(url);
    await page.getByRole("button", { name: `Freeze ${name}` }).click();
    await tab.says(`${card}.silent .health`, /^silent$/);
    await page.locator(".ticks:not(:has(.n1))").waitFor();
    await tab.says("#traffic-outcome", failed);
    await page.getByRole("button", { name: `Resume ${name}` }).click();
    await tab.says(`${card} .health`, /^up$/, 20_000);
    await tab.says("#traffic-outcome", failed);
  },
);

testCluster(
  "The last node that runs can be neither killed nor frozen",
  async (tab, { url, nodes }) => {
    const { page } = tab;
    await tab.open(url);
    for (const name of nodes.slice(1)) {
      await page.getByRole("button", { name: `Kill ${name}` }).click();
      await tab.says(`${cardOf(name)} .health`, /^down$/);
    }
    for (const action of ["Kill", "Freeze"]) {
      const button = page.getByRole("button", {
        name: `${action} ${nodes[0]}`,
      });
      await button.and(page.locator('[aria-disabled="true"]')).waitFor();
    }
    await tab.says("#traffic-outcome", failed);
    const answer = await fetch(`${url}_page/node`, {
      method: "POST",
      headers: { "Content-Type": "application/json" },
      body: JSON.stringify({ node: `http://${nodes[0]}`, action: "kill" }),
    });
    assertMatch(await answer.text(), /no other node is running/);
  },
);

/** What axe finds, as one line for each. */
async function violations({ page }: Tab): Promise<string[]> {
  await page.evaluate(axe);
  const found = await page.evaluate("axe.run()") as {
    violations: {
      id: string;
      nodes: { html: string; failureSummary: string }[];
    }[];
  };
  return found.violations.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html}: ${failureSummary}`)
  );
}

testCluster(
  "axe finds nothing, and nothing overflows, in any size and color scheme",
  async (tab, { url, nodes }) => {
    const { page } = tab;
    await tab.open(url);
    await page.getByRole("button", { name: "1,000 gets at once" }).click();
    await tab.says("#burst-outcome", /^1,000 gets/);
    for (let i = 0; i < 2; i++) {
      await page.getByRole("button", { name: "Ask", exact: true }).click();
      await tab.says("#ask-outcome", /answered/);
    }
    // Charts with something to see.
    await tab.says("#traffic-outcome", /^[1-9],\d\d\d gets/, 40_000);
    for (const state of ["well", "hurt"]) {
      if (state === "hurt") {
        await page.getByRole("button", { name: `Kill ${nodes[0]}` }).click();
        await tab.says(`${cardOf(nodes[0]!)} .health`, /^down$/);
        await page.getByRole("button", { name: `Freeze ${nodes[1]}` }).click();
        await tab.says(`${cardOf(nodes[1]!)} .health`, /^silent$/);
      }
      for (const colorScheme of ["light", "dark"] as const) {
        await page.emulateMedia({ colorScheme, reducedMotion: "reduce" });
        for (const width of [360, 768, 1280, 3840]) {
          await page.setViewportSize({
            width,
            height: width < 700 ? 800 : 900,
          });
          const what = `${state} ${colorScheme} ${width}`;
          assertEquals(await violations(tab), [], what);
          const over = await page.evaluate(
            "document.documentElement.scrollWidth - innerWidth",
          ) as number;
          assert(over <= 0, `${what}: ${over} pixels too wide`);
          await tab.shot(`${state}-${colorScheme}-${width}`);
        }
      }
    }
  },
);

testCluster(
  "Everything works by keyboard, and the focus stays where it was",
  async (tab, { url, nodes }) => {
    const { page } = tab;
    await tab.open(url);
    const focused = async (): Promise<string> =>
      await page.evaluate(
        "document.activeElement.getAttribute('aria-label') ?? document.activeElement.id ?? ''",
      ) as string;
    const seen: string[] = [];
    for (let i = 0; i < 60; i++) {
      await page.keyboard.press("Tab");
      if (await page.evaluate("document.activeElement === document.body")) {
        break;
      }
      const outline = await page.evaluate(
        "getComputedStyle(document.activeElement).outlineStyle",
      );
      const at = await focused();
      assert(outline !== "none", `no outline at ${at}`);
      seen.push(at);
    }
    const order = [
      "burst",
      "traffic-switch",
      `Kill ${nodes[0]}`,
      `Freeze ${nodes[0]}`,
      `Kill ${nodes[2]}`,
      "ask-key",
      "ask-group",
      "ask-at",
      "ask-remove",
      "ask-clear",
    ].map((name) => seen.indexOf(name));
    assert(!order.includes(-1), `${seen}`);
    assertEquals(order, order.toSorted((a, b) => a - b));
    const name = nodes[0]!;
    await page.getByRole("button", { name: `Kill ${name}` }).focus();
    await page.keyboard.press("Enter");
    await tab.says(`${cardOf(name)} .health`, /^down$/);
    assertEquals(await focused(), `Restart ${name}`);
    await page.keyboard.press("Space");
    await tab.says(`${cardOf(name)} .health`, /^up$/, 20_000);
    assertEquals(await focused(), `Kill ${name}`);
    await page.getByRole("textbox", { name: "Key" }).focus();
    await page.keyboard.press("Enter");
    await tab.says("#ask-outcome", /answered/);
    assertEquals(await focused(), "ask-key");
  },
);

testNode(
  "Beyond this machine, the page shows numbers alone",
  async (tab, url) => {
    await fetch(`${url}/api?key=Tom`).then((answer) => answer.text());
    await tab.open(url);
    await tab.page.locator("#read-only").waitFor();
    await tab.says(".node .facts", /1 item/);
    for (const part of ["#ask", "#keys", "#demo"]) {
      assert(await tab.page.locator(part).isHidden(), part);
    }
    assertEquals(await violations(tab), []);
    await tab.shot("read-only");
  },
  ["--host", "0.0.0.0"],
);

const MANY = Array.from({ length: 40 }, (_, i) => `http://localhost:${i + 1}`);

testNode(
  "Forty nodes that are down, and a long key, fit on the page",
  async (tab, url) => {
    const { page } = tab;
    await tab.open(url);
    await tab.says("#ring-picture .big", /^0\/40$/);
    const key = "a/long-key?with=everything&".repeat(20);
    await page.getByRole("textbox", { name: "Key" }).fill(key);
    await page.getByRole("textbox", { name: "Key" }).press("Enter");
    await tab.says("#ask-outcome.bad", /not exist/);
    await tab.says(".step.rest", /^\d\d more$/);
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 900 });
      await page.locator('#nodes[tabindex="0"]').waitFor();
      assertEquals(await violations(tab), []);
      const over = await page.evaluate(
        "document.documentElement.scrollWidth - innerWidth",
      ) as number;
      assert(over <= 0, `${width}: ${over} pixels too wide`);
      await tab.shot(`many-${width}`);
    }
  },
  ["--peers", MANY.join()],
);

testNode(
  "A name that was pointed here later gets nothing",
  async (tab, url) => {
    const { port } = new URL(url);
    const answer = await tab.page.goto(`http://evil.example:${port}/`);
    assertEquals(answer!.status(), 421);
    assertMatch(await answer!.text(), /received the host evil\.example/);
    tab.troubles.length = 0;
  },
);

testNode(
  "A page of another origin can neither read the page nor change anything",
  async (tab, url) => {
    await fetch(`${url}/api?key=Tom`).then((answer) => answer.text());
    const other = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      () =>
        new Response("<!doctype html><title>other</title>", {
          headers: { "Content-Type": "text/html" },
        }),
    );
    try {
      for (const host of ["localhost", "127.0.0.1"]) {
        await tab.page.goto(`http://${host}:${other.addr.port}/`);
        const results = await tab.page.evaluate(`(async () => {
        const body = JSON.stringify({ group: "scores", key: "Tom" });
        const tries = {
          read: () => fetch("${url}/_page/state"),
          readBlindly: () => fetch("${url}/_page/state", { mode: "no-cors" }),
          remove: () => fetch("${url}/_page/remove", {
            method: "POST", body, headers: { "Content-Type": "application/json" },
          }),
          removeAsForm: () => fetch("${url}/_page/remove", {
            method: "POST", body, mode: "no-cors",
          }),
          watch: () => new Promise((resolve, reject) => {
            const source = new EventSource("${url}/_page/events");
            source.onopen = resolve;
            source.onerror = () => { source.close(); reject(); };
          }),
          embed: () => new Promise((resolve, reject) => {
            const script = document.createElement("script");
            script.src = "${url}/_page/format.js";
            script.onload = resolve;
            script.onerror = reject;
            document.head.append(script);
          }),
        };
        const results = {};
        for (const [name, run] of Object.entries(tries)) {
          results[name] = await run().then(() => "done", () => "refused");
        }
        return results;
      })()`) as Record<string, string>;
        const { removeAsForm: blind, ...seen } = results;
        // It learns nothing of what it sent blindly; that nothing happened is below.
        assert(blind === "done" || blind === "refused");
        for (const [name, result] of Object.entries(seen)) {
          assertEquals(result, "refused", `${name} from ${host}`);
        }
      }
      const state = await fetch(`${url}/_page/state`).then((got) => got.json());
      assertEquals(state.totals.items, 1);
    } finally {
      await other.shutdown();
    }
    tab.troubles.length = 0;
  },
);
