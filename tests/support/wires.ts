/** The two directions of a link on the network in memory. */

import type { FakeClock } from "./time.ts";

/** How many bytes are on their way before the sender has to wait. */
const WINDOW_BYTES = 64 * 1024;

/** What happens to bytes on their way. */
export interface Weather {
  /** They stay on their way until that has changed. */
  isHeld(): boolean;
  /** For how long each of them is on its way. */
  delayMs(): number;
}

export interface WireOptions {
  clock: FakeClock;
  weather: Weather;
  /** Sees the bytes as they leave. */
  onSent: (bytes: Uint8Array) => void;
  /** The sender ended in order, and all bytes have come out. */
  onEnd?: () => void;
  /** The receiver reads no more. */
  onLeft?: (reason: unknown) => void;
}

interface Item {
  /** `undefined`: the sender ended in order. */
  readonly bytes: Uint8Array | undefined;
  readonly at: number;
}

/** One direction: it reads a stream, and what it reads comes out later. */
export class Wire {
  readonly out: ReadableStream<Uint8Array>;
  readonly #options: WireOptions;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  #controller!: ReadableStreamDefaultController<Uint8Array>;
  #items: Item[] = [];
  #bytes = 0;
  #isOver = false;
  #isClosed = false;
  #isRejected = false;
  #cancelLook: () => void = () => {};
  #onRoom: () => void = () => {};

  constructor(source: ReadableStream<Uint8Array>, options: WireOptions) {
    this.#options = options;
    this.#reader = source.getReader();
    this.out = new ReadableStream({
      start: (controller) => {
        this.#controller = controller;
      },
      pull: () => this.#onRoom(),
      cancel: (reason) => {
        this.#isClosed = true;
        this.drop();
        options.onLeft?.(reason);
      },
    }, { highWaterMark: WINDOW_BYTES, size: (bytes) => bytes!.byteLength });
    this.#run();
  }

  /** Looks again whether anything may go on. */
  look(): void {
    const { clock, weather, onEnd } = this.#options;
    this.#cancelLook();
    while (!this.#isOver && this.#items.length > 0) {
      if (weather.isHeld()) return;
      const { bytes, at } = this.#items[0]!;
      const left = at - clock.now();
      if (left > 0) {
        this.#cancelLook = clock.after(left, () => this.look());
        return;
      }
      this.#items.shift();
      if (bytes === undefined) {
        this.drop();
        this.#isClosed = true;
        this.#controller.close();
        return onEnd?.();
      }
      this.#bytes -= bytes.byteLength;
      this.#controller.enqueue(bytes);
      this.#onRoom();
    }
  }

  /** What is on its way is lost, and nothing more gets through. */
  drop(): void {
    this.#isOver = true;
    this.#items = [];
    this.#cancelLook();
    this.#onRoom();
  }

  /** The receiver sees an error. */
  sever(error: unknown): void {
    this.drop();
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#controller.error(error);
  }

  /** The sender sees an error. */
  reject(error: unknown): void {
    this.#isRejected = true;
    this.#reader.cancel(error).catch(() => {});
  }

  async #run(): Promise<void> {
    const { clock, weather, onSent } = this.#options;
    try {
      for (;;) {
        const { value } = await this.#reader.read();
        // A reader that is cancelled reads an end, which is not the sender's.
        if (this.#isOver || this.#isRejected) return;
        if (value !== undefined) {
          onSent(value);
          this.#bytes += value.byteLength;
        }
        const at = clock.now() + weather.delayMs();
        this.#items.push({ bytes: value, at });
        this.look();
        if (value === undefined) return;
        while (!this.#hasRoom && !this.#isOver) {
          await new Promise<void>((resolve) => this.#onRoom = resolve);
        }
      }
    } catch (error) {
      this.sever(error);
    }
  }

  get #hasRoom(): boolean {
    return this.#bytes < (this.#controller.desiredSize ?? 0);
  }
}
