/** A server that answers as JSR does, for this project's own package. */

import config from "../../deno.json" with { type: "json" };
import { libraryFiles } from "../../scripts/library.ts";

const root = new URL("../../", import.meta.url);

/** The package's files with their bytes. */
async function filesOf(
  include: string[],
): Promise<Map<string, Uint8Array<ArrayBuffer>>> {
  const files = new Map<string, Uint8Array<ArrayBuffer>>();
  const papers = include.filter((name) => /\.(md|json)$|^LICENSE$/.test(name));
  for (const name of [...papers, ...await libraryFiles()]) {
    files.set(`/${name}`, await Deno.readFile(new URL(name, root)));
  }
  return files;
}

async function describe(
  bytes: Uint8Array<ArrayBuffer>,
): Promise<{ size: number; checksum: string }> {
  const digest = await crypto.subtle.digest("SHA-256", bytes);
  return {
    size: bytes.length,
    checksum: `sha256-${new Uint8Array(digest).toHex()}`,
  };
}

/** Serves the package; `url` ends with a slash, as `https://jsr.io/` does. */
export async function serveJsr(): Promise<
  { url: string; close: () => Promise<void> }
> {
  const files = await filesOf(config.publish.include);
  const manifest: Record<string, unknown> = {};
  for (const [name, bytes] of files) manifest[name] = await describe(bytes);

  const [scope, name] = config.name.split("/");
  const versions = { [config.version]: {} };
  const documents: Record<string, unknown> = {
    "meta.json": {
      scope: scope!.slice(1),
      name,
      latest: config.version,
      versions,
    },
    [`${config.version}_meta.json`]: { exports: config.exports, manifest },
  };

  const server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    (request) => {
      const { pathname } = new URL(request.url);
      const path = pathname.slice(`/${config.name}/`.length);
      if (path in documents) return Response.json(documents[path]);
      const bytes = files.get(path.slice(config.version.length));
      return bytes === undefined || !path.startsWith(`${config.version}/`)
        ? new Response(null, { status: 404 })
        : new Response(bytes, {
          headers: { "Content-Type": "application/typescript" },
        });
    },
  );
  return {
    url: `http://127.0.0.1:${server.addr.port}/`,
    close: () => server.shutdown(),
  };
}
