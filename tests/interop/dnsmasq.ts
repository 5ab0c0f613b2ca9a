/**
 * dnsmasq, a DNS server, at a free port of this machine and with records that change.
 *
 * @module
 */

import { freePorts, Program } from "../support/process.ts";
import { Missing } from "./proxy_programs.ts";
import { until } from "./mixed.ts";

/** The domain for which it answers, and asks nobody else. */
export const DOMAIN = "geecache.test";

/** What it answers. */
export interface Records {
  /** Addresses of `peers.geecache.test`. */
  readonly addresses?: readonly string[];
  /** Ports of `localhost` that `_geecache._tcp.geecache.test` has. */
  readonly ports?: readonly number[];
}

/** A DNS server whose files are in one folder. */
export class Dnsmasq {
  readonly port: number = freePorts(1)[0]!;
  readonly #hosts: string;
  readonly #services: string;
  #program: Program | undefined;

  constructor(folder: string) {
    this.#hosts = `${folder}/hosts`;
    this.#services = `${folder}/services`;
  }

  /**
   * Starts with these records.
   *
   * @throws {Missing} If it is not on this machine.
   */
  async start(records: Records): Promise<void> {
    await this.#write(records);
    try {
      this.#program = new Program([
        ...["--keep-in-foreground", "--log-facility=-", "--pid-file"],
        ...["--listen-address=127.0.0.1", `--port=${this.port}`],
        ...["--bind-interfaces", "--no-resolv", "--no-hosts"],
        ...[`--local=/${DOMAIN}/`, `--addn-hosts=${this.#hosts}`],
        `--conf-file=${this.#services}`,
        // It would become somebody else, who may not read the folder.
        ...(Deno.uid() === 0 ? ["--user=root"] : []),
      ], { path: "dnsmasq" });
    } catch (error) {
      if (!(error instanceof Deno.errors.NotFound)) throw error;
      throw new Missing("dnsmasq is not on this machine");
    }
    await this.#program.said(/read .*hosts/);
  }

  /** Has it read other addresses, while it answers. */
  async change(addresses: readonly string[]): Promise<void> {
    await this.#write({ addresses });
    const program = this.#program!;
    const reads = (): number => program.count(/read .*hosts/);
    const before = reads();
    program.kill("SIGHUP");
    await until("addresses read again", () => reads() > before);
  }

  /** Ends it. Whoever asks is refused. */
  async stop(): Promise<void> {
    await this.#program?.stop();
  }

  async #write({ addresses = [], ports = [] }: Records): Promise<void> {
    const hosts = addresses.map((one) => `${one} peers.${DOMAIN}\n`);
    const services = ports.map((port) =>
      `srv-host=_geecache._tcp.${DOMAIN},localhost,${port}\n`
    );
    await Deno.writeTextFile(this.#hosts, hosts.join(""));
    await Deno.writeTextFile(this.#services, services.join(""));
  }
}
