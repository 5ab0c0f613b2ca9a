import { memoryUsage } from "node:process";
import fc from "fast-check";
import { WriteOrder } from "../../group/write_order.ts";
import { assert, assertEquals } from "../support/assert.ts";

/** A set of the key "k" by one of several processes. */
interface Op {
  readonly writer: number;
  readonly began: number;
  /** When its caller was told; until then it is under way. */
  ended: number;
  resolved: boolean;
}

/** Something on its way, which may arrive at any time, and more than once. */
type Message =
  | { to: "owner"; op: Op; given: string }
  | { to: "writer"; op: Op; answer: "done" | { ticket: string }; note: string };

/** What may happen; a number chooses among what there is. */
const event = fc.record({
  what: fc.oneof(
    { weight: 20, arbitrary: fc.constant("arrive") },
    { weight: 8, arbitrary: fc.constant("set") },
    { weight: 3, arbitrary: fc.constant("give up") },
    { weight: 2, arbitrary: fc.constant("arrive twice") },
    {
      weight: 1,
      arbitrary: fc.constantFrom("remove", "clear", "other keys", "restart"),
    },
  ),
  choice: fc.nat(1000),
});

/** An owner and processes that set one of its keys, over a network that keeps no order. */
class Model {
  #order = new WriteOrder(3);
  #now = 0;
  /** What the owner has; `undefined`: nothing. */
  #stored: Op | undefined;
  #removed = -1;
  readonly #latest = [this.#order.latest(), "unknown", "unknown"];
  readonly #ops: Op[] = [];
  readonly #messages: Message[] = [];

  play(what: string, choice: number): void {
    this.#now++;
    switch (what) {
      case "set": {
        const writer = choice % this.#latest.length;
        const op = {
          writer,
          began: this.#now,
          ended: Infinity,
          resolved: false,
        };
        this.#ops.push(op);
        this.#messages.push({ to: "owner", op, given: this.#latest[writer]! });
        break;
      }
      case "give up": {
        const op = this.#ops[choice % this.#ops.length];
        if (op?.ended === Infinity) op.ended = this.#now;
        break;
      }
      case "arrive":
      case "arrive twice": {
        const index = choice % this.#messages.length;
        const message = what === "arrive"
          ? this.#messages.splice(index, 1)[0]
          : this.#messages[index];
        if (message !== undefined) this.#arrive(message);
        break;
      }
      case "remove":
        this.#order.add("k");
        this.#remove();
        break;
      case "clear":
        this.#order.addAll();
        this.#remove();
        break;
      case "other keys":
        for (let i = 0; i < choice % 5; i++) this.#order.add(`other-${i}`);
        break;
      case "restart":
        this.#order = new WriteOrder(3);
        this.#remove();
    }
    this.#check();
  }

  #remove(): void {
    this.#stored = undefined;
    this.#removed = this.#now;
  }

  #arrive(message: Message): void {
    const { op } = message;
    if (message.to === "owner") {
      const verdict = this.#order.judge("k", message.given);
      if (verdict === "store") this.#stored = op;
      const answer = typeof verdict === "object" ? verdict : "done";
      const note = this.#order.latest();
      this.#messages.push({ to: "writer", op, answer, note });
      return;
    }
    if (op.ended !== Infinity) return;
    if (message.answer !== "done") {
      const { ticket } = message.answer;
      this.#messages.push({ to: "owner", op, given: ticket });
      return;
    }
    this.#latest[op.writer] = message.note;
    op.ended = this.#now;
    op.resolved = true;
    const isAlone = this.#removed < op.began &&
      this.#ops.every((one) => one === op || one.ended < op.began);
    if (isAlone) assertEquals(this.#stored, op, "it is stored");
  }

  /** What was over before a write began that resolved is not there any more. */
  #check(): void {
    const ended = this.#stored?.ended ?? Infinity;
    assert(ended > this.#removed, "it was removed");
    for (const { resolved, began } of this.#ops) {
      assert(!resolved || ended > began, "it is older than what resolved");
    }
  }
}

Deno.test("Whatever arrives late, twice or never, a value that was given up before a write began is not there after that write", () => {
  fc.assert(
    fc.property(fc.array(event, { maxLength: 60, size: "max" }), (events) => {
      const model = new Model();
      for (const { what, choice } of events) model.play(what, choice);
    }),
    { numRuns: 5_000 },
  );
});

Deno.test("A value that is sent with the newest number is stored at once, and any other with its ticket", () => {
  const order = new WriteOrder();
  const first = order.judge("k", "unknown") as { ticket: string };
  assertEquals(order.judge("k", first.ticket), "store");
  const latest = order.latest();
  assertEquals(order.judge("k", latest), "store");
  assertEquals(order.judge("other", latest), "store");
  const late = order.judge("k", latest) as { ticket: string };
  const later = order.judge("k", latest) as { ticket: string };
  assertEquals(order.judge("k", order.latest()), "store");
  for (const { ticket } of [late, later]) {
    assertEquals(order.judge("k", ticket), "superseded");
  }
});

Deno.test("Of two values with tickets the one with the newer ticket stays, whichever arrives first", () => {
  for (const newestFirst of [false, true]) {
    const order = new WriteOrder();
    const older = order.judge("k", "unknown") as { ticket: string };
    const newer = order.judge("k", "unknown") as { ticket: string };
    const verdicts = newestFirst
      ? [order.judge("k", newer.ticket), order.judge("k", older.ticket)]
      : [order.judge("k", older.ticket), order.judge("k", newer.ticket)];
    assertEquals(verdicts, ["store", newestFirst ? "superseded" : "store"]);
  }
});

Deno.test("A value that was given up is refused once another one has a ticket, and takes no place from it", () => {
  const order = new WriteOrder();
  const latest = order.latest();
  const { ticket } = order.judge("k", "unknown") as { ticket: string };
  // Sent before the ticket was given, so its sender may have left before that.
  assert(typeof order.judge("k", latest) === "object");
  assertEquals(order.judge("k", ticket), "store");
});

Deno.test("The keys of writes do not keep the messages alive that they were cut from", () => {
  const order = new WriteOrder();
  order.latest();
  const before = memoryUsage().heapUsed;
  for (let i = 0; i < 600; i++) {
    const message = `${i}`.padEnd(24, "-") + "x".repeat(200_000);
    const bytes = new TextEncoder().encode(message);
    order.add(new TextDecoder().decode(bytes).slice(0, 24));
  }
  const grownBy = memoryUsage().heapUsed - before;
  assert(typeof order.judge(`0`.padEnd(24, "-"), "unknown") === "object");
  // The messages are 120 MB together. In Node 20 a slice keeps all of a string alive.
  assert(grownBy < 60 * 2 ** 20, `${grownBy} bytes`);
});
