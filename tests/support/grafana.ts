/** The queries of the dashboard, and what they name. */

import { parser } from "@prometheus-io/lezer-promql";

/** What a dashboard has, as far as tests look at it. */
export interface Dashboard {
  title: string;
  uid: string;
  schemaVersion: number;
  templating: { list: Variable[] };
  panels: Panel[];
}

export interface Variable {
  type: string;
  name: string;
  query: string;
}

export interface Panel {
  id: number;
  type: string;
  title: string;
  gridPos: { x: number; y: number; w: number; h: number };
  datasource?: { type: string; uid: string };
  targets?: { refId: string; expr: string; legendFormat: string }[];
}

/** A query with a value for each variable, as Grafana would send it. */
export function filledIn(expr: string, rateInterval: string): string {
  return expr.replaceAll("$__rate_interval", rateInterval)
    .replaceAll(/\$(?:group|instance)\b/g, ".*");
}

/** What a query of PromQL names. */
export interface Named {
  readonly metrics: string[];
  readonly labels: string[];
}

/**
 * The metrics and labels that a query names, by Prometheus's own grammar.
 *
 * @throws {SyntaxError} If it is no query.
 */
export function namedIn(expr: string): Named {
  const metrics: string[] = [];
  const labels: string[] = [];
  parser.parse(expr).iterate({
    enter: ({ type, from, to }) => {
      const text = expr.slice(from, to);
      if (type.isError) {
        throw new SyntaxError(`no PromQL at ${from}, "${text}": ${expr}`);
      }
      if (type.name === "Identifier") metrics.push(text);
      if (type.name === "LabelName") labels.push(text);
    },
  });
  return { metrics, labels };
}
