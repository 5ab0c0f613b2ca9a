/**
 * Three processes of ../node/service.ts under PM2, which are one cache. Copy both files
 * into your project, which needs `"type": "module"`:
 *
 *     npm install geecache pm2
 *     npx pm2 start ecosystem.config.cjs
 *     npx pm2 reload ecosystem.config.cjs
 *
 * Each process has a port of its own, since the others must reach that one process. So
 * these are three applications of one process each, and not three instances that share a
 * port: put a proxy in front that asks the next one while one is down.
 */

const ports = (process.env.PORTS ?? "8001,8002,8003").split(",");
const originOf = (port) => `http://127.0.0.1:${port}`;

module.exports = {
  apps: ports.map((port) => ({
    name: `service-${port}`,
    script: "service.ts",
    // PM2 would start TypeScript with Bun.
    interpreter: "node",
    exec_mode: "fork",
    // A reload goes on to the next process once this one has said that it is ready.
    wait_ready: true,
    listen_timeout: 10_000,
    // Longer than DRAIN_MS and the two seconds that service.ts leaves its clients.
    kill_timeout: 8_000,
    // More than the budgets of its groups, 200 MiB for garbage and Node itself.
    max_memory_restart: "640M",
    env: {
      NODE_ENV: "production",
      PORT: port,
      SELF: originOf(port),
      PEERS: ports.map(originOf).join(),
      DRAIN_MS: "2000",
    },
  })),
};
