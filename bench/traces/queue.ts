/** Numbers that leave in the order in which they came. */
export class Queue {
  #ring = new Int32Array(16);
  #first = 0;
  #length = 0;

  get length(): number {
    return this.#length;
  }

  push(number: number): void {
    if (this.#length === this.#ring.length) this.#grow();
    this.#ring[(this.#first + this.#length++) % this.#ring.length] = number;
  }

  /** Takes the oldest. There must be one. */
  shift(): number {
    const number = this.#ring[this.#first]!;
    this.#first = (this.#first + 1) % this.#ring.length;
    this.#length--;
    return number;
  }

  #grow(): void {
    const ring = new Int32Array(this.#ring.length * 2);
    ring.set(this.#ring.subarray(this.#first));
    ring.set(
      this.#ring.subarray(0, this.#first),
      this.#ring.length - this.#first,
    );
    this.#ring = ring;
    this.#first = 0;
  }
}
