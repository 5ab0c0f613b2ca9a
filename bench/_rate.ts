/** How many answers a second come, with so many questions under way at any moment. */

/** How long a side's turn takes, unless a bench says otherwise. */
export const ROUND_MS = 600;

/** Asks one question, and returns the length of its answer in bytes. */
export type Ask<Question = string> = (question: Question) => Promise<number>;

/** What came of {@linkcode answers}. */
export interface Answers {
  answered: number;
  ms: number;
}

/**
 * Asks for `ms` milliseconds and waits for the answers that are then on their way.
 * No question is under way twice.
 *
 * @param bytes The length that every answer must have.
 */
export async function answers<Question>(
  inFlight: number,
  questions: readonly Question[],
  bytes: number,
  ask: Ask<Question>,
  ms: number = ROUND_MS,
): Promise<Answers> {
  if (questions.length < inFlight) {
    throw new RangeError(
      `Cannot ask: ${inFlight} in flight need as many questions: received ${questions.length}`,
    );
  }
  let answered = 0;
  const begin = performance.now();
  const end = begin + ms;
  const worker = async (_: unknown, first: number): Promise<void> => {
    let next = first;
    do {
      const length = await ask(questions[next]!);
      if (length !== bytes) {
        throw new Error(`${length} bytes came, not ${bytes}`);
      }
      answered++;
      next += inFlight;
      if (next >= questions.length) next = first;
    } while (performance.now() < end);
  };
  await Promise.all(Array.from({ length: inFlight }, worker));
  return { answered, ms: performance.now() - begin };
}

/** The same, as answers per second. */
export async function rate<Question>(
  ...asked: Parameters<typeof answers<Question>>
): Promise<number> {
  const { answered, ms } = await answers(...asked);
  return answered / ms * 1000;
}
