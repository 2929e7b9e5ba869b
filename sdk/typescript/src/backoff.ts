// Delays between attempts: doubling, capped, jittered so that a fleet does not come back in step.

/** Doubling delays between `first` and `longest` milliseconds. */
export class Backoff {
  readonly #first: number;
  readonly #longest: number;
  #next: number;

  constructor(first: number, longest: number) {
    this.#first = first;
    this.#longest = longest;
    this.#next = first;
  }

  /** The next delay: between half of the current step and all of it. */
  nextDelay(): number {
    const step = this.#next;
    this.#next = Math.min(step * 2, this.#longest);
    return jittered(step);
  }

  reset(): void {
    this.#next = this.#first;
  }
}

/** Between a half and all of `duration`. */
export function jittered(duration: number): number {
  return duration * (0.5 + Math.random() / 2);
}
