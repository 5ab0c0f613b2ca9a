/**
 * Makes a private certificate authority and two certificates that it signs, so
 * that you can try the examples with TLS. To run it:
 *
 *     deno run --allow-write=certs --allow-read=certs examples/certificates.ts certs
 *
 * It writes `ca.crt`, `a.crt`, `a.key`, `b.crt` and `b.key` into the folder. On
 * Node, run `npm install selfsigned`, then `node certificates.ts certs`.
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

// The key of the authority is not saved, so it can never sign anything else.
const authority = await generate(nameOf("Authority for trying the examples"), {
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
      // A peer presents its certificate both when it answers and when it asks.
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
