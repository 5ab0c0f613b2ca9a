/** A network in memory through which pools reach each other, and which a test can break. */

import {
  ASK,
  FrameReader,
  MAX_ANSWER_BYTES,
  MAX_ASK_BYTES,
  QUESTION_BYTES,
  uint16,
} from "../../protocol/link.ts";
import { groupPath, keyPath } from "../../protocol/wire.ts";
import { FakeClock, nextTask } from "./time.ts";
import { Wire } from "./wires.ts";

type Handler = (request: Request) => Promise<Response> | Response;

/** What a test puts in front of a node: it may pass a request on, or another one, or none. */
export type Fault = (
  request: Request,
  next: (other?: Request) => Promise<Response>,
) => Promise<Response> | Response;

/** A question for a key, whether it is a request of its own or travels on a link. */
export interface Sent {
  readonly from: string;
  readonly to: string;
  readonly method: string;
  readonly path: string;
  /** Whether it asked only for what is in memory. */
  readonly peeks: boolean;
}

/** A frame that left its sender. */
export interface SentFrame {
  /** The asker of the link, and who serves it. */
  readonly from: string;
  readonly to: string;
  readonly way: "ask" | "answer";
  readonly at: number;
  readonly kind: number;
  readonly id: number;
  /** What follows the head. */
  readonly bytes: Uint8Array;
}

/**
 * What becomes of the links to a node. `"pass"`: they are served. `"refuse"`: those that
 * are open break, and something in front of the node answers 404 to new ones. `"hold"`:
 * the same, but something waits for the end of the body. `"silent"`: no byte of theirs
 * arrives. `"fault"`: the node's fault sees the requests that open them.
 */
export type LinksMeanwhile = "pass" | "refuse" | "hold" | "silent" | "fault";

/** The keys that are asked for in one piece of a link's body. */
export interface AskedOnLink {
  readonly from: string;
  readonly to: string;
  readonly keys: string[];
  readonly headers: Headers;
  readonly bytes: Uint8Array;
}

/** An answer made by hand that says what it is about, as those of a pool do. */
export function about(request: Request, answer: Response): Response {
  const { headers } = answer;
  const mark = request.headers.get(MARK);
  if (mark !== null && headers.has("Geecache-Result") && !headers.has(MARK)) {
    headers.set(MARK, mark);
  }
  return answer;
}

/** The request as it is behind a proxy that changes paths. */
export function withPath(
  request: Request,
  change: (path: string) => string,
): Request {
  const { origin, pathname, search } = new URL(request.url);
  return new Request(origin + change(pathname) + search, request);
}

/** The request for whoever passes it on later: it does not end when its sender leaves. */
export async function detached(request: Request): Promise<Request> {
  const { url, method, headers } = request;
  const body = await request.arrayBuffer();
  return new Request(
    url,
    body.byteLength === 0 ? { method, headers } : { method, headers, body },
  );
}

