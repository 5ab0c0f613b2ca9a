/**
 * A certificate authority of one's own and two certificates that it signed, for
 * trying out the examples with TLS.
 *
 *     deno run --allow-write=certs --allow-read=certs examples/certificates.ts certs
 *
 * It writes `ca.crt`, `a.crt`, `a.key`, `b.crt` and `b.key`. On Node:
 * `npm install selfsigned`, then `node certificates.ts certs`.
 */

import { mkdir, writeFile } from "node:fs/promises";
import process from "node:process";
import { generate } from "selfsigned";

const [folder] = process.argv.slice(2);
if (folder === undefined) {
  console.error("Usage: certificates.ts FOLDER");
  process.exit(2);
}

const nameOf = (value: string) => [{ name: "commonName", value }];
const common = { keyType: "ec", algorithm: "sha256" } as const;

// Its key is not written, so that it signs nothing but these two.
const authority = await generate(nameOf("The authority of a trial"), {
  ...common,
  extensions: [
    { name: "basicConstraints", cA: true, critical: true },
    { name: "keyUsage", keyCertSign: true, critical: true },
  ],
});

await mkdir(folder, { recursive: true });
await writeFile(`${folder}/ca.crt`, authority.cert);
for (const name of ["a", "b"]) {
  const signed = await generate(nameOf(name), {
    ...common,
    ca: { key: authority.private, cert: authority.cert },
    extensions: [
      { name: "basicConstraints", cA: false, critical: true },
      { name: "keyUsage", digitalSignature: true, critical: true },
      // A peer serves its certificate, and shows it to those that it asks.
      { name: "extKeyUsage", serverAuth: true, clientAuth: true },
      {
        name: "subjectAltName",
        altNames: [
          { type: 2, value: "localhost" },
          { type: 7, ip: "127.0.0.1" },
        ],
      },
    ],
  });
  await writeFile(`${folder}/${name}.crt`, signed.cert);
  await writeFile(`${folder}/${name}.key`, signed.private, { mode: 0o600 });
}
console.log(`Written to ${folder}`);
