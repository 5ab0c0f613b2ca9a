/**
 * What the page of a cluster can do to the processes of its nodes, and the traffic that
 * shows what comes of it.
 *
 * @module
 */

/** What can be done to the process of a node. */
export type NodeAction = "kill" | "freeze" | "resume" | "restart";

export const NODE_ACTIONS: readonly NodeAction[] = [
  "kill",
  "freeze",
  "resume",
  "restart",
];

/** The process of a node. */
export interface NodeProcess {
  readonly origin: string;
  readonly process: "starting" | "running" | "frozen" | "ended";
  /** What can be done to it now. */
  readonly can: readonly NodeAction[];
}

/** How the traffic goes. */
export interface TrafficState {
  readonly on: boolean;
  readonly gets: number;
  readonly failed: number;
  /** Why the last one failed. */
  readonly lastError?: string;
}

/** What stands behind the buttons for nodes and traffic. */
export interface Controls {
  nodes(): readonly NodeProcess[];
  /** @throws {Error} If that cannot be done now; the message says why. */
  act(origin: string, action: NodeAction): Promise<void>;
  traffic(): TrafficState;
  setTraffic(on: boolean): void;
}
