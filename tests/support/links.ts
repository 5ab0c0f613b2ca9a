/** Links by hand: an asker that sends a handler whatever a test likes, and frames as values. */

import type { HTTPPool } from "../../mod.ts";
import {
  ASK,
  FrameReader,
  FrameWriter,
  HEAD_BYTES,
} from "../../protocol/link.ts";
import { settle } from "./time.ts";

/** A frame as it is compared. */
export interface Frame {
  readonly kind: number;
  readonly id: number;
  readonly text: string;
  readonly bytes: Uint8Array;
}

/** The bytes of the frames that `write` writes. */
export function framesBy(
  write: (to: FrameWriter) => void,
): Uint8Array<ArrayBuffer> {
  const writer = new FrameWriter();
  write(writer);
  return writer.take();
}

/** The bytes of a frame, also of one that claims another length than it has. */
export function rawFrame(
  kind: number,
  id: number,
  bytes: ArrayLike<number> = [],
  length: number = bytes.length,
): Uint8Array<ArrayBuffer> {
  const frame = new Uint8Array(HEAD_BYTES + bytes.length);
  const numbers = new DataView(frame.buffer);
  numbers.setUint32(0, length);
  frame[4] = kind;
  numbers.setUint32(5, id);
  frame.set(bytes, HEAD_BYTES);
  return frame;
}

/** Parts one behind the other. */
export function concat(...parts: Uint8Array[]): Uint8Array<ArrayBuffer> {
  let length = 0;
  for (const part of parts) length += part.length;
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const decoder = new TextDecoder();

/** Collects frames of any length as their bytes come. */
export class Frames {
  readonly all: Frame[] = [];
  readonly #reader = new FrameReader(2 ** 32 - 1);

  add(bytes: Uint8Array): void {
    this.#reader.push(bytes, (kind, id, all, from, end) => {
      const bytes = all.slice(from, end);
      this.all.push({ kind, id, bytes, text: decoder.decode(bytes) });
      return true;
    });
  }
}

/** A stream whose other end a test holds. */
export function held(): {
  stream: ReadableStream<Uint8Array<ArrayBuffer>>;
  controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  /** Why nobody reads it any more. */
  cancelled: unknown[];
} {
  let controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  const cancelled: unknown[] = [];
  const stream = new ReadableStream<Uint8Array<ArrayBuffer>>({
    start: (given) => void (controller = given),
    cancel: (reason) => void cancelled.push(reason),
  }, { highWaterMark: 0 });
  return { stream, controller, cancelled };
}

export interface AskerOptions {
  /** Other headers; one that is `undefined` is not sent. */
  headers?: Record<string, string | undefined>;
  method?: string;
  path?: string;
  /** Whether it reads what comes; default: it does. */
  reads?: boolean;
}

/** A link to the handler of a pool. */
export class Asker {
  readonly response: Response;
  readonly #up: ReturnType<typeof held>;
  readonly #down = new Frames();
  #reader: ReadableStreamDefaultReader<Uint8Array> | undefined;
  #end: string | undefined;

  private constructor(response: Response, up: ReturnType<typeof held>) {
    this.response = response;
    this.#up = up;
  }

  /** Opens a link and says hello, without waiting for what comes back. */
  static async open(
    pool: HTTPPool,
    options: AskerOptions = {},
  ): Promise<Asker> {
    const up = held();
    const { method = "POST", path = "/_geecache/", reads = true } = options;
    const headers = Object.entries({
      "Geecache-Peer": "http://asker",
      "Geecache-Link": "1",
      ...options.headers,
    }).filter((header): header is [string, string] => header[1] !== undefined);
    const request = new Request(`${pool.self}${path}`, {
      method,
      headers,
      body: up.stream,
      duplex: "half",
    } as RequestInit);
    up.controller.enqueue(framesBy((to) => to.head(ASK.ping, 0)));
    const asker = new Asker(await pool.handler(request), up);
    if (reads && asker.response.status === 200) asker.read();
    return asker;
  }

