/** Certificates for tests, made new in each run. */

import { generate } from "selfsigned";

export interface Identity {
  readonly cert: string;
  readonly key: string;
}

const LOCAL = { type: 7, ip: "127.0.0.1" } as const;

/** An authority with a certificate that it signed and one that it did not, both for 127.0.0.1. */
export async function identities(): Promise<
  { ca: string; ours: Identity; strangers: Identity }
> {
  const authority = await generate([{ name: "commonName", value: "tests" }], {
    keyType: "ec",
    algorithm: "sha256",
    extensions: [
      { name: "basicConstraints", cA: true, critical: true },
      { name: "keyUsage", keyCertSign: true, critical: true },
    ],
  });
  const signed = async (ca?: Identity): Promise<Identity> => {
    const { cert, private: key } = await generate(
      [{ name: "commonName", value: "127.0.0.1" }],
      {
        keyType: "ec",
        algorithm: "sha256",
        extensions: [
          { name: "extKeyUsage", serverAuth: true, clientAuth: true },
          { name: "subjectAltName", altNames: [LOCAL] },
        ],
        ...(ca && { ca }),
      },
    );
    return { cert, key };
  };
  return {
    ca: authority.cert,
    ours: await signed({ cert: authority.cert, key: authority.private }),
    strangers: await signed(),
  };
}
