/**
 * The files that keep nodes apart from strangers: certificates and secrets.
 *
 * @module
 */

import type { HTTPPoolOptions } from "../mod.ts";
import { Exit, messageOf } from "./exit.ts";
import type { Identity } from "./servers.ts";
import type { Settings } from "./config.ts";

type ReadFile = (name: string) => string;

/**
 * The certificates that settings name; `undefined` if there are none.
 *
 * @throws {Exit} if one is missing or cannot be read
 */
export function identityOf(
  settings: Pick<Settings, "tls-cert" | "tls-key" | "tls-ca">,
  readFile: ReadFile,
): Identity | undefined {
  const {
    "tls-cert": cert,
    "tls-key": key,
    "tls-ca": ca,
  } = settings;
  if (cert === undefined && key === undefined && ca === undefined) {
    return undefined;
  }
  if (cert === undefined || key === undefined) {
    const missing = cert === undefined ? "--tls-cert" : "--tls-key";
    throw new Exit(
      `--tls-cert and --tls-key go together: ${missing} is not there`,
      2,
    );
  }
  const read = (file: string): string => readSafely(file, readFile);
  return {
    cert: read(cert),
    key: read(key),
    ca: ca === undefined ? undefined : read(ca),
  };
}

/**
 * What a pool is told of secrets and certificates.
 *
 * @throws {Exit} if a file cannot be read, or has no secret
 */
export async function trustOf(
  settings: Pick<Settings, "secret-file" | "cluster">,
  identity: Identity | undefined,
  readFile: ReadFile,
): Promise<HTTPPoolOptions> {
  const { "secret-file": file, cluster } = settings;
  const options: HTTPPoolOptions = {};
  if (cluster !== undefined) options.cluster = cluster;
  if (file !== undefined) {
    options.secret = readSafely(file, readFile).split("\n")
      .map((line) => line.trim()).filter((line) => line !== "");
    if (options.secret.length === 0) {
      throw new Exit(`Cannot read ${file}: there is no secret in it`, 2);
    }
  }
  if (identity?.ca !== undefined) {
    const { ca, cert, key } = identity;
    const { keepAliveFetch } = await import("../node.ts");
    // It trusts that authority alone, shows the certificate of this node, and uses no
    // proxy.
    options.fetch = keepAliveFetch({ ca, cert, key });
  }
  return options;
}

function readSafely(file: string, readFile: ReadFile): string {
  try {
    return readFile(file);
  } catch (error) {
    throw new Exit(`Cannot read ${file}: ${messageOf(error)}`);
  }
}
