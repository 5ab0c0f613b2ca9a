/**
 * A stream of bytes both ways: what is written goes out at once, and what comes in is
 * handed on as it comes.
 *
 * It is made of two web streams, or of whatever else carries bytes both ways more
 * cheaply on some runtime.
 *
 * @module
 */

/** The two directions of one stream. */
export interface Duplex {
  /**
   * Sends bytes, which belong to the stream from now on. Returns whether more is welcome;
   * if not, the listener hears when it is. More can be written all the same.
   */
  write(bytes: Uint8Array<ArrayBuffer>): boolean;
  /** Nothing more is written. The other side sees an end that is in order. */
  end(): void;
  /**
   * Ends both directions at once, and the listener hears nothing more. Without `end()`
   * before, the other side sees that it broke.
   */
  destroy(reason: unknown): void;
  /** Takes nothing more in, as far as that can be stopped, until `resume()`. */
  pause(): void;
  resume(): void;
}

/** What hears of a stream. */
export interface DuplexListener {
  /** Bytes came. They are there only until this returns. */
  onBytes(bytes: Uint8Array): void;
  /** More is welcome again. */
  onDrain(): void;
  /** Nothing more comes. `error` is why; `undefined`: the other side ended in order. */
  onEnd(error: unknown): void;
}

/** How many bytes may wait to be sent before no more are welcome. */
const HIGH_WATER_BYTES = 256 * 1024;

/** The buffer that bytes are read into; twice as large each time when it was filled. */
const FIRST_BUFFER_BYTES = 8 * 1024;
const MAX_BUFFER_BYTES = 256 * 1024;

/** A duplex of two web streams: one that others read, and one that it reads. */
export class StreamDuplex implements Duplex {
  /** What is written comes out here. */
  readonly outgoing: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #listener: DuplexListener;
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #reader: ReadableStreamGenericReader | undefined;
  /** Nothing more can be written. */
  #ended = false;
  /** The listener hears nothing more. */
  #over = false;
  #resume: (() => void) | undefined;
  #paused: Promise<void> | undefined;

  constructor(listener: DuplexListener) {
    this.#listener = listener;
    this.outgoing = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => {
        if (!this.#over) listener.onDrain();
      },
      cancel: (reason) => {
        this.#ended = true;
        this.#finish(reason ?? new Error("the other side reads no more"));
      },
    }, {
      highWaterMark: HIGH_WATER_BYTES,
      size: (bytes) => bytes.byteLength,
    });
  }

  /** Reads `incoming` from now on. */
  async read(incoming: ReadableStream<Uint8Array>): Promise<void> {
    const read = this.#readerOf(incoming);
    // It was destroyed before there was anything to read.
    if (this.#over) return this.#cancel(new Error("the stream is over"));
    try {
      for (;;) {
        const { done, value } = await read();
        if (this.#over) return;
        if (done) return this.#finish(undefined);
        this.#listener.onBytes(value!);
        // It may be paused again by the time that it goes on.
        while (this.#paused !== undefined) await this.#paused;
      }
    } catch (error) {
      this.#finish(error ?? new Error("the stream broke"));
    }
  }

  /** What reads the next bytes: into one buffer again and again, where that is possible. */
  #readerOf(
    incoming: ReadableStream<Uint8Array>,
  ): () => Promise<ReadableStreamReadResult<Uint8Array>> {
    let reader: ReadableStreamBYOBReader;
    try {
      reader = incoming.getReader({ mode: "byob" });
    } catch {
      // It is no stream of bytes, but of arrays.
      const reader = incoming.getReader();
      this.#reader = reader;
      return () => reader.read();
    }
    this.#reader = reader;
    let buffer = new ArrayBuffer(FIRST_BUFFER_BYTES);
    return async () => {
      const result = await reader.read(new Uint8Array(buffer));
      const { value } = result;
      if (value !== undefined) {
        const isFull = value.byteLength === value.buffer.byteLength;
        buffer = isFull && value.byteLength < MAX_BUFFER_BYTES
          ? new ArrayBuffer(2 * value.byteLength)
          : value.buffer;
      }
      return result as ReadableStreamReadResult<Uint8Array>;
    };
  }

  write(bytes: Uint8Array<ArrayBuffer>): boolean {
    if (this.#ended) return true;
    this.#controller.enqueue(bytes);
    return (this.#controller.desiredSize ?? 0) > 0;
  }

  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    this.#controller.close();
  }

  destroy(reason: unknown): void {
    this.#over = true;
    this.resume();
    if (!this.#ended) {
      this.#ended = true;
      this.#controller.error(reason);
    }
    this.#cancel(reason);
  }

  pause(): void {
    this.#paused ??= new Promise((resolve) => this.#resume = resolve);
  }

  resume(): void {
    this.#resume?.();
    this.#resume = undefined;
    this.#paused = undefined;
  }

  #cancel(reason: unknown): void {
    this.#reader?.cancel(reason).catch(() => {});
  }

  /** Nothing more comes. */
  #finish(error: unknown): void {
    if (this.#over) return;
    this.#over = true;
    this.resume();
    if (error !== undefined) this.#cancel(error);
    this.#listener.onEnd(error);
  }
}
