/** What a server can do, asked over raw sockets. */

import { ROUND_MS } from "./_rate.ts";

/** How many connections ask a server at once. */
const CONNECTIONS = 32;

/**
 * Answers per second of a server to clients that only write a request and wait
 * for its whole answer. `fetch` would take longer than the server, so it would
 * measure itself.
 *
 * @param body What every answer must end with.
 */
export async function pace(
  port: number,
  path: string,
  body: string,
): Promise<number> {
  const request = new TextEncoder().encode(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\n\r\n`,
  );
  const open = await Promise.all(
    Array.from(
      { length: CONNECTIONS },
      () => Deno.connect({ hostname: "127.0.0.1", port }),
    ),
  );
  let answered = 0;
  const begin = performance.now();
  const end = begin + ROUND_MS;
  const worker = async (connection: Deno.TcpConn): Promise<void> => {
    const bytes = new Uint8Array(4096);
    // All answers have the same length.
    let length = 0;
    while (performance.now() < end) {
      await connection.write(request);
      let got = 0;
      do got += await connection.read(bytes) ?? 0; while (got < length);
      if (length === 0) {
        const text = new TextDecoder().decode(bytes.subarray(0, got));
        const whole = text.startsWith("HTTP/1.1 200") && text.endsWith(body);
        if (!whole) throw new Error(`no answer came, but ${text}`);
        length = got;
      }
      if (got !== length) throw new Error(`${got} bytes came, not ${length}`);
      answered++;
    }
  };
  try {
    await Promise.all(open.map(worker));
    return answered / (performance.now() - begin) * 1000;
  } finally {
    for (const connection of open) connection.close();
  }
}
