/** The limits of SECURITY.md behind `Deno.serve`, on real sockets. */

import { testLimits } from "../support/limits.ts";

testLimits({
  name: "Deno.serve",
  serve: async (handler, run) => {
    const server = Deno.serve(
      { hostname: "127.0.0.1", port: 0, onListen: () => {} },
      handler,
    );
    try {
      await run(server.addr.port);
    } finally {
      await server.shutdown();
    }
  },
  maxHeadBytes: 64 * 1024,
  tooLarge: 400,
  malformed: 400,
});
