/**
 * Writes the dashboard for Grafana, `examples/grafana/geecache.json`, with the builders of
 * Grafana's own SDK, which know what a dashboard may have.
 *
 *     deno task grafana
 *
 * @module
 */

import { mkdir, writeFile } from "node:fs/promises";
import {
  GraphGradientMode,
  LegendDisplayMode,
  LegendPlacement,
  SortOrder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from "@grafana/grafana-foundation-sdk/common";
import {
  DashboardBuilder,
  DashboardCursorSync,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
  VariableSort,
} from "@grafana/grafana-foundation-sdk/dashboard";
import { DataqueryBuilder } from "@grafana/grafana-foundation-sdk/prometheus";
import { PanelBuilder } from "@grafana/grafana-foundation-sdk/timeseries";

/** Where the dashboard lies. */
export const DASHBOARD: URL = new URL(
  "../examples/grafana/geecache.json",
  import.meta.url,
);

const SOURCE = { type: "prometheus", uid: "${datasource}" };
const GROUP = 'group=~"$group",instance=~"$instance"';
const INSTANCE = 'instance=~"$instance"';

/** A query, and what its lines are called. */
type Query = readonly [expr: string, legend: string];

interface Panel {
  title: string;
  /** What it shows, for whoever looks for trouble. */
  description: string;
  unit: "percentunit" | "reqps" | "s" | "bytes" | "short";
  queries: readonly Query[];
  stacked?: boolean;
  /** The highest value of the axis. */
  max?: number;
}

/** `sum by (…) (rate(…))`. */
function rate(name: string, labels: string, by = ""): string {
  const sum = by === "" ? "sum" : `sum by (${by}) `;
  return `${sum}(rate(${name}{${labels}}[$__rate_interval]))`;
}

/** The middle and the 99th percentile of a histogram. */
function quantiles(name: string, labels: string, by: string): Query[] {
  return [["0.5", "p50"], ["0.99", "p99"]].map(([quantile, title]) => [
    `histogram_quantile(${quantile}, ${
      rate(`${name}_bucket`, labels, `le, ${by}`)
    })`,
    `${title} {{${by}}}`,
  ]);
}

const requests = "geecache_requests_total";
const loads = "geecache_loads_total";

/** What the gets of callers are: those of peers were counted where they began, too. */
const callers = `(${rate(requests, GROUP)} - ${
  rate("geecache_server_requests_total", GROUP)
})`;

const ROWS: Readonly<Record<string, readonly Panel[]>> = {
  "Gets": [
    {
      title: "Gets without a load",
      description:
        "The part of all callers' gets, in all processes that are chosen, that " +
        "needed no call of the getter: what the cache spares its source.",
      unit: "percentunit",
      max: 1,
      queries: [[`1 - ${rate(loads, GROUP)} / ${callers}`, "all groups"]],
    },
    {
      title: "Answered from memory",
      description:
        "The part of the keys asked of a process, by callers and peers, that " +
        "its memory answered. A key of another process counts twice: as a " +
        "miss here, and as a hit there.",
      unit: "percentunit",
      max: 1,
      queries: [[
        `${rate(requests, `${GROUP},type=~"hit|stale|negative"`, "group")} / ${
          rate(requests, GROUP, "group")
        }`,
        "{{group}}",
      ]],
    },
    {
      title: "Gets by type",
      description: "Keys asked for, by callers and by peers.",
      unit: "reqps",
      stacked: true,
      queries: [[rate(requests, GROUP, "type"), "{{type}}"]],
    },
  ],
  "Loads": [
    {
      title: "Loads",
      description: "Keys that the getter was asked for, why, and what came.",
      unit: "reqps",
      stacked: true,
      queries: [[
        rate(loads, GROUP, "reason, result"),
        "{{reason}}: {{result}}",
      ]],
    },
    {
      title: "Time of loads",
      description: "How long calls of the getter take.",
      unit: "s",
      queries: quantiles("geecache_load_duration_seconds", GROUP, "group"),
    },
    {
      title: "Values taken over",
      description:
        "Values that came from another process's memory instead of a load: " +
        "after a change of the list, and while a process drains.",
      unit: "reqps",
      queries: [[
        rate("geecache_inherited_total", GROUP, "group"),
        "{{group}}",
      ]],
    },
  ],
  "Memory": [
    {
      title: "Memory of the budget",
      description: "What a group holds of its maxBytes, where it holds most.",
      unit: "percentunit",
      max: 1,
      queries: [[
        `max by (group) (geecache_memory_bytes{${GROUP}} / geecache_max_bytes{${GROUP}})`,
        "{{group}}",
      ]],
    },
    {
      title: "Entries",
      description: "Own keys are in main, copies of others' keys in hot.",
      unit: "bytes",
      queries: [[
        `sum by (group, store) (geecache_entry_bytes{${GROUP}})`,
        "{{group}}: {{store}}",
      ]],
    },
    {
      title: "Number of entries",
      description: "Also those that have expired since.",
      unit: "short",
      queries: [[
        `sum by (group, store) (geecache_entries{${GROUP}})`,
        "{{group}}: {{store}}",
      ]],
    },
    {
      title: "Evictions",
      description: "Entries that left memory to make room.",
      unit: "reqps",
      queries: [[
        rate("geecache_evictions_total", GROUP, "group, store"),
        "{{group}}: {{store}}",
      ]],
    },
  ],
  "Peers": [
    {
      title: "Requests to peers",
      description: "Questions and writes, and what came of them.",
      unit: "reqps",
      stacked: true,
      queries: [[
        rate("geecache_peer_requests_total", INSTANCE, "result"),
        "{{result}}",
      ]],
    },
    {
      title: "Time of requests to peers",
      description: "With the loads that the peer waited for.",
      unit: "s",
      queries: quantiles(
        "geecache_peer_request_duration_seconds",
        INSTANCE,
        "peer",
      ),
    },
    {
      title: "Peers up",
      description:
        "How many processes reach a peer. One that all others reach has as " +
        "many as there are others.",
      unit: "short",
      queries: [[
        `sum by (peer) (geecache_peer_up{${INSTANCE}})`,
        "{{peer}}",
      ]],
    },
    {
      title: "About to close",
      description: "Processes that drain, and peers that are seen to drain.",
      unit: "short",
      queries: [
        [`sum(geecache_draining{${INSTANCE}})`, "drain"],
        [
          `max by (peer) (geecache_peer_draining{${INSTANCE}}) > 0`,
          "{{peer}}",
        ],
      ],
    },
    {
      title: "Removals owed",
      description: "What a peer missed, and is told before it is asked again.",
      unit: "short",
      queries: [[
        `sum by (peer) (geecache_owed_keys{${INSTANCE}})`,
        "{{peer}}",
      ]],
    },
    {
      title: "Lists that differ",
      description:
        "How many peers have another list than a process. Until all have the " +
        "same, keys may be loaded twice.",
      unit: "short",
      queries: [
        [
          `sum by (instance) (geecache_ring_differs{${INSTANCE}})`,
          "{{instance}}",
        ],
        [
          rate("geecache_ring_disagreements_total", INSTANCE, "instance"),
          "requests to {{instance}}",
        ],
      ],
    },
    {
      title: "Processes in the list",
      description: "Each process should know of as many.",
      unit: "short",
      queries: [[`geecache_nodes{${INSTANCE}}`, "{{instance}}"]],
    },
    {
      title: "Served to peers",
      description:
        "Keys of peers that wait for loads, and links of peers that are open.",
      unit: "short",
      queries: [
        [`geecache_serving{${INSTANCE}}`, "waiting: {{instance}}"],
        [`geecache_links{${INSTANCE}}`, "links: {{instance}}"],
      ],
    },
    {
      title: "Peers without a link",
      description: "A proxy on the way may let none through.",
      unit: "short",
      queries: [[
        `sum by (peer) (geecache_peer_link_unavailable{${INSTANCE}})`,
        "{{peer}}",
      ]],
    },
    {
      title: "Requests refused",
      description: "Without the secret, of another cluster, or of a page.",
      unit: "reqps",
      queries: [[
        rate("geecache_refused_total", INSTANCE, "instance"),
        "{{instance}}",
      ]],
    },
  ],
};

function panelOf(
  { title, description, unit, queries, stacked = false, max }: Panel,
): PanelBuilder {
  const panel = new PanelBuilder()
    .title(title)
    .description(description)
    .datasource(SOURCE)
    .unit(unit)
    .min(0)
    .span(8)
    .height(8)
    .lineWidth(1)
    .fillOpacity(stacked ? 60 : 10)
    .gradientMode(GraphGradientMode.None)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(
      new VizTooltipOptionsBuilder()
        .mode(TooltipDisplayMode.Multi)
        .sort(SortOrder.Descending),
    );
  if (max !== undefined) panel.max(max);
  if (stacked) {
    panel.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  }
  for (const [place, [expr, legend]] of queries.entries()) {
    panel.withTarget(
      new DataqueryBuilder()
        .datasource(SOURCE)
        .refId("ABC"[place]!)
        .expr(expr)
        .legendFormat(legend)
        .range(),
    );
  }
  return panel;
}

function variable(name: string, query: string): QueryVariableBuilder {
  return new QueryVariableBuilder(name)
    .datasource(SOURCE)
    .query(query)
    .refresh(VariableRefresh.OnTimeRangeChanged)
    .sort(VariableSort.AlphabeticalAsc)
    .multi(true)
    .includeAll(true)
    .allValue(".*")
    .current({ selected: true, text: ["All"], value: ["$__all"] });
}

/** The dashboard, as Grafana imports it. */
export function dashboard(): string {
  const builder = new DashboardBuilder("GeeCache")
    .uid("geecache")
    .tags(["geecache", "cache"])
    .timezone("browser")
    .refresh("30s")
    .time({ from: "now-1h", to: "now" })
    .tooltip(DashboardCursorSync.Crosshair)
    .withVariable(
      new DatasourceVariableBuilder("datasource").label("Source").type(
        "prometheus",
      ),
    )
    .withVariable(
      variable("instance", "label_values(geecache_nodes, instance)"),
    )
    .withVariable(variable(
      "group",
      `label_values(${requests}{${INSTANCE}}, group)`,
    ));
  let id = 1;
  for (const [title, panels] of Object.entries(ROWS)) {
    builder.withRow(new RowBuilder(title).id(id++));
    for (const panel of panels) builder.withPanel(panelOf(panel).id(id++));
  }
  return `${JSON.stringify(builder.build(), null, 2)}\n`;
}

if (import.meta.main) {
  await mkdir(new URL("./", DASHBOARD), { recursive: true });
  await writeFile(DASHBOARD, dashboard());
}
