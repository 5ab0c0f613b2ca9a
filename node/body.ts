/**
 * The body of a message of `node:http`, as bytes or as a stream.
 *
 * Nothing is read before somebody asks for it, and no more than that.
 *
 * @module
 */

import type { IncomingMessage } from "node:http";

/** The headers of a message. A header that came twice is there twice. */
export function headersOf({ rawHeaders }: IncomingMessage): Headers {
  const headers = new Headers();
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = rawHeaders[i]!;
    // HTTP/2 has the method and the path among its headers, named with a colon.
    if (!name.startsWith(":")) headers.append(name, rawHeaders[i + 1]!);
  }
  return headers;
}

/** Reports the data, the end and the failure of a body. Returns a function to stop. */
function listen(
  message: IncomingMessage,
  onData: (chunk: Uint8Array<ArrayBuffer>) => void,
  onEnd: () => void,
  onError: (error: Error) => void,
): () => void {
  const onClose = (): void => {
    if (!message.readableEnded) onFail(new Error("the connection was cut"));
  };
  const onFail = (error: Error): void => {
    leave();
    onError(error);
  };
  const end = (): void => {
    leave();
    onEnd();
  };
  const leave = (): void => {
    message.off("data", onData);
    message.off("end", end);
    message.off("error", onFail);
    message.off("close", onClose);
    // An error without a listener would end the process.
    message.on("error", () => {});
  };
  // Nothing of it would ever arrive.
  if (message.readableDidRead || message.readableEnded) {
    onError(new TypeError("Cannot read the body: it was read before"));
    return () => {};
  }
  message.on("end", end);
  message.on("error", onFail);
  message.on("close", onClose);
  message.on("data", onData);
  if (message.destroyed && !message.readableEnded) onClose();
  return leave;
}

/** Reads a whole body. */
export function collect(message: IncomingMessage): Promise<ArrayBuffer> {
  return new Promise((resolve, reject) => {
    const chunks: Uint8Array<ArrayBuffer>[] = [];
    let length = 0;
    const onEnd = (): void => {
      const bytes = new Uint8Array(length);
      let at = 0;
      for (const chunk of chunks) {
        bytes.set(chunk, at);
        at += chunk.length;
      }
      resolve(bytes.buffer);
    };
    listen(
      message,
      (chunk) => {
        chunks.push(chunk);
        length += chunk.length;
      },
      onEnd,
      reject,
    );
  });
}

/**
 * A body as a stream that reads only when it is read.
 *
 * @param onCancel Called if the stream is cancelled.
 * @param reasonOf Turns a failure of the message into the error of the stream.
 */
export function streamOf(
  message: IncomingMessage,
  onCancel: () => void = () => {},
  reasonOf: (error: unknown) => unknown = (error) => error,
): ReadableStream<Uint8Array<ArrayBuffer>> {
  let leave: (() => void) | undefined;
  return new ReadableStream<Uint8Array<ArrayBuffer>>({
    pull(controller) {
      leave ??= listen(
        message,
        ({ buffer, byteOffset, length }) => {
          message.pause();
          // Not the `Buffer` itself, whose methods differ.
          controller.enqueue(new Uint8Array(buffer, byteOffset, length));
        },
        () => controller.close(),
        (error) => controller.error(reasonOf(error)),
      );
      message.resume();
    },
    cancel() {
      leave?.();
      message.pause();
      onCancel();
    },
  }, { highWaterMark: 0 });
}