/** Changes a path as nginx does behind `proxy_pass http://app/;`. */
export function tidied(path: string): string {
  const segments: string[] = [];
  for (const segment of decodeURIComponent(path).split(/\/+/)) {
    if (segment === "..") segments.pop();
    else if (segment !== ".") segments.push(segment);
  }
  return segments.map((segment) => encodeURI(segment).replace(/[?#]/g, escape))
    .join("/");
}

const MARK = "Geecache-Target";
const LINK = "Geecache-Link";

const decoder = new TextDecoder();

/** Who sees first that a connection broke. */
export type Side = "asker" | "server";

/** A link, and what breaks it. */
interface OpenLink {
  readonly from: string;
  readonly to: string;
  readonly up: Wire;
  down?: Wire;
  /** Both sides see an error, one of them a little later. */
  break(error: unknown, first: Side): Promise<void>;
}

export class FakeNetwork {
  readonly clock: FakeClock = new FakeClock();
  /** Every request that was sent, in order, and every question on a link; no link's opening. */
  readonly sent: Sent[] = [];
  /** Every frame that was sent, in order. */
  readonly frames: SentFrame[] = [];
  /** The links that were asked for, in order. */
  readonly openings: { readonly from: string; readonly to: string }[] = [];
  readonly #listeners = new Map<string, (asked: AskedOnLink) => void>();
  readonly #handlers = new Map<string, Handler>();
  readonly #faults = new Map<string, Fault>();
  readonly #meanwhile = new Map<string, (from: string) => LinksMeanwhile>();
  readonly #silent = new Set<string>();
  readonly #delays = new Map<string, number>();
  readonly #links = new Set<OpenLink>();
  #cut: (from: string, to: string) => boolean = () => false;

  /** Puts a node on the network, or replaces it. */
  join(origin: string, handler: Handler): void {
    this.#breakLinks(({ to }) => to === origin);
    this.#handlers.set(origin, handler);
  }

  /** The fetch with which the node at `from` reaches others. */
  fetchFrom(from: string): (request: Request) => Promise<Response> {
    return async (request) => {
      const { origin: to, pathname, search } = new URL(request.url);
      const { method, signal, headers } = request;
      const isLink = headers.has(LINK);
      const peeks = headers.has("Geecache-Peek");
      if (isLink) this.openings.push({ from, to });
      else this.sent.push({ from, to, method, path: pathname + search, peeks });
      const handler = this.#handlers.get(to);
      if (handler === undefined || this.#cut(from, to)) {
        throw new TypeError("connection refused");
      }
      const answer = isLink
        ? this.#openLink(from, to, request, handler)
        : this.#answer(to, request, handler);
      answer.catch(() => {});
      const aborted = new Promise<never>((_, reject) => {
        if (signal.aborted) reject(signal.reason);
        signal.addEventListener("abort", () => reject(signal.reason), {
          once: true,
        });
      });
      return await Promise.race([answer, aborted]);
    };
  }

  async #answer(
    to: string,
    request: Request,
    handler: Handler,
  ): Promise<Response> {
    const next = async (other = request): Promise<Response> =>
      await handler(other);
    if (this.#silent.has(to)) return await new Promise(() => {});
    const fault = this.#faults.get(to);
    return fault === undefined
      ? await next()
      : about(request, await fault(request, next));
  }

  async #openLink(
    from: string,
    to: string,
    request: Request,
    handler: Handler,
  ): Promise<Response> {
    const { url, method, headers, signal } = request;
    const { clock } = this;
    const delayMs = (): number => this.#delays.get(to) ?? 0;
    const isHeld = (): boolean => this.#meanwhileOf(from, to) === "silent";
    const onBreak = (error: unknown, first: Side = "asker"): void =>
      void link.break(error, first);
    const up = new Wire(request.body!, {
      clock,
      weather: { isHeld, delayMs: () => 0 },
      onSent: this.#recorder(from, to, url, headers),
    });
    const link: OpenLink = {
      from,
      to,
      up,
      break: async (error, first) => {
        this.#links.delete(link);
        if (first === "server") link.down?.drop();
        for (const side of first === "asker" ? [0, 1] : [1, 0]) {
          if (side === 0) {
            up.reject(error);
            link.down?.sever(error);
          } else {
            up.sever(error);
            link.down?.reject(error);
          }
          await nextTask();
        }
      },
    };
    this.#links.add(link);
    signal.addEventListener("abort", () => onBreak(signal.reason), {
      once: true,
    });
    const behind = new Request(url, {
      method,
      headers,
      signal,
      body: up.out,
      duplex: "half",
    } as RequestInit);
    let answer: Response;
    try {
      answer = await this.#answerLink(from, to, behind, handler);
    } catch (error) {
      onBreak(error);
      throw error;
    }
    if (answer.body === null) {
      onBreak(new TypeError("the exchange is over"));
      return answer;
    }
    const down = new Wire(answer.body, {
      clock,
      weather: { isHeld, delayMs },
      onSent: this.#frames(from, to, "answer", MAX_ANSWER_BYTES),
      // The connection serves another request from then on.
      onEnd: () => {
        this.#links.delete(link);
        up.sever(new TypeError("the answer is over"));
      },
      // The server sees it later: what the asker sent before it left arrives first.
      onLeft: (reason) =>
        onBreak(reason ?? new TypeError("the connection was closed")),
    });
    link.down = down;
    if (!this.#links.has(link)) onBreak(new TypeError("connection reset"));
    if (delayMs() > 0) {
      await new Promise<void>((resolve) => clock.after(delayMs(), resolve));
    }
    return new Response(down.out, answer);
  }

  async #answerLink(
    from: string,
    to: string,
    request: Request,
    handler: Handler,
  ): Promise<Response> {
    const next = async (other = request): Promise<Response> =>
      await handler(other);
    switch (this.#meanwhileOf(from, to)) {
      case "silent":
        return await new Promise(() => {});
      case "refuse":
        return new Response("no such page", { status: 404 });
      case "hold":
        return await next(await detached(request));
      case "fault":
        return about(request, await this.#faults.get(to)!(request, next));
    }
    return await next();
  }

  /** Notes the questions of a link. */
  #recorder(
    from: string,
    to: string,
    url: string,
    headers: Headers,
  ): (bytes: Uint8Array) => void {
    const basePath = new URL(url).pathname;
    const groups: string[] = [];
    let keys: string[] = [];
    const read = this.#frames(from, to, "ask", MAX_ASK_BYTES, (frame) => {
      const { kind, id, bytes } = frame;
      if (kind === ASK.group) groups[id] = decoder.decode(bytes);
      if (kind !== ASK.get && kind !== ASK.peek) return;
      const group = groups[uint16(bytes, 0)]!;
      const key = decoder.decode(bytes.subarray(QUESTION_BYTES));
      const path = keyPath(basePath, group, key);
      keys.push(key);
      this.sent.push({
        from,
        to,
        method: path === undefined ? "POST" : "GET",
        path: path ?? groupPath(basePath, group),
        peeks: kind === ASK.peek,
      });
    });
    return (bytes) => {
      read(bytes);
      if (keys.length === 0) return;
      this.#listeners.get(to)?.({ from, to, keys, headers, bytes });
      keys = [];
    };
  }

  #frames(
    from: string,
    to: string,
    way: "ask" | "answer",
    maxBytes: number,
    onFrame: (frame: SentFrame) => void = () => {},
  ): (bytes: Uint8Array) => void {
    const reader = new FrameReader(maxBytes);
    let isReadable = true;
    return (chunk) => {
      if (!isReadable) return;
      try {
        reader.push(chunk, (kind, id, all, begin, end) => {
          const at = this.clock.now();
          const bytes = all.slice(begin, end);
          const frame = { from, to, way, at, kind, id, bytes };
          this.frames.push(frame);
          onFrame(frame);
          return true;
        });
      } catch {
        // A test may send what is no frame.
        isReadable = false;
      }
    };
  }

  /** How many of the requests match, and of the questions on links. */
  count(which: Partial<Sent>): number {
    const fields = Object.entries(which) as [keyof Sent, unknown][];
    return this.sent.filter((one) =>
      fields.every(([field, value]) => one[field] === value)
    ).length;
  }

  /** Calls `heard` for the questions on links to a node. */
  listen(origin: string, heard: (asked: AskedOnLink) => void): void {
    this.#listeners.set(origin, heard);
  }

  /** How many links to a node are open, or are being opened. */
  linksTo(origin: string): number {
    return [...this.#links].filter(({ to }) => to === origin).length;
  }

  /**
   * Puts a fault before a node; without one, takes away whatever was wrong with it. A
   * fault is about requests, so by default there are no links to the node meanwhile.
   */
  fault(
    origin: string,
    fault?: Fault,
    links: LinksMeanwhile = fault === undefined ? "pass" : "refuse",
  ): void {
    if (fault === undefined) this.#faults.delete(origin);
    else this.#faults.set(origin, fault);
    this.#silent.delete(origin);
    this.#delays.delete(origin);
    this.links(origin, links);
  }

  /** What becomes of links to a node from now on: of all, or of those from each other node. */
  links(
    origin: string,
    meanwhile: LinksMeanwhile | ((from: string) => LinksMeanwhile),
  ): void {
    this.#meanwhile.set(
      origin,
      typeof meanwhile === "string" ? () => meanwhile : meanwhile,
    );
    this.#breakLinks(({ from, to }) =>
      to === origin &&
      ["refuse", "hold"].includes(this.#meanwhileOf(from, to))
    );
    for (const { up, down } of this.#links) {
      up.look();
      down?.look();
    }
  }

  #meanwhileOf(from: string, to: string): LinksMeanwhile {
    return this.#meanwhile.get(to)?.(from) ?? "pass";
  }

  /** The answers on links to a node take `ms` longer. */
  slowLinks(origin: string, ms: number): void {
    this.#delays.set(origin, ms);
  }

  /** The open links to a node, or all links, are reset. Nothing else fails. */
  cutLinks(origin?: string, first?: Side): void {
    this.#breakLinks(({ to }) => origin === undefined || to === origin, first);
  }

  #breakLinks(
    which: (link: OpenLink) => boolean,
    first: Side = "server",
  ): void {
    for (const link of [...this.#links]) {
      if (which(link)) link.break(new TypeError("connection reset"), first);
    }
  }

  /** The node refuses connections, and those that are open break. */
  kill(origin: string): void {
    this.#handlers.delete(origin);
    this.#breakLinks(({ from, to }) => from === origin || to === origin);
  }

  /** The node takes requests and never answers. No bytes of links to it arrive. */
  silence(origin: string): void {
    this.fault(origin, undefined, "silent");
    this.#silent.add(origin);
  }

  /** Every answer of the node takes `ms` longer, and so do the bytes of links to it. */
  delay(origin: string, ms: number): void {
    this.fault(origin, async (_request, next) => {
      const response = await next();
      await new Promise<void>((resolve) => this.clock.after(ms, resolve));
      return response;
    }, "pass");
    this.slowLinks(origin, ms);
  }

  /** The node's bodies break off after so many bytes. */
  cut(origin: string, bytes: number): void {
    this.fault(origin, async (_request, next) => {
      const response = await next();
      const whole = new Uint8Array(await response.arrayBuffer());
      const body = new ReadableStream({
        start(controller) {
          controller.enqueue(whole.slice(0, bytes));
          controller.error(new TypeError("connection reset"));
        },
      });
      return new Response(body, response);
    });
  }

  /** No request crosses from one side to the other; without sides, all do. */
  partition(...sides: string[][]): void {
    const sideOf = (o: string) => sides.findIndex((side) => side.includes(o));
    this.#cut = (from, to) => sideOf(from) !== sideOf(to);
    this.#breakLinks(({ from, to }) => this.#cut(from, to));
  }
}
