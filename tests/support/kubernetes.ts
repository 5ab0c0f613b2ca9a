/** Holds manifests of Kubernetes against its schemas, which npm's kubernetes-models has. */

import { validate as deployment } from "kubernetes-models/_schemas/IoK8sApiAppsV1Deployment";
import { validate as service } from "kubernetes-models/_schemas/IoK8sApiCoreV1Service";
import { validate as networkPolicy } from "kubernetes-models/_schemas/IoK8sApiNetworkingV1NetworkPolicy";
import { validate as disruptionBudget } from "kubernetes-models/_schemas/IoK8sApiPolicyV1PodDisruptionBudget";

/** What ajv makes of a schema. */
interface Validate {
  (data: unknown): boolean;
  errors?: { instancePath: string; keyword: string; params: unknown }[] | null;
}

const SCHEMAS = new Map<string, unknown>([
  ["apps/v1 Deployment", deployment],
  ["v1 Service", service],
  ["networking.k8s.io/v1 NetworkPolicy", networkPolicy],
  ["policy/v1 PodDisruptionBudget", disruptionBudget],
]);

/**
 * What is wrong with a manifest, a line for each. A field that the schema does not know is
 * a fault, too.
 */
export function faultsOf(
  manifest: { apiVersion?: unknown; kind?: unknown },
): string[] {
  const kind = `${manifest.apiVersion} ${manifest.kind}`;
  const validate = SCHEMAS.get(kind) as Validate | undefined;
  if (validate === undefined) return [`no schema: received ${kind}`];
  const unread = new Set<string>();
  validate(watch(manifest, "", unread));
  return [
    ...(validate.errors ?? []).map(({ instancePath, keyword, params }) =>
      `${instancePath} ${keyword} ${JSON.stringify(params)}`
    ),
    ...[...unread].map((path) => `${path} is unknown`),
  ];
}

/**
 * `value`, with the fields below `path` in `unread` until somebody reads them. The schemas
 * allow fields that they do not know, and those are what nobody reads.
 */
function watch(value: unknown, path: string, unread: Set<string>): unknown {
  if (typeof value !== "object" || value === null) return value;
  for (const name of Object.keys(value)) unread.add(`${path}/${name}`);
  const watched = new Map<string, unknown>();
  return new Proxy(value, {
    get: (target, name) => {
      const field = Reflect.get(target, name);
      if (typeof name === "symbol" || !Object.hasOwn(target, name)) {
        return field;
      }
      const at = `${path}/${name}`;
      unread.delete(at);
      if (!watched.has(name)) watched.set(name, watch(field, at, unread));
      return watched.get(name);
    },
  });
}