  /** The frames that came, without the first pong. */
  get frames(): readonly Frame[] {
    return this.#down.all.slice(1);
  }

  /** All frames that came. */
  get all(): readonly Frame[] {
    return this.#down.all;
  }

  /** How the link ended: `"in order"`, or the error; `undefined`: it goes on. */
  get end(): string | undefined {
    return this.#end;
  }

  /** How many parts were sent that the handler has not read yet. */
  get unread(): number {
    return -(this.#up.controller.desiredSize ?? 0);
  }

  /** Whether the handler reads no more, and why. */
  get cancelled(): readonly unknown[] {
    return this.#up.cancelled;
  }

  /** Reads what comes from now on. */
  async read(): Promise<void> {
    this.#reader = this.response.body!.getReader();
    try {
      for (;;) {
        const { done, value } = await this.#reader.read();
        if (done) break;
        this.#down.add(value);
      }
      this.#end = "in order";
    } catch (error) {
      this.#end = `${error}`;
    }
  }

  /** Sends frames, and lets everything happen that needs no time. */
  async say(write: (to: FrameWriter) => void): Promise<void> {
    await this.send(framesBy(write));
  }

  /** Names group 0 `g` and asks for keys of it, numbered from 1. */
  async ask(keys: readonly string[]): Promise<void> {
    await this.say((to) => {
      to.text(ASK.group, 0, "g");
      for (const [i, key] of keys.entries()) {
        to.question(ASK.get, i + 1, 0, 0, key);
      }
    });
  }

  async send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    this.#up.controller.enqueue(bytes);
    await settle();
  }

  /** Ends its body in order. */
  async finish(): Promise<void> {
    this.#up.controller.close();
    await settle();
  }

  /** The connection breaks. */
  async cut(error: unknown = new TypeError("connection reset")): Promise<void> {
    this.#up.controller.error(error);
    await settle();
  }

  /** Reads no more. */
  async leave(): Promise<void> {
    await (this.#reader ?? this.response.body)!.cancel(new Error("left"));
    await settle();
  }
}

/** A link as a peer made by hand sees it. */
export class ServedByHand {
  readonly #down = held();
  readonly #up = new Frames();
  readonly #body: ReadableStream<Uint8Array>;
  readonly #signal: AbortSignal;
  #isOver = false;
  #end: string | undefined;

  constructor(request: Request, reads: boolean) {
    this.#body = request.body!;
    this.#signal = request.signal;
    if (reads) this.read();
  }

  /** The answer that opens it. */
  answer(request: Request, headers: Record<string, string> = {}): Response {
    return new Response(this.#down.stream, {
      headers: {
        "Geecache-Result": "link",
        "Geecache-Link": "1",
        "Geecache-Target": request.headers.get("Geecache-Target")!,
        ...headers,
      },
    });
  }

