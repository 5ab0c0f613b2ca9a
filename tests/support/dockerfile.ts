/** Does in folders what a Dockerfile says, where no image can be built. */

import dockerignore from "@balena/dockerignore";
import { DockerfileParser } from "dockerfile-ast";
import { run } from "../../scripts/runtimes.ts";

/** An instruction, and what stands behind its name. */
interface Line {
  readonly name: string;
  readonly text: string;
  /** What its brackets have, of one that has some. */
  readonly list: readonly string[];
}

/** One stage: `FROM` and what follows it. */
export interface Stage {
  readonly image: string;
  /** Its name, or its number. */
  readonly name: string;
  readonly lines: readonly Line[];
}

/** The stages of a Dockerfile, in order. */
export function stagesOf(dockerfile: string): Stage[] {
  const stages: { image: string; name: string; lines: Line[] }[] = [];
  for (
    const instruction of DockerfileParser.parse(dockerfile).getInstructions()
  ) {
    const name = instruction.getKeyword();
    // Flags are a part of it.
    const text = instruction.getTextContent().slice(name.length).trim();
    if (name === "FROM") {
      const [image, , as] = text.split(/\s+/);
      stages.push({ image: image!, name: as ?? `${stages.length}`, lines: [] });
      continue;
    }
    // The exec form, which is JSON.
    const [, exec] = /^(?:--\S+ )*(?:CMD )?(\[.*\])$/.exec(text) ?? [];
    const list = exec === undefined ? [] : JSON.parse(exec) as string[];
    stages.at(-1)!.lines.push({ name, text, list });
  }
  return stages;
}

/** What the last stage runs, and how. */
export interface Container {
  readonly folder: string;
  readonly env: Record<string, string>;
  readonly uid: number;
  readonly entrypoint: readonly string[];
  /** The command that says whether it is healthy. */
  readonly health: readonly string[];
}

/**
 * Builds the stages of a Dockerfile in folders below `root`, with files of `context` and
 * programs in the folder `bin`. `WORKDIR` must be `/app`: it is the stage's folder.
 *
 * @throws {Error} if it says something that folders cannot do
 */
export async function build(
  { dockerfile, context, root, bin }: {
    dockerfile: string;
    context: string;
    root: string;
    bin: string;
  },
): Promise<Container> {
  const env: Record<string, string> = { PATH: `${bin}:/usr/bin:/bin` };
  const ignored = dockerignore.default().add(
    await Deno.readTextFile(`${context}/.dockerignore`),
  );
  let container: Container | undefined;
  for (const { name, lines } of stagesOf(dockerfile)) {
    const folder = `${root}/${name}`;
    await Deno.mkdir(folder, { mode: 0o755 });
    const stage = { ...env };
    let uid = 0;
    let entrypoint: readonly string[] = [];
    let health: readonly string[] = [];
    for (const { name, text, list } of lines) {
      const refuse = (): never => {
        throw new Error(`Cannot do in a folder: received ${name} ${text}`);
      };
      switch (name) {
        case "WORKDIR":
          if (text !== "/app") refuse();
          break;
        case "ENV": {
          const [variable, value] = text.split("=");
          stage[variable!] = value!;
          break;
        }
        case "COPY": {
          const parts = text.split(/\s+/);
          const to = parts.at(-1)!;
          const [, from] = /^--from=(\w+)$/.exec(parts[0]!) ?? [];
          if (from === undefined && !parts[0]!.startsWith("--")) {
            await copy(context, parts.slice(0, -1), folder, ignored);
          } else if (to.startsWith("/usr/local/bin/")) {
            // A program, which is in `bin` already.
          } else if (to === "." && parts[1]!.startsWith("/app")) {
            await copy(`${root}/${from}${parts[1]!.slice(4)}`, ["."], folder);
          } else refuse();
          break;
        }
        case "RUN": {
          // It runs on this machine, so it must stay in its folder.
          if (/(^|[\s=])[/~]|\.\./.test(text)) refuse();
          const shell = ["-c", `cd '${folder}' && ${text}`];
          const { code, output } = await runWith("/bin/sh", shell, stage);
          if (code !== 0) throw new Error(`${text}: ${code}: ${output}`);
          break;
        }
        case "USER":
          uid = Number(text.split(":")[0]);
          break;
        case "EXPOSE":
          break;
        case "HEALTHCHECK":
          health = list;
          break;
        case "ENTRYPOINT":
          entrypoint = list;
          break;
        default:
          refuse();
      }
    }
    container = { folder, env: stage, uid, entrypoint, health };
  }
  return container!;
}

async function runWith(
  path: string,
  args: string[],
  env: Record<string, string>,
): ReturnType<typeof run> {
  const assignments = Object.entries(env).map(([name, value]) =>
    `${name}=${value}`
  );
  return await run("/usr/bin/env", [...assignments, path, ...args], "/");
}

/** Copies files and folders, as `COPY` does. */
async function copy(
  from: string,
  what: readonly string[],
  to: string,
  ignored?: ReturnType<typeof dockerignore.default>,
): Promise<void> {
  for (const path of await filesOf(from)) {
    if (ignored?.ignores(path)) continue;
    const isAsked = what.some((name) =>
      name === "." || name === path || path.startsWith(`${name}/`)
    );
    if (!isAsked) continue;
    const target = `${to}/${path}`;
    await Deno.mkdir(target.replace(/\/[^/]*$/, ""), { recursive: true });
    await Deno.copyFile(`${from}/${path}`, target);
  }
}

/** The files below a folder, without those of Git. */
export async function filesOf(
  folder: string,
  below = "",
): Promise<string[]> {
  const files: string[] = [];
  for await (
    const { name, isDirectory } of Deno.readDir(`${folder}/${below}`)
  ) {
    const path = below === "" ? name : `${below}/${name}`;
    if (!isDirectory) files.push(path);
    else if (name !== ".git") files.push(...await filesOf(folder, path));
  }
  return files;
}
