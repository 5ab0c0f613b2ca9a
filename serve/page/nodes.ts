/**
 * Asks the other nodes of the list what they tell of themselves.
 *
 * @module
 */

import { type NodeState, readState } from "./state.ts";

/** Sends a request, as `fetch` does. */
export type Fetch = (request: Request) => Promise<Response>;

/** A node's answer, or why there is none. */
export type Told =
  | { readonly state: NodeState; readonly why?: undefined }
  | {
    readonly state?: undefined;
    /** `"silent"`: nothing came in time. `"strange"`: it has no such page. */
    readonly why: "down" | "silent" | "strange";
  };

/** How long a node has to answer. */
export const STATE_TIMEOUT_MS = 700;
/** The longest answer that is read. */
const MAX_ANSWER_BYTES = 256 * 1024;

/** What the node at `origin` tells of itself. */
export async function askState(fetch: Fetch, origin: string): Promise<Told> {
  const signal = AbortSignal.timeout(STATE_TIMEOUT_MS);
  try {
    const request = new Request(`${origin}/_page/state`, {
      redirect: "manual",
      signal,
    });
    const answer = await fetch(request);
    if (!answer.ok) {
      await answer.body?.cancel();
      return { why: "strange" };
    }
    const state = readState(JSON.parse(await textOf(answer)));
    return state === undefined ? { why: "strange" } : { state };
  } catch (error) {
    if (signal.aborted) return { why: "silent" };
    const isText = error instanceof SyntaxError || error instanceof RangeError;
    return { why: isText ? "strange" : "down" };
  }
}

/**
 * The text of an answer or a request.
 *
 * @throws {RangeError} If it is longer than `maxBytes`.
 */
export async function textOf(
  { body }: { body: ReadableStream<Uint8Array> | null },
  maxBytes: number = MAX_ANSWER_BYTES,
): Promise<string> {
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of body ?? []) {
    bytes += chunk.length;
    if (bytes > maxBytes) {
      throw new RangeError(`A body may have ${maxBytes} bytes: received more`);
    }
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}