  /** Reads what the asker says from now on. */
  async read(): Promise<void> {
    try {
      for await (const bytes of this.#body) this.#up.add(bytes);
      this.#end = "in order";
    } catch (error) {
      this.#end = `${error}`;
    }
  }

  /** What the asker said, without its first two pings. */
  get frames(): readonly Frame[] {
    return this.#up.all.slice(2);
  }

  /** The questions that came, in order, with their keys. */
  get questions(): { kind: number; id: number; key: string }[] {
    return this.frames.filter(({ kind }) =>
      kind === ASK.get || kind === ASK.peek
    ).map(({ kind, id, text }) => ({ kind, id, key: text.slice(4) }));
  }

  /** The number of the question for a key. */
  idOf(key: string): number {
    const question = this.questions.findLast((one) => one.key === key);
    if (question === undefined) throw new Error(`${key} was not asked for`);
    return question.id;
  }

  /** How the asker ended its body; `undefined`: it goes on. */
  get end(): string | undefined {
    return this.#end;
  }

  /** Whether the asker reads no more. */
  get isLeft(): boolean {
    return this.#down.cancelled.length > 0;
  }

  /** Whether nothing more can be said. */
  get isOver(): boolean {
    return this.#isOver || this.isLeft;
  }

  /** Whether the asker gave up its request before it was answered. */
  get isAborted(): boolean {
    return this.#signal.aborted;
  }

  /** How many parts wait until the asker reads them. */
  get unread(): number {
    return -(this.#down.controller.desiredSize ?? 0);
  }

  async say(write: (to: FrameWriter) => void): Promise<void> {
    await this.send(framesBy(write));
  }

  async send(bytes: Uint8Array<ArrayBuffer>): Promise<void> {
    if (!this.isOver) this.#down.controller.enqueue(bytes);
    await settle();
  }

  async finish(): Promise<void> {
    if (!this.isOver) this.#down.controller.close();
    this.#isOver = true;
    await settle();
  }

  async cut(error: unknown = new TypeError("connection reset")): Promise<void> {
    if (!this.isOver) this.#down.controller.error(error);
    this.#isOver = true;
    await settle();
  }
}

/** A peer made by hand, for the `fetch` of a pool. */
export class PeerByHand {
  /** The requests that are no links, in order: method and key. */
  readonly requests: string[] = [];
  readonly links: ServedByHand[] = [];
  /** Answers a request for a key. */
  onRequest: (request: Request, key: string) => Promise<Response> | Response = (
    request,
    key,
  ) => this.valueOf(request, `<${key}>`);
  /** Answers the request for a link; default: says hello. */
  onLink: (
    link: ServedByHand,
    request: Request,
  ) => Promise<Response> | Response = (link, request) => {
    link.say((to) => {
      to.head(10, 0);
      to.head(10, 1);
    });
    return link.answer(request, this.headers);
  };
  /** Whether it reads what comes over links. */
  reads = true;
  /** Whether its answers say that it takes links. */
  takesLinks = true;
  /** What else all its answers say. */
  headers: Record<string, string> = {};

  /** A value, as a peer answers. */
  valueOf(request: Request, text: string): Response {
    return this.say(request, 200, "value", text, {
      "Geecache-Length": String(new TextEncoder().encode(text).length),
    });
  }

  /** Any answer to a request. */
  say(
    request: Request,
    status: number,
    result: string,
    text = "",
    headers: Record<string, string> = {},
  ): Response {
    const mark = request.headers.get("Geecache-Target");
    return new Response(text, {
      status,
      headers: {
        "Geecache-Result": result,
        ...(this.takesLinks ? { "Geecache-Link": "1" } : {}),
        ...(mark === null ? {} : { "Geecache-Target": mark }),
        ...this.headers,
        ...headers,
      },
    });
  }

  /** The link that was opened last. */
  get link(): ServedByHand {
    const link = this.links.at(-1);
    if (link === undefined) throw new Error("no link was opened");
    return link;
  }

  readonly fetch = async (request: Request): Promise<Response> => {
    const { method, url, headers, signal } = request;
    if (headers.has("Geecache-Link")) {
      const link = new ServedByHand(request, this.reads);
      this.links.push(link);
      return await orAborted(signal, this.onLink(link, request));
    }
    const path = new URL(url).pathname.split("/").slice(2);
    const key = path.length === 2
      ? decodeURIComponent(path[1]!)
      : await request.clone().text();
    this.requests.push(`${method} ${key}`);
    return await orAborted(signal, this.onRequest(request, key));
  };
}

/** Ends the wait for an answer like `fetch` does. */
async function orAborted(
  signal: AbortSignal,
  answer: Promise<Response> | Response,
): Promise<Response> {
  const aborted = new Promise<never>((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener("abort", () => reject(signal.reason), {
      once: true,
    });
  });
  aborted.catch(() => {});
  return await Promise.race([answer, aborted]);
}
