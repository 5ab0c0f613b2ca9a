/** CPU profiles of a process by itself, and a list of what takes the time in one. */

import { writeFile } from "node:fs/promises";
import { type Profiler, Session } from "node:inspector/promises";

/** Starts a profile; the function that comes back ends it and writes it into a file. */
export async function startProfile(): Promise<(file: string) => Promise<void>> {
  const session = new Session();
  session.connect();
  await session.post("Profiler.enable");
  await session.post("Profiler.setSamplingInterval", { interval: 200 });
  await session.post("Profiler.start");
  return async (file) => {
    const { profile } = await session.post("Profiler.stop");
    session.disconnect();
    await writeFile(file, JSON.stringify(profile));
  };
}

/** The functions with the most time of their own, as lines with their shares in percent. */
export function busiest(profile: Profiler.Profile, lines = 25): string[] {
  const nameOf = new Map(
    profile.nodes.map(
      ({ id, callFrame: { functionName, url, lineNumber } }) => {
        const place = url.split("/").slice(-2).join("/");
        const name = functionName || "(anonymous)";
        return [id, place === "" ? name : `${name} ${place}:${lineNumber + 1}`];
      },
    ),
  );
  const samples = profile.samples ?? [];
  const counts = new Map<string, number>();
  for (const id of samples) {
    const name = nameOf.get(id)!;
    counts.set(name, (counts.get(name) ?? 0) + 1);
  }
  return [...counts].sort(([, a], [, b]) => b - a).slice(0, lines).map(
    ([name, count]) =>
      `${(count / samples.length * 100).toFixed(1).padStart(5)} ${name}`,
  );
}
