/** The papers, the dashboard and the alerts name the numbers that there are. */

import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { metrics } from "../../mod.ts";
import { DASHBOARD, dashboard } from "../../scripts/grafana.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { withCluster } from "../support/cluster.ts";
import { type Dashboard, filledIn, namedIn } from "../support/grafana.ts";
import { Page } from "../support/metrics.ts";

const read = (name: string) =>
  readFile(new URL(`../../${name}`, import.meta.url), "utf8");

/** The page of a pool that has a group and a peer. */
async function somePage(): Promise<Page> {
  let page: Page | undefined;
  await withCluster(2, ({ nodes }) => {
    page = new Page(metrics(nodes[0]!.pool));
    return Promise.resolve();
  });
  return page!;
}

const shown: Dashboard = JSON.parse(dashboard());

/** All queries of the dashboard, with those of its variables. */
const queries = [
  ...shown.panels.flatMap(({ targets = [] }) => targets.map((t) => t.expr)),
  ...shown.templating.list.flatMap(({ type, query }) => {
    const [, series] = /^label_values\((.+), \w+\)$/.exec(query) ?? [];
    return type === "query" ? [series!] : [];
  }),
];

/** Fails if a query names a number or a label that no page has. */
function checkNames(page: Page, query: string): void {
  const { metrics, labels } = namedIn(query);
  assert(metrics.length > 0, query);
  const known = new Set(["job", "instance"]);
  for (const name of metrics) {
    assert(page.all(name).length > 0, `${name}: ${query}`);
    for (const label of page.labelsOf(page.familyOf(name))) known.add(label);
  }
  for (const label of labels) assert(known.has(label), `${label}: ${query}`);
}

Deno.test("examples/grafana/geecache.json is what scripts/grafana.ts writes", async () => {
  const written = await readFile(DASHBOARD, "utf8");
  assertEquals(written, dashboard(), "run deno task grafana");
});

Deno.test("The dashboard names numbers and labels that there are, and shows every one", async () => {
  const page = await somePage();
  const used = new Set<string>();
  for (const query of queries.map((query) => filledIn(query, "5m"))) {
    checkNames(page, query);
    for (const name of namedIn(query).metrics) used.add(page.familyOf(name));
  }
  assertEquals([...used].sort(), [...page.types.keys()].sort());
});

Deno.test("The dashboard has what Grafana needs: a place and a source for each panel", () => {
  assert(shown.title !== "" && shown.uid !== "" && shown.schemaVersion >= 39);
  assertEquals(
    shown.templating.list.map(({ type, name }) => `${type} ${name}`),
    ["datasource datasource", "query instance", "query group"],
  );
  const ids = shown.panels.map(({ id }) => id);
  assertEquals(ids, [...new Set(ids)]);
  const taken = new Set<string>();
  for (const { type, title, gridPos, datasource, targets } of shown.panels) {
    const { x, y, w, h } = gridPos;
    assert(x >= 0 && x + w <= 24, title);
    for (let i = 0; i < w * h; i++) {
      const place = `${x + i % w} ${y + Math.floor(i / w)}`;
      assert(!taken.has(place), `${title} lies on another panel`);
      taken.add(place);
    }
    if (type === "row") continue;
    assertEquals(datasource?.uid, "${datasource}");
    const letters = targets!.map(({ refId }) => refId);
    assertEquals(letters, ["A", "B"].slice(0, letters.length), title);
    for (const { expr, legendFormat } of targets!) {
      const [, label] = /\{\{(\w+)\}\}/.exec(legendFormat) ?? [];
      const { labels } = namedIn(filledIn(expr, "5m"));
      assert(label === undefined || labels.includes(label), title);
    }
  }
});

Deno.test("The alerts name numbers and labels that there are", async () => {
  const page = await somePage();
  const { groups } = parse(await read("examples/prometheus/alerts.yml"));
  const rules: { alert: string; expr: string }[] = groups[0].rules;
  assertEquals(rules.length, 8);
  for (const { expr } of rules) checkNames(page, expr);
});

Deno.test("docs/operations.md explains every alert", async () => {
  const paper = await read("docs/operations.md");
  const alerts = await read("examples/prometheus/alerts.yml");
  const names = [...alerts.matchAll(/- alert: (\w+)/g)].map(([, name]) => name);
  const explained = [...paper.matchAll(/^\| `(Geecache\w+)` +\|/gm)]
    .map(([, name]) => name);
  assertEquals(explained, names);
});

Deno.test("docs/operations.md has every number with its labels, and no other", async () => {
  const paper = await read("docs/operations.md");
  const rows = [
    ...paper.matchAll(/^\| `(geecache_\w+)` +\| ([^|]*?) +\| (\w+) +\|/gm),
  ].map(([, name, labels, type]) => [name!, labels!.replaceAll("`", ""), type!])
    .sort();
  const page = await somePage();
  const known = [...page.types].map(([name, type]) => {
    const labels = page.labelsOf(name).filter((label) => label !== "le");
    return [name, labels.join(", "), type];
  }).sort();
  assertEquals(rows, known);
});
