/** A text as one line: line breaks and control characters are escaped. */
export function oneLine(text: string): string {
  return text.replace(
    // deno-lint-ignore no-control-regex
    /[\x00-\x1f\x7f-\x9f\u2028\u2029]/g,
    (c) => JSON.stringify(c).slice(1, -1),
  );
}

/**
 * Yields the lines of a stream of bytes without their line ends. A last line
 * that has no line end counts, too.
 */
export async function* linesOf(
  bytes: ReadableStream<Uint8Array>,
): AsyncIterableIterator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const chunk of bytes) {
    const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
  rest += decoder.decode();
  if (rest !== "") yield rest;
}
