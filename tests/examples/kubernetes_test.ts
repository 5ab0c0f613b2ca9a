/** The manifests of examples/kubernetes are what Kubernetes knows, and fit each other and the program. */

import { parseAllDocuments } from "yaml";
import { readSettings } from "../../serve/config.ts";
import { assert, assertEquals } from "../support/assert.ts";
import { faultsOf } from "../support/kubernetes.ts";

const folder = new URL("../../examples/kubernetes/", import.meta.url);
const MIB = 2 ** 20;
/** What docs/operations.md adds to the budgets, and what the program needs by itself. */
const GARBAGE_BYTES = 200 * MIB;
const PROGRAM_BYTES = 100 * MIB;

// deno-lint-ignore no-explicit-any -- the schemas say what they are
type Manifest = any;

async function manifests(): Promise<Map<string, Manifest>> {
  const all = new Map<string, Manifest>();
  for await (const { name } of Deno.readDir(folder)) {
    const text = await Deno.readTextFile(new URL(name, folder));
    for (const document of parseAllDocuments(text)) {
      assertEquals(document.errors, [], name);
      const manifest = document.toJS();
      all.set(`${manifest.kind} ${manifest.metadata.name}`, manifest);
    }
  }
  return all;
}

async function deployment(): Promise<Manifest> {
  return (await manifests()).get("Deployment items-cache");
}

/** What the program makes of the arguments of a pod. */
function settingsOf({ spec: { template: { spec } } }: Manifest) {
  const values = { POD_IP: "10.0.0.1", POD_NAMESPACE: "shop" };
  const [{ args, env }] = spec.containers;
  assertEquals(
    env.map(({ name }: { name: string }) => name),
    Object.keys(values),
  );
  const expanded = args.map((arg: string) =>
    arg.replace(/\$\((\w+)\)/g, (_, name: keyof typeof values) => values[name])
  );
  return readSettings(expanded, {}, () => "");
}

Deno.test("Each manifest fits Kubernetes' schema, without a field that it does not know", async () => {
  const all = await manifests();
  assertEquals(all.size, 5);
  for (const [name, manifest] of all) {
    assertEquals(faultsOf(manifest), [], name);
  }
});

Deno.test("faultsOf() finds what is missing, unknown or of another type, at any depth", async () => {
  const manifest = await deployment();
  manifest.replica = 3;
  manifest.spec.selector = undefined;
  const [container] = manifest.spec.template.spec.containers;
  container.imagePolicy = "Always";
  container.ports[0].containerPort = "9999";
  const faults = faultsOf(manifest).join("\n");
  assert(faults.includes("/replica is unknown"));
  assert(faults.includes("/containers/0/imagePolicy is unknown"));
  assert(faults.includes('/spec required {"missingProperty":"selector"}'));
  assert(faults.includes("/ports/0/containerPort type"));
  assertEquals(faultsOf({ kind: "Pod", apiVersion: "v1" }), [
    "no schema: received v1 Pod",
  ]);
});

Deno.test("The program takes the arguments of the deployment, whose ports are those of the manifests", async () => {
  const all = await manifests();
  const manifest = await deployment();
  const settings = await settingsOf(manifest);
  assertEquals(settings.self, "http://10.0.0.1:9999");
  const [container] = manifest.spec.template.spec.containers;
  assertEquals(
    container.ports.map((
      { name, containerPort }: { name: string; containerPort: number },
    ) => [name, containerPort]),
    [
      ["nodes", settings.port],
      ["api", settings.api],
      ["health", settings["health-port"]],
    ],
  );
  assertEquals(manifest.spec.template.metadata.annotations, {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": `${settings["health-port"]}`,
    "prometheus.io/path": "/metrics",
  });
  const nodes = all.get("Service items-cache-nodes");
  assertEquals(settings.discover, {
    kind: "dns",
    hostname: `${nodes.metadata.name}.shop.svc.cluster.local`,
    port: nodes.spec.ports[0].port,
    family: 4,
  });
  assertEquals([nodes.spec.clusterIP, nodes.spec.publishNotReadyAddresses], [
    "None",
    true,
  ]);
  for (const probe of ["startupProbe", "livenessProbe"]) {
    assertEquals(container[probe].httpGet, {
      path: "/healthz",
      port: "health",
    });
  }
  assertEquals(container.readinessProbe.httpGet, {
    path: "/readyz",
    port: "health",
  });
});

Deno.test("All manifests are about the pods of the deployment", async () => {
  const all = await manifests();
  const { spec } = await deployment();
  const { labels } = spec.template.metadata;
  assertEquals(spec.selector.matchLabels, labels);
  for (const name of ["items-cache", "items-cache-nodes"]) {
    assertEquals(all.get(`Service ${name}`).spec.selector, labels);
  }
  const budget = all.get("PodDisruptionBudget items-cache").spec;
  const policy = all.get("NetworkPolicy items-cache").spec;
  assertEquals(budget.selector.matchLabels, labels);
  assertEquals(policy.podSelector.matchLabels, labels);
  assertEquals(policy.ingress[0].from[0].podSelector.matchLabels, labels);
});

Deno.test("A pod has time to stop, and memory for its budgets", async () => {
  const manifest = await deployment();
  const settings = await settingsOf(manifest);
  const { spec } = manifest.spec.template;
  const [{ lifecycle, resources }] = spec.containers;
  const stopMs = settings["stop-timeout"];
  assert(stopMs > settings["drain-timeout"]);
  assert(
    spec.terminationGracePeriodSeconds * 1_000 >
      lifecycle.preStop.sleep.seconds * 1_000 + stopMs,
  );
  const budgets = settings.groups.reduce(
    (sum, { maxBytes }) => sum + maxBytes,
    0,
  );
  const [, number] = /^(\d+)Mi$/.exec(resources.limits.memory)!;
  assert(Number(number) * MIB > budgets + GARBAGE_BYTES + PROGRAM_BYTES);
  assertEquals(resources.requests.memory, resources.limits.memory);
});

Deno.test("A pod has no rights that the program does not need", async () => {
  const { spec } = (await deployment()).spec.template;
  const [container] = spec.containers;
  assertEquals([spec.enableServiceLinks, spec.automountServiceAccountToken], [
    false,
    false,
  ]);
  const { runAsNonRoot, runAsUser, seccompProfile } = spec.securityContext;
  assertEquals([runAsNonRoot, seccompProfile.type], [true, "RuntimeDefault"]);
  const dockerfile = await Deno.readTextFile(
    new URL("../../Dockerfile", folder),
  );
  assert(dockerfile.includes(`\nUSER ${runAsUser}:${runAsUser}\n`));
  assertEquals(container.securityContext, {
    allowPrivilegeEscalation: false,
    readOnlyRootFilesystem: true,
    capabilities: { drop: ["ALL"] },
  });
});
