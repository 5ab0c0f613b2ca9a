/**
 * The front door: `/api?key=` answers clients from the whole cluster, so a client
 * needs to know nothing about nodes and owners.
 *
 * @module
 */

import { STATUS_CODE, STATUS_TEXT } from "@std/http/status";
import { entryResponse, errorResponse, type Group } from "../mod.ts";
import { messageOf } from "./exit.ts";

/** Answers one request. */
export type Answer = (request: Request) => Response | Promise<Response>;

/**
 * Answers requests for `/api` from `scores`; `otherwise` answers the rest.
 *
 * @param asked Hears of each key that is asked for.
 */
export function frontDoor(
  scores: Group,
  otherwise: Answer,
  asked: (key: string) => void = () => {},
): Answer {
  return (request) =>
    new URL(request.url).pathname === "/api"
      ? answerApi(request, scores, asked)
      : otherwise(request);
}

/**
 * A client that sends the ETag of the current value gets 304 and no body. An error is
 * told as it is, since this program is there to be looked at.
 */
async function answerApi(
  request: Request,
  scores: Group,
  asked: (key: string) => void,
): Promise<Response> {
  if (request.method !== "GET" && request.method !== "HEAD") {
    return statusResponse(STATUS_CODE.MethodNotAllowed, undefined, {
      Allow: "GET, HEAD",
    });
  }
  const key = new URL(request.url).searchParams.get("key");
  if (!key) return statusResponse(STATUS_CODE.BadRequest, "key is required");
  asked(key);
  try {
    const entry = await scores.getEntry(key, { signal: request.signal });
    const stored = scores.peek(key) !== undefined;
    return await entryResponse(request, { ...entry, stored }, {
      // Scores never expire, and nobody tells other caches of removals.
      headers: { "Cache-Control": "no-cache" },
    });
  } catch (error) {
    return errorResponse(request, error, {
      asked: { group: scores.name, key },
      text: messageOf(error),
    });
  }
}

/** A plain text response; without a message, the text is the name of the status. */
export function statusResponse(
  code: keyof typeof STATUS_TEXT,
  message: string = STATUS_TEXT[code],
  headers?: Record<string, string>,
): Response {
  return new Response(`${message}\n`, {
    status: code as number,
    headers: { "Content-Type": "text/plain; charset=utf-8", ...headers },
  });
}
