/**
 * Names and addresses of hosts.
 *
 * @module
 */

/** Whether a host name, such as `localhost` or `[::1]`, always means this machine. */
export function isLoopbackName(name: string): boolean {
  return name === "localhost" || name.endsWith(".localhost") ||
    name === "[::1]" || name === "::1" || /^127(\.\d{1,3}){3}$/.test(name);
}

/** A host name or an address as URLs have it: `[::1]` for `::1`. */
export function hostInUrl(host: string): string {
  const isBare = host.includes(":") && !host.startsWith("[");
  return (isBare ? `[${host}]` : host).toLowerCase();
}
