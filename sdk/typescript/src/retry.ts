// Which refused or lost calls are repeated, and after how long.
import { Backoff, jittered } from "./backoff.js";
import { ApiError, StepfleetError } from "./errors.js";

/** The attempts of one call. */
export class Attempts {
  #left: number;
  readonly #backoff = new Backoff(100, 5000);

  constructor(retries: number) {
    this.#left = retries;
  }

  /** Milliseconds to wait before the next attempt; throws the error itself when there is no next attempt. */
  after(error: unknown): number {
    if (this.#left === 0 || !(error instanceof StepfleetError) || !error.isRetryable) throw error;
    this.#left -= 1;
    return delayAfter(error, this.#backoff);
  }
}

/** The coordinator's hint is a lower bound; jitter goes on top so that a throttled fleet does not come back in step. */
export function delayAfter(error: unknown, backoff: Backoff): number {
  const own = backoff.nextDelay();
  const hint = error instanceof ApiError ? error.retryAfterMs : undefined;
  return hint === undefined ? own : hint + jittered(own);
}
