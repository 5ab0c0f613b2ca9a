/**
 * The hostile clients, in a process of their own: `hostile.ts IDLE SECRET PORT...`.
 * Every two seconds it prints how often each attack was made and how many clients are
 * at it, as JSON. The lines `pause` and `resume` stop them and let them go on.
 *
 * @module
 */

import { linesOf } from "../../serve/lines.ts";
import { delay } from "../chaos/origin.ts";
import type { Attack, Target } from "./attack.ts";
import { BROKEN_ATTACKS } from "./broken_attacks.ts";
import { pause, resume } from "./connection.ts";
import { FLOOD_ATTACKS } from "./flood_attacks.ts";
import { LINK_ATTACKS } from "./link_attacks.ts";
import { idle, SLOW_ATTACKS } from "./slow_attacks.ts";

/** How often an attack was made, and how many clients are at it now. */
export type Counts = Record<string, { made: number; now: number }>;

const SAY_EVERY_MS = 2_000;
/** So many clients begin in one moment. */
const BEGIN = 50;

/** Attacks one node after the other, for ever. */
async function attackOn(
  attack: Attack,
  targets: readonly Target[],
  first: number,
  count: Counts[string],
): Promise<void> {
  for (let i = first;; i++) {
    count.made++;
    count.now++;
    await attack.run(targets[i % targets.length]!);
    count.now--;
    await delay(attack.pauseMs * (0.5 + Math.random()));
  }
}

if (import.meta.main) {
  const [idleCount, secret = "", ...ports] = Deno.args;
  const targets = ports.map((port) => ({ port: Number(port), secret }));
  const attacks = [
    ...SLOW_ATTACKS,
    ...BROKEN_ATTACKS,
    ...FLOOD_ATTACKS,
    ...LINK_ATTACKS,
    idle(Number(idleCount)),
  ];
  const counts: Counts = {};
  setInterval(() => console.log(JSON.stringify(counts)), SAY_EVERY_MS);
  console.log("running");
  const begin = async (): Promise<void> => {
    for (const attack of attacks) {
      const count = counts[attack.name] = { made: 0, now: 0 };
      for (let i = 0; i < attack.clients; i++) {
        attackOn(attack, targets, i, count);
        if (i % BEGIN === BEGIN - 1) await delay(50);
      }
    }
  };
  begin();
  // The run holds the other end, so this process ends when the run ends, in whatever way.
  for await (const line of linesOf(Deno.stdin.readable)) {
    if (line === "pause") pause();
    if (line === "resume") resume();
  }
  Deno.exit(0);
}
