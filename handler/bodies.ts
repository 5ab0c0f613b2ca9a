/**
 * Reads the bodies of requests, within limits of size and time.
 *
 * @module
 */

import type { Clock } from "../base/clock.ts";
import { messageOf } from "./answers.ts";
import { MAX_TIMEOUTS, Watchdog } from "../base/watchdog.ts";
import { bodyHeadOf, isSmall, readBody } from "../protocol/wire.ts";

/** Options for {@linkcode Bodies}. */
export interface BodiesOptions {
  maxBodyBytes: number;
  /** How long a body may give no sign of life. */
  timeoutMs: number;
  clock: Clock;
}

/** Why there is no body. */
export interface NoBody {
  status: 400 | 408 | 413;
  message: string;
}

/** Reads the bodies of one pool's requests. */
export class Bodies {
  readonly #options: BodiesOptions;
  readonly #closing = new AbortController();

  constructor(options: BodiesOptions) {
    this.#options = options;
  }

  /** Ends all reading. */
  close(): void {
    this.#closing.abort(new Error("the pool is closed"));
  }

  /** The body, or why there is none; the rest of it is cancelled then. */
  async read(
    request: Request,
  ): Promise<Uint8Array<ArrayBuffer> | NoBody | "closed"> {
    const { maxBodyBytes, timeoutMs, clock } = this.#options;
    const closing = this.#closing.signal;
    const wait = new Watchdog(clock);
    const close = (): void => wait.cutShort(closing.reason);
    closing.addEventListener("abort", close, { once: true });
    const late = (what: string): void =>
      wait.cutShort(new Error(`the body ${what}`));
    // A body that comes in one go gives no sign of life in between.
    const head = bodyHeadOf(request.headers);
    const what = isSmall(head) ? "took longer than" : "was silent for";
    wait.watch(timeoutMs, () => late(`${what} ${timeoutMs} ms`));
    const maxMs = MAX_TIMEOUTS * timeoutMs;
    const until = clock.now() + maxMs;
    const onChunk = (): void => {
      wait.onSignOfLife();
      if (clock.now() > until) late(`took longer than ${maxMs} ms`);
    };
    try {
      const reading = readBody(
        request,
        head,
        maxBodyBytes,
        wait.signal,
        onChunk,
      );
      const body = await Promise.race([reading, wait.cut]);
      return body ?? {
        status: 413,
        message: `the body is larger than ${maxBodyBytes} bytes`,
      };
    } catch {
      if (closing.aborted) return "closed";
      return wait.signal.aborted
        ? { status: 408, message: messageOf(wait.signal.reason) }
        : { status: 400, message: "the body could not be read" };
    } finally {
      wait.end();
      closing.removeEventListener("abort", close);
    }
  }
}
